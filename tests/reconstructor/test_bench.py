"""`bragglive bench phasing` on a tiny cube: what it writes, what it promises, how it ends."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from reconstructor import bench, bench_phasing, bench_recipe
from reconstructor.phasing import recipe_file
from reconstructor.phasing.program import Leg
from reconstructor.phasing.recipe import Stage, Step, scaled


def _bench(*arguments: str) -> Result:
    """Run the command as a member of a group, as `bragglive bench` has it."""
    group = typer.Typer(no_args_is_help=True)
    group.add_typer(bench.app)
    group.command("another")(lambda: None)
    return CliRunner().invoke(group, list(arguments))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured here is not reported: a few milliseconds each are enough."""
    short = scaled(recipe_file.default("refined"), 20)
    monkeypatch.setattr(bench_phasing, "SHORTEST_S", 0.002)
    monkeypatch.setattr(recipe_file, "default", lambda name: short)


@pytest.mark.parametrize("kernels", ["cpu", "blocked", "reference"])
def test_a_tiny_run_writes_the_record(tmp_path: Path, kernels: str) -> None:
    """A run at 32³ writes every measurement, its settings and the targets of these kernels."""
    file = tmp_path / "phasing.json"
    done = _bench("phasing", "--kernels", kernels, "--size", "32", "--seconds", "0", "--json", str(file))
    assert done.exit_code == 0, done.output
    record = json.loads(file.read_bytes())
    assert record["command"] == "bench phasing"
    assert record["settings"]["kernels"] == kernels
    iterations = {row["algorithm"]: row for row in record["rows"] if row["measured"] == "iteration"}
    assert list(iterations) == ["ER", "HIO", "RAAR", "DM", "SF", "CF", "ML"]
    for row in iterations.values():
        assert row["ratio_to_pair"] > 0
        assert row["voxel_iterations_per_s"] == pytest.approx(32**3 * row["iterations_per_s"])
    assert {row["measured"] for row in record["rows"]} == {"iteration", "population", "shrinkwrap", "recipe"}
    for row in record["rows"]:
        if row["measured"] == "population":
            assert row["cores_ratio"] > 0
            assert row["least_ratio"] <= row["ratio_to_one_run"] <= row["most_ratio"]
    names = " ".join(target["name"] for target in record["targets"])
    assert "2 runs on two cores / one run on one core, 32³" in names
    assert "shrinkwrap update / HIO iteration, 32³" in names
    assert ("HIO iteration / 1 FFT pair, 32³" in names) == (kernels == "blocked")


def _iteration(algorithm: str, size: int, threads: int, ratio: float) -> bench.Row:
    return {
        "measured": "iteration",
        "algorithm": algorithm,
        "size": size,
        "threads": threads,
        "library": "pyfftw",
        "kernel": "FusedKernel",
        "ratio_to_pair": ratio,
    }


def test_targets_are_those_promised() -> None:
    """Limits follow size and threads; the difference map is compared with two pairs."""
    rows = [
        _iteration("HIO", 64, 1, 1.19),
        _iteration("DM", 64, 1, 2.5),
        _iteration("ER", 128, 1, 1.0),
        _iteration("ER", 128, 2, 1.11),
        _iteration("RAAR", 256, 2, 0.8),
        _iteration("ML", 64, 1, 3.0),
        {"measured": "recipe", "recipe": "refined", "size": 64, "ratio_to_pairs": 1.3},
    ]
    found = [(target.value, target.limit, target.met) for target in bench.targets(rows)]
    assert found == [(1.19, 1.2, True), (1.25, 1.2, False), (1.11, 1.1, False), (0.8, 0.9, True), (1.3, 1.35, True)]


def test_a_difference_map_stage_needs_two_pairs_an_iteration() -> None:
    """The pairs of a stage count its steps, its tries and what each algorithm transforms."""
    stage = Stage((Step("HIO", 30), Step("DM", 10)), tries=4)
    assert bench_recipe.pairs(Leg(0, stage, (32, 32, 32))) == 4 * (30 + 2 * 10)


def test_the_table_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No heading is cut and no row broken on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    done = _bench("phasing", "--size", "32", "--seconds", "0")
    assert done.exit_code == 0, done.output
    assert "…" not in done.output
    heading = next(line for line in done.output.splitlines() if "Mvox/s" in line)
    assert " ".join(heading.split()) == "size what thr. 1/s Mvox/s ms pair ratio of"
    assert any(re.match(r"32³ +2 HIO runs +2 .* 1 run, cores \d", line) for line in done.output.splitlines())


def test_the_largest_figures_fit_too() -> None:
    """Rows as the slowest and the fastest sizes have them stay whole on 80 columns, with every figure in them."""
    size = {"size": 256, "threads": 2, "runs": 16}
    rows: list[bench.Row] = [
        {**size, "measured": "iteration", "algorithm": "RAAR", "iterations_per_s": 1234.4, "iteration_s": 3.12341}
        | {"pair_s": 0.35678, "ratio_to_pair": 10.126},
        {**size, "measured": "population", "start_iterations_per_s": 1387.4, "ratio_to_one_run": 12.346}
        | {"cores_ratio": 14.568},
        {**size, "measured": "recipe", "recipe": "refined", "run_s": 123.456, "pairs_s": 98.7654}
        | {"ratio_to_pairs": 1.2543},
        {**size, "measured": "shrinkwrap", "update_s": 0.123456, "ratio_to_iteration": 0.2713},
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    bench._show(rows, console)
    shown = console.export_text()
    for figure in (
        "1234",
        "3123",
        "356.8",
        "10.13",
        "1387",
        "12.35",
        "cores 14.57",
        "123456",
        "98765",
        "1.25",
        "123",
        "0.27",
    ):
        assert figure in shown
    assert "…" not in shown


def test_check_fails_when_a_target_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --check the exit code is 1 when an update takes longer than it may."""
    monkeypatch.setattr(bench, "SHRINKWRAP_LIMIT", 0.0)
    done = _bench("phasing", "--size", "16", "--seconds", "0", "--check")
    assert done.exit_code == 1
    assert "shrinkwrap update / HIO iteration, 16³" in done.output


def test_a_slow_size_is_refused() -> None:
    """A side with a large prime factor is refused with what was found and wanted."""
    done = _bench("phasing", "--size", "62")
    assert done.exit_code == 2
    assert "31" in done.output


def test_importing_the_command_is_cheap() -> None:
    """Neither a compiler nor an FFT library is loaded until something is measured."""
    code = "import sys, reconstructor.bench; sys.exit(bool({'numba', 'pyfftw', 'scipy', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
