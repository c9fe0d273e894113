"""`bragglive bench live` with its real processes, on shorter scans and holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from compose import bench_live, live_plan, live_run
from compose.live_plan import PlannedHold

FRAMES = 81
SHORT = (
    PlannedHold("before", 4.1, 4.0, 1.5, 0.0, 1.0),
    PlannedHold("after", 3.9, 4.0, 1.5, -5.0, 1.5),
    PlannedHold("impossible", 4.0, 1.0, 0.9, 5.0, 0.8),
)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs take seconds: short scans and holds, cheap recipes on small windows."""
    monkeypatch.setenv("BRAGGLIVE_RECONSTRUCTOR_REFINED_RECIPES", '["Sup(every=10) * HIO**60 * ER**20"]')
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as `bragglive` has it, which is not begun here
    monkeypatch.setenv("BRAGGLIVE_RECONSTRUCTOR_REFINED_SIDE", "64")
    monkeypatch.setenv("BRAGGLIVE_RECONSTRUCTOR_PROVISIONAL_SIDE", "48")
    monkeypatch.setattr(live_plan, "FRAMES", FRAMES)
    for module in (live_plan, live_run):
        monkeypatch.setattr(module, "planned", lambda seed: SHORT)


@pytest.mark.usefixtures("short")
def test_a_short_run_is_measured_and_played_back(tmp_path: Path) -> None:
    """Every frame of three holds comes through, volumes have their overlaps, each way its own, targets stand beside."""
    group = typer.Typer(no_args_is_help=True)
    group.add_typer(bench_live.app)
    group.command("another")(lambda: None)
    out = tmp_path / "live.json"
    arguments = ["live", "--runs", "1", "--seed", "3", "--stops", "0", "--folder", str(tmp_path), "--json", str(out)]
    done = CliRunner().invoke(group, arguments)
    assert done.exit_code == 0, done.output
    assert "Run 1 of 1, seed 3" in done.output
    record = json.loads(out.read_bytes())
    before, after, impossible = record["rows"]
    assert [row["frames_received"] for row in record["rows"]] == [FRAMES] * 3
    assert [row["offset_frames"] for row in record["rows"]] == [0.0, -5.0, 5.0]
    assert before["last_frame_to_refined_s"] > 0
    assert before["refined_overlap"] > 0.5
    assert all(volume["overlap"] is not None for volume in after["volumes"])
    assert {"last", "warm", "cold"} == {way["way"] for way in after["ways"]}
    assert not before["ways"]
    assert not impossible["refined_before_hold_ended"]
    assert impossible["called_impossible_after_s"] < 0.5
    assert "refined before the hold ended" in {target["name"] for target in record["targets"]}
    assert (tmp_path / "seed-3" / "truth.h5").exists()
