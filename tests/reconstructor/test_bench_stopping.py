"""`bragglive bench stopping` on a tiny cube."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from reconstructor import bench_stopping


def test_every_stop_is_timed_and_the_longest_held_against_the_promise(tmp_path: Path) -> None:
    """A job is stopped at moments spread over it; what was done before the stop is no stop, and all are written."""
    group = typer.Typer(no_args_is_help=True)
    group.add_typer(bench_stopping.app)
    group.command("another")(lambda: None)
    out = tmp_path / "stopping.json"
    options = ("--size", "32", "--stops", "3", "--iterations", "30", "--json", str(out))
    result = CliRunner().invoke(group, ["stopping", *options])
    assert result.exit_code == 0, result.output
    record = json.loads(out.read_text())
    assert len(record["rows"]) == 3
    assert record["rows"][0]["stopped_s"] is not None
    stopped = [row["stopped_s"] for row in record["rows"] if row["stopped_s"] is not None]
    assert record["targets"][0]["value"] == max(stopped)
    assert max(row["after_s"] for row in record["rows"]) < record["settings"]["whole_s"]
