"""What the soak of all services found becomes a table, rows and targets that miss when something went wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from compose.chain_check import ChainAccount
from compose.chain_report import ChainResult, rows, show, targets
from compose.cli import build


def result(**fields: object) -> ChainResult:
    """A run in which nothing went wrong, but for what is told."""
    well: dict[str, object] = {
        "seed": 7,
        "faults": ("drop", "kill -9 of the streamer: frames come"),
        "account": ChainAccount(volumes=3),
        "finished": True,
        "archive_wrong": False,
        "overlap": 0.97,
        "recovery_s": (1.5,),
        "peak_memory_mib": 300.0,
        "took_s": 14.0,
    }
    return ChainResult(**{**well, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "missed"),
    [
        ({}, []),
        ({"account": ChainAccount(volumes=3, duplicated=1)}, ["volumes twice"]),
        ({"account": ChainAccount(volumes=3, out_of_order=2)}, ["volumes or messages out of order"]),
        ({"account": ChainAccount(volumes=3, wrong=1)}, ["volumes wrong"]),
        ({"overlap": 0.2}, ["volumes wrong"]),
        ({"overlap": None}, ["volumes wrong"]),
        ({"finished": False, "overlap": None}, ["scans without a refined volume"]),
        ({"archive_wrong": True}, ["archives that differ from what was told"]),
    ],
)
def test_each_target_notices_what_it_is_there_for(fields: dict[str, object], missed: list[str]) -> None:
    """Beside a good run, one fault misses one target, and the table names its seed."""
    results = [result(seed=6), result(**fields)]
    assert [target.name for target in targets(results) if not target.met] == missed
    console = Console(record=True, width=120)
    show(results, console)
    assert ("something was wrong: 7" in console.export_text()) == bool(missed)
    assert [row["seed"] for row in rows(results)] == [6, 7]


def test_a_soak_of_all_services_writes_the_record(tmp_path: Path) -> None:
    """One seeded run: a service is killed at its moment, the refined volume comes all the same."""
    file = tmp_path / "faults.json"
    options = ["--runs", "0", "--chain-runs", "1", "--seed", "34", "--folder", str(tmp_path), "--json", str(file)]
    done = CliRunner().invoke(build(), ["bench", "faults", *options, "--check"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(file.read_bytes())["rows"]
    assert row["finished"]
    assert any(name.startswith("kill -9") for name in row["faults"])
    assert len(row["recovery_s"]) >= 1
    assert row["overlap"] > 0.7
