"""`bragglive bench ingest` and `wire-faults`, small: what they write, what they promise, how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from streamer import bench, bench_ingest
from streamer.bench_load import LARGE_INDEX, Plan, load
from streamer.checker import Account
from streamer.detectors import dectris_v2
from streamer.detectors.records import Frame
from streamer.fault_report import Result as FaultResult
from streamer.fault_report import targets


def _bench(*arguments: str) -> Result:
    """Run the command as a member of a group, as `bragglive bench` has it."""
    group = typer.Typer(no_args_is_help=True)
    group.add_typer(bench.app)
    group.command("another")(lambda: None)
    return CliRunner().invoke(group, list(arguments))


@pytest.mark.parametrize("index", [0, 23, 24, 255, 4000, LARGE_INDEX + 7])
def test_a_ready_message_takes_any_index(index: int) -> None:
    """Only the index changes, and the pixels are those of one of the pictures."""
    made = load(Plan(series="A", frames=10, shape=(32, 40)))
    frame = dectris_v2.read([memoryview(made.image(index))])
    assert isinstance(frame, Frame)
    assert (frame.index, frame.series) == (index, "A")
    assert dectris_v2.pixels(frame, "threshold_1", 0, 32).max() > 1000


def test_a_small_run_writes_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts, whole, CURVE and the steady pace are measured, nothing is lost, and the targets stand beside them."""
    monkeypatch.setattr(bench_ingest, "SHAPE", (64, 64))
    monkeypatch.setattr(bench_ingest, "WINDOW", (16, 16, 32, 32))
    file = tmp_path / "ingest.json"
    done = _bench("ingest", "--frames", "100", "--sustain", "0.1", "--folder", str(tmp_path), "--json", str(file))
    assert done.exit_code == 0, done.output
    record = json.loads(file.read_bytes())
    assert [row["measured"] for row in record["rows"]] == [
        *("receiver", "journal", "journal", "decode", "whole"),
        *("receiver", "whole", "whole"),
    ]
    assert all(row["frames_per_s"] > 0 for row in record["rows"])
    values = {target["name"]: target["value"] for target in record["targets"]}
    rate = {bench.name_of(row): row["frames_per_s"] for row in record["rows"]}
    slowest = min(
        rate[name] for name in ("bare pyzmq receiver", "journal, 32 a commit", "decode of the region of interest")
    )
    assert values["whole / its slowest part"] == pytest.approx(rate["whole streamer"] / slowest)
    assert values["frames lost"] == 0


def test_a_soak_of_two_runs_writes_the_record(tmp_path: Path) -> None:
    """Two seeded runs against a streamer process, each with its account; the exit code says that all went well."""
    file = tmp_path / "faults.json"
    done = _bench(
        "wire-faults", "--runs", "2", "--seed", "3", "--folder", str(tmp_path), "--json", str(file), "--check"
    )
    assert done.exit_code == 0, done.output
    record = json.loads(file.read_bytes())
    assert [row["seed"] for row in record["rows"]] == [3, 4]
    assert all(target["met"] for target in record["targets"])
    assert "frames sent whole" in done.output


def test_the_targets_of_a_soak_notice_what_went_wrong() -> None:
    """A lost frame, a scan closed too late and a message out of order each miss their target."""
    result = FaultResult(
        seed=1,
        faults=("drop",),
        account=Account(sent=5, kept=4, lost=1),
        out_of_order=2,
        archives_wrong=0,
        recovery_s=(),
        closing_s=9.0,
        closing_limit_s=2.3,
        peak_memory_mib=1.0,
        took_s=1.0,
    )
    missed = {target.name: target.value for target in targets([result]) if not target.met}
    assert missed == {"accepted frames lost": 1, "messages twice or out of order": 2, "scans closed too late": 1}
