"""Demos and benchmarks write one JSON shape, and say which targets were met."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from contract.record import Comparison, Record, Target, finish, machine


def _record(*targets: Target) -> Record:
    return Record.now(
        command="bragglive bench kiln",
        settings={"folder": Path("/srv"), "seed": np.int64(3)},
        rows=[{"case": "small", "took_s": np.float32(0.5), "misfit": float("nan")}],
        targets=targets,
    )


MET = Target.of("time to fire", 9.5, 10, "<=", "s")
MISSED = Target.of("overlap [best]", 0.9, 0.95, ">=", "1")
UNKNOWN = Target.of("R", None, 0.012, "<=", "1")


@pytest.mark.parametrize(
    ("value", "comparison", "limit", "met"),
    [
        (1.0, "<", 1.0, False),
        (1.0, "<=", 1.0, True),
        (1.0, ">", 1.0, False),
        (1.0, ">=", 1.0, True),
        (1.0, "==", 1.0, True),
        (2.0, "==", 1.0, False),
        (float("nan"), ">=", 0.0, False),
        (None, ">=", 0.0, False),
    ],
)
def test_a_target_is_met_when_its_comparison_holds(
    value: float | None, comparison: Comparison, limit: float, met: bool
) -> None:
    """What was not determined, or is no number, meets no target."""
    assert Target.of("t", value, limit, comparison, "s").met is met


def test_the_written_shape(tmp_path: Path) -> None:
    """Command, date, machine, version, settings, rows and targets, as plain JSON, in a folder made for it."""
    path = tmp_path / "new" / "out.json"
    assert finish(_record(MET), path, check=False, console=None) == 0
    written = json.loads(path.read_text())
    assert list(written) == ["command", "date", "machine", "version", "settings", "rows", "targets"]
    assert written["settings"] == {"folder": "/srv", "seed": 3}
    assert written["rows"] == [{"case": "small", "took_s": 0.5, "misfit": None}]
    assert written["targets"] == [
        {"name": "time to fire", "value": 9.5, "limit": 10, "comparison": "<=", "unit": "s", "met": True}
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", written["date"])
    assert [file.name for file in path.parent.iterdir()] == ["out.json"]


def test_the_machine_tells_what_numbers_depend_on() -> None:
    """Processor, cores, memory, GPU or none, Python and the packages that compute."""
    found = machine()
    assert found.cores >= 1
    assert found.memory_gib > 0
    assert found.processor
    assert found.packages["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("targets", "check", "code"),
    [((MET,), True, 0), ((MET, MISSED), True, 1), ((UNKNOWN,), True, 1), ((MISSED,), False, 0), ((), True, 0)],
)
def test_only_a_check_fails_for_a_target(targets: tuple[Target, ...], check: bool, code: int) -> None:
    """The exit code is 1 only when checking was asked for and a target is not met."""
    assert finish(_record(*targets), None, check, None) == code


def test_the_table_names_every_target() -> None:
    """Names with brackets are shown as they are, and a check names what was missed."""
    shown = io.StringIO()
    finish(_record(MET, MISSED, UNKNOWN), None, check=True, console=Console(file=shown, width=120))
    text = shown.getvalue()
    assert "overlap [best]" in text
    assert "not determined" in text
    assert ">= 0.95" in text
    assert "targets not met: overlap [best], R" in text


def test_what_json_does_not_know_is_named() -> None:
    """A value that cannot be written is a mistake of ours, named by its type."""
    record = Record.now(command="c", settings={"x": object()}, rows=[])
    with pytest.raises(TypeError, match="record holds a object"):
        finish(record, Path("unused.json"), check=False, console=None)
