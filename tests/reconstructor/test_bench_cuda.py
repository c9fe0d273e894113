"""The benchmark of the CUDA kernel, on a tiny cube and an emulated device: what it tells, not how fast that is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from reconstructor import bench, bench_cuda, bench_phasing
from reconstructor.phasing.kernels.cuda import Device
from tests.reconstructor.phasing.kernels.emulated_cupy import Emulated, install


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    """An emulated one, measured for as short as can be."""
    monkeypatch.setattr(bench_phasing, "SHORTEST_S", 0.0)
    monkeypatch.setattr(bench_phasing, "FEWEST_ROUNDS", 1)
    monkeypatch.setattr(bench_phasing, "UPDATES", 1)
    monkeypatch.setattr(bench_cuda, "BATCH", 2)
    install(monkeypatch, Emulated())
    return Device()


def test_every_algorithm_is_measured_alone_and_in_a_batch(device: Device) -> None:
    """A row each, with rates that belong to its time, and a shrinkwrap; every row can be shown."""
    found = list(bench_cuda.rows(device, 12, 0.0))
    iterations = [row for row in found if row["measured"] == "iteration on a device"]
    assert [(row["algorithm"], row["runs"]) for row in iterations] == [
        (algorithm, runs) for runs in (1, bench_cuda.BATCH) for algorithm in bench_cuda.ALGORITHMS
    ]
    for row in iterations:
        assert row["device"] == "emulated"
        assert row["batch"] == row["runs"]
        assert row["ratio_to_pair"] > 0
        assert row["start_iterations_per_s"] * row["iteration_s"] == pytest.approx(row["runs"])
    assert found[-1]["measured"] == "shrinkwrap on a device"
    assert {len(bench_cuda.cells(row)) for row in found} == {len(bench_cuda.HEADINGS)}


def test_a_job_is_all_of_its_runs(device: Device) -> None:
    """Runs of the engine, from counts to estimates, none of which fails."""
    row = bench_cuda.job(device, bench_phasing.crystal(16), runs=2, iterations_each=10)
    assert row["failed"] == 0
    assert (row["runs"], row["iterations"]) == (2, 10)
    assert row["job_s"] > 0
    assert len(bench_cuda.cells(row)) == len(bench_cuda.HEADINGS)


def test_what_was_promised_is_asked_for() -> None:
    """HIO at 256³ alone and at 128³ in batches of eight, and the job of twenty runs; nothing of other rows."""
    row = {"measured": "iteration on a device", "algorithm": "HIO", "ratio_to_pair": 1.6}
    (target,) = bench_cuda.promised(row | {"size": 256, "runs": 1})
    assert (target.limit, target.met) == (1.5, False)
    (target,) = bench_cuda.promised(row | {"size": 128, "runs": 8})
    assert (target.limit, target.met) == (2.0, True)
    assert not list(bench_cuda.promised(row | {"size": 64, "runs": 1}))
    assert not list(bench_cuda.promised(row | {"size": 256, "runs": 1, "algorithm": "DM"}))
    (target,) = bench_cuda.promised(
        {"measured": "job on a device", "size": 256, "runs": 20, "iterations": 1000, "job_s": 25.0}
    )
    assert (target.limit, target.met) == (30.0, True)


def _command(*arguments: str) -> tuple[int, str, str]:
    """`bragglive bench phasing --kernels cuda`: exit code, output, errors."""
    group = typer.Typer(no_args_is_help=True)
    group.add_typer(bench.app)
    group.command("another")(lambda: None)
    done = CliRunner().invoke(group, ["phasing", "--kernels", "cuda", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_writes_what_it_measured(device: Device, tmp_path: Path) -> None:
    """Its rows as JSON, the same as a table."""
    file = tmp_path / "cuda.json"
    code, shown, _ = _command("--size", "16", "--seconds", "0", "--json", str(file))
    assert code == 0
    assert "RAAR" in shown
    record = json.loads(file.read_bytes())
    assert record["settings"]["kernels"] == "cuda"
    assert len(record["rows"]) == 2 * len(bench_cuda.ALGORITHMS) + 1


def test_without_a_device_the_command_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else; exit code 2."""
    install(monkeypatch, Emulated(devices=0))
    code, shown, said = _command()
    assert (code, shown) == (2, "")
    assert said == "--kernels cuda: there is no CUDA device (cudaErrorNoDevice: no CUDA-capable device is detected)\n"
