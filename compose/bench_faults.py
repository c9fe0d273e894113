"""`bragglive bench faults`: everything that can go wrong, on the wire and to every service, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from compose.chain_report import ChainResult
    from contract.record import Target

ONE_IN = 10
"""Of so many runs on the wire, one more goes through all services, unless --chain-runs says otherwise."""


def faults(
    runs: Annotated[int, typer.Option(min=0, help="Scans sent to the streamer, each with faults of its own.")] = 20,
    chain_runs: Annotated[
        int | None, typer.Option(min=0, help="Scans sent through all services. Default: a tenth of --runs.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the first run; the others count on from it.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Where the services keep their files meanwhile.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write machine, figures and targets here.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Exit with 1 if a target is not met.")] = False,
) -> None:
    """Send scans with everything that can go wrong, hit every service, and count what is lost.

    First the streamer alone (bragglive bench wire-faults): scans of 12 to 41 frames in which frames, starts and ends
    are dropped, doubled, reordered, damaged or forged, with kill -9, SIGSTOP, a full disk and flipped bits. Then
    sender, streamer, reconstructor and a listener as processes, of which one to three are killed or stopped in each
    run: while frames come, at a commit, while an archive is written, while a job runs, when a volume is in its archive,
    when it is told, while the service takes over. The seed of a run that fails repeats it.
    """
    # Here, because these take a second to load, and `bragglive` imports this file for every command.
    from rich.console import Console

    from compose import chain_report
    from compose.local import LocalProcessError
    from contract.record import Record, finish

    console = Console()
    through = max(1, runs // ONE_IN) if chain_runs is None else chain_runs
    with TemporaryDirectory(dir=folder, prefix="bragglive-") as work:
        rows, targets = _wire(Path(work), runs, seed) if runs else ([], [])
        try:
            results = _chain(Path(work), through, seed) if through else []
        except LocalProcessError as fault:
            console.print(f"[red]{fault}[/red]", soft_wrap=True)
            raise typer.Exit(1) from None
    if results:
        chain_report.show(results, console)
        rows, targets = [*rows, *chain_report.rows(results)], [*targets, *chain_report.targets(results)]
    settings = {"runs": runs, "chain_runs": through, "seed": seed, "folder": str(folder)}
    record = Record.now(command="bench faults", settings=settings, rows=rows, targets=targets)
    raise typer.Exit(finish(record, json_file, check, console))


def _wire(work: Path, runs: int, seed: int) -> tuple[list[dict[str, Any]], list[Target]]:
    """Rows and targets of the streamer's own soak, which prints its table itself."""
    import msgspec

    from contract.record import Record

    found = work / "wire.json"
    place = work / "wire"
    place.mkdir()
    command = [sys.executable, "-m", "compose", "bench", "wire-faults", "--runs", str(runs), "--seed", str(seed)]
    done = subprocess.run([*command, "--folder", str(place), "--json", str(found)], check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    record = msgspec.json.decode(found.read_bytes(), type=Record)
    return [{"soak": "the streamer", **row} for row in record.rows], list(record.targets)


def _chain(work: Path, runs: int, seed: int) -> list[ChainResult]:
    from rich.console import Console

    from compose.chain_plan import plan
    from compose.chain_services import ChainServices
    from compose.chain_soak import ChainSoak
    from compose.local import LocalProcesses

    progress = Console(stderr=True)
    results = []
    with LocalProcesses(work / "chain") as processes:
        soak = ChainSoak(ChainServices(processes))
        soak.open()
        try:
            for number in range(seed, seed + runs):
                with progress.status(f"all services, run {number - seed + 1} of {runs}, seed {number}"):
                    results.append(soak.run(number, plan(number)))
        finally:
            soak.close()
    return results
