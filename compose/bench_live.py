"""`bragglive bench live`: how soon and how well a crystal is seen while its scan runs, by the real processes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.command("live")
def live(
    runs: Annotated[int, typer.Option(min=1, help="Runs, each with crystals and holds of its own; 20 to report.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the first run; the others count on from it.")] = 1,
    stops: Annotated[
        int, typer.Option(min=0, help="How often a refinement at 128³ is stopped at the end, to time it; 0: never.")
    ] = 12,
    folder: Annotated[
        Path | None, typer.Option(help="Keep archives, truths and logs here, a folder a run; else they go.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write machine, figures and targets here.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Exit with 1 if a target is not met.")] = False,
) -> None:
    """Measure how soon volumes come while scans run, and how near they are to the truth.

    A run is three voltage holds of one simulated crystal, 201 frames of 64 × 64 pixels each: a first hold; a second, of
    20 to 120 s, in which the crystal has changed, is brighter or fainter, and has slipped by up to 25 frames; a third
    of 3 s that leaves no time. Simulator, streamer and reconstructor run as processes. Afterwards the second scan is
    played back: what the last hold's object, a warm and a cold run would have shown at each tenth of its frames. A run
    takes up to two and a half minutes, of which the holds are most. Run it on a quiet machine.
    """
    # Here, because these take a second to load, and `bragglive` imports this file for every command.
    from rich.console import Console

    from compose.live_run import stopping
    from compose.live_sum import targets
    from compose.live_table import overlap_table, run_table, sum_table
    from compose.local import LocalProcessError
    from contract.record import Record, finish

    console, rows = Console(), []
    load_before = os.getloadavg()[0]
    try:
        for number in range(seed, seed + runs):
            found = _run(number, f"run {number - seed + 1} of {runs}", folder, console)
            console.print(run_table(found, f"Run {number - seed + 1} of {runs}, seed {number}"))
            rows += found
        stopped = stopping(stops) if stops else []
    except LocalProcessError as fault:
        console.print(f"[red]{fault}[/red]", soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(sum_table(rows))
    console.print(overlap_table(rows))
    console.print(f"load average before: {load_before:.2f}; on a quiet machine it is below 0.1")
    settings = {
        "runs": runs,
        "seed": seed,
        "stops": stops,
        "folder": str(folder or ""),
        "load_average_before": load_before,
    }
    record = Record.now(command="bench live", settings=settings, rows=rows, targets=[*targets(rows), *stopped])
    raise typer.Exit(finish(record, json_file, check, console))


def _run(seed: int, name: str, folder: Path | None, console: Console) -> list[dict[str, Any]]:
    """One run in a folder of its own, with progress on the terminal."""
    from rich.live import Live

    from compose import demo_progress, live_run
    from compose.demo_state import DemoState
    from compose.live_plan import planned

    with TemporaryDirectory(prefix="bragglive-") as work, Live(console=console, transient=True) as progress:
        place = Path(work) if folder is None else folder / f"seed-{seed}"

        def show(state: DemoState, phase: str) -> None:
            title = f"bragglive bench live, {name}"
            progress.update(demo_progress.view(state, phase, time.monotonic(), len(planned(seed)), title))

        return live_run.run(seed, place, show)
