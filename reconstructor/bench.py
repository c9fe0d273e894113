"""`bragglive bench phasing`: how near the phasing engine comes to the speed of the FFT."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from contract.record import Target

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

Row = dict[str, Any]
PROMISED = ("ER", "HIO", "RAAR", "DM")
PAIR_LIMITS = {(64, 1): 1.2, (128, 2): 1.1, (256, 2): 0.9}
"""An iteration in FFT pairs, at most, by side and threads."""
DM_LIMIT = 1.2
"""A difference map iteration in two FFT pairs."""
PLAIN_LIMIT = 2.0
"""An iteration in its own FFT pairs without the extra `cpu`."""
POPULATION_RUNS, POPULATION_LIMIT = 2, 1.6
SHRINKWRAP_LIMIT = 0.3
RECIPE_LIMIT = 1.35
"""A whole default refined run in its FFT pairs."""
RECIPE_UP_TO = 128
"""Side up to which a whole run is measured: at 256³ it takes minutes."""


@app.command("phasing")
def phasing(
    kernels: Annotated[
        Literal["cpu", "cuda", "blocked", "reference"],
        typer.Option(
            help="cpu: what the reconstructor uses here; cuda: a CUDA device; blocked: what is used without the extra "
            "`cpu`; reference: textbook NumPy, of which nothing was promised."
        ),
    ] = "cpu",
    size: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N", help="Voxels a side, as often as wanted [default: 64 128 256]. 256 takes 4 GiB and minutes."
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0, metavar="S", help="Measure one run for so long, the other rows half of it.")
    ] = 10.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write machine, figures and targets here.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Exit with 1 if a target is not met.")] = False,
) -> None:
    """Measure iterations a second against the pure FFT pair.

    An iteration of ER, HIO, RAAR, SF, CF or ML needs one forward and one inverse FFT (DM two of each): that pair, timed
    in turn with the iterations, with the same library and threads, is what "pair" means. Less than one is possible:
    planes without support need no transform, and the crystal here reaches over a third of the window. All figures are
    medians. Run it on a quiet machine: what else runs is counted against us. On two cores:

        bragglive bench phasing --seconds 20 --json phasing.json
    """
    # Here, because these take seconds to load, and `bragglive` imports this file for every command.
    from rich.console import Console

    from contract.record import Record, finish
    from reconstructor.phasing.problem import PhasingError
    from reconstructor.phasing.sizes import check as check_shape

    sizes = size or [64, 128, 256]
    for side in sizes:
        try:
            check_shape((side, side, side))
        except PhasingError as error:
            raise typer.BadParameter(str(error), param_hint="--size") from None
        if side < 16:
            raise typer.BadParameter(f"{side} voxels a side; wanted at least 16", param_hint="--size")
    load_before = os.getloadavg()[0]
    console, progress = Console(), Console(stderr=True)
    if kernels == "cuda":
        rows = list(_on_device(sizes, seconds, progress))
        _show_device(rows, console)
    else:
        rows = list(_measured(kernels, sizes, seconds, progress))
        _show(rows, console)
    console.print(f"load average before: {load_before:.2f}; on a quiet machine it is below 0.1")
    settings = {"kernels": kernels, "sizes": sizes, "seconds": seconds, "load_average_before": load_before}
    record = Record.now(command="bench phasing", settings=settings, rows=rows, targets=targets(rows))
    raise typer.Exit(finish(record, json_file, check, console))


def _measured(
    kernels: Literal["cpu", "blocked", "reference"], sizes: list[int], seconds: float, progress: Console
) -> Iterator[Row]:
    from reconstructor import bench_phasing as bench
    from reconstructor import bench_recipe

    cores = len(os.sched_getaffinity(0))
    for side in sizes:
        data = bench.crystal(side)
        shared = (1, 2) if kernels != "reference" and side >= bench.TWO_THREADS_FROM else (1,)
        for threads in shared:
            with progress.status(f"{side}³: planning, then one run on {_counted(threads, 'thread')}"):
                yield from bench.single(kernels, data, threads, seconds)
            with progress.status(f"{side}³: shrinkwrap on {_counted(threads, 'thread')}"):
                yield bench.shrinkwrap(kernels, data, threads, seconds / 2)
        for runs in sorted({POPULATION_RUNS, cores} - {1}):
            with progress.status(f"{side}³: {runs} runs at once"):
                yield bench.population(kernels, data, runs, seconds / 2)
        if side <= RECIPE_UP_TO:
            with progress.status(f"{side}³: whole runs of the default recipe"):
                yield bench_recipe.recipe(kernels, data, seconds)


def _on_device(sizes: list[int], seconds: float, progress: Console) -> Iterator[Row]:
    from reconstructor import bench_cuda
    from reconstructor.phasing.kernels import cuda

    missing = cuda.unavailable()
    if missing:
        progress.print(f"--kernels cuda: {missing}", soft_wrap=True, highlight=False, markup=False)
        raise typer.Exit(2)
    device = cuda.Device()
    for side in sizes:
        with progress.status(f"{side}³ on {device.name}"):
            yield from bench_cuda.rows(device, side, seconds)


def targets(rows: list[Row]) -> list[Target]:
    """What was promised, for those of the sizes and threads that were measured."""
    return [target for row in rows for target in _promised(row)]


def _promised(row: Row) -> Iterator[Target]:
    from contract.record import Target

    side = f"{row['size']}³"
    match row["measured"]:
        case "iteration":
            pairs = 2 if row["algorithm"] == "DM" else 1
            limit = _limit(row)
            if limit is not None:
                needed, threads = _counted(pairs, "FFT pair"), _counted(row["threads"], "thread")
                name = f"{row['algorithm']} iteration / {needed}, {side}, {threads}"
                yield Target.of(name, row["ratio_to_pair"] / pairs, limit, "<=", "×")
        case "population" if row["runs"] == POPULATION_RUNS:
            name = f"{row['runs']} runs on two cores / one run on one core, {side}"
            yield Target.of(name, row["ratio_to_one_run"], POPULATION_LIMIT, ">=", "×")
        case "iteration on a device" | "job on a device":
            from reconstructor import bench_cuda

            yield from bench_cuda.promised(row)
        case "shrinkwrap" if row["threads"] == 1:
            name = f"shrinkwrap update / HIO iteration, {side}"
            yield Target.of(name, row["ratio_to_iteration"], SHRINKWRAP_LIMIT, "<=", "×")
        case "recipe":
            name = f"a whole {row['recipe']} run / its FFT pairs, {side}"
            yield Target.of(name, row["ratio_to_pairs"], RECIPE_LIMIT, "<=", "×")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _limit(row: Row) -> float | None:
    """Of an iteration in pairs, or None where nothing was promised."""
    if row["algorithm"] not in PROMISED:
        return None
    if row["library"] == "scipy.fft":
        return PLAIN_LIMIT if row["kernel"] == "BlockedKernel" else None
    limit = PAIR_LIMITS.get((row["size"], row["threads"]))
    return DM_LIMIT if limit is not None and row["algorithm"] == "DM" else limit


def _show(rows: list[Row], console: Console) -> None:
    from rich import box
    from rich.table import Table

    # narrow enough for 80 columns: figures that are cut off tell nothing
    right = ("thr.", "1/s", "Mvox/s", "ms", "pair", "ratio")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("size", "what"):
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("of", no_wrap=True)
    for row in rows:
        table.add_row(f"{row['size']}³", *_cells(row))
    console.print(table)


def _cells(row: Row) -> tuple[str, ...]:
    """Of the table, after the size."""
    voxels = row["size"] ** 3 / 1e6
    match row["measured"]:
        case "iteration":
            rate = row["iterations_per_s"]
            times = (f"{1e3 * row['iteration_s']:.4g}", f"{1e3 * row['pair_s']:.4g}", f"{row['ratio_to_pair']:.2f}")
            return row["algorithm"], f"{row['threads']}", f"{rate:.4g}", f"{rate * voxels:.0f}", *times, "FFT pair"
        case "population":
            rate, ratio = row["start_iterations_per_s"], row["ratio_to_one_run"]
            what, cores = f"{row['runs']} HIO runs", f"1 run, cores {row['cores_ratio']:.2f}"
            return what, f"{row['runs']}", f"{rate:.4g}", f"{rate * voxels:.0f}", "", "", f"{ratio:.2f}", cores
        case "recipe":
            times = (f"{1e3 * row['run_s']:.0f}", f"{1e3 * row['pairs_s']:.0f}", f"{row['ratio_to_pairs']:.2f}")
            return row["recipe"], "1", "", "", *times, "its pairs"
        case _:
            took, ratio = f"{1e3 * row['update_s']:.3g}", f"{row['ratio_to_iteration']:.2f}"
            return "shrinkwrap", f"{row['threads']}", "", "", took, "", ratio, "an HIO"


def _show_device(rows: list[Row], console: Console) -> None:
    from rich.table import Table

    from reconstructor import bench_cuda

    table = Table(*bench_cuda.HEADINGS)
    for row in rows:
        table.add_row(*bench_cuda.cells(row))
    console.print(table)
