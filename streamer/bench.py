"""`bragglive bench ingest` and `bragglive bench wire-faults`: how fast the streamer is, and what it loses (nothing)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from contract.record import Target

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

Row = dict[str, Any]
SHARE_LIMIT = 0.8
"""The whole in its slowest part, at least."""
RATE_HZ = 1000.0
"""Frames of an EIGER2 500K a second that must be kept up with."""
HEAD = {
    ("receiver", False): "bare pyzmq receiver",
    ("receiver", True): "bare pyzmq receiver, CURVE",
    ("decode", False): "decode of the region of interest",
    ("whole", False): "whole streamer",
    ("whole", True): "whole streamer, CURVE",
}


@app.command("ingest")
def ingest(
    frames: Annotated[int, typer.Option(min=100, max=50_000, help="Frames sent to each of them.")] = 5000,
    sustain: Annotated[
        float, typer.Option(min=0, max=120, help="Seconds at 1000 frames a second, at the end; 0: none.")
    ] = 10.0,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where journals go meanwhile, about 75 kB a frame: on the disk that counts."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write machine, figures and targets here.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Exit with 1 if a target is not met.")] = False,
) -> None:
    """Measure frames a second against the slowest part of the streamer.

    Another process sends frames of 514 × 1030 pixels of 16 bits (EIGER2 500K), compressed to about 73 kB, over
    loopback: to a bare pyzmq receiver, to the streamer, and to both once more with CURVE. The journal and the decoder
    are measured alone. Then frames are sent at a steady pace. Run it on a quiet machine.
    """
    # Here, because these take seconds to load, and `bragglive` imports this file for every command.
    from rich.console import Console

    from contract.logs import open_log
    from contract.record import Record, finish
    from streamer import bench_ingest as bench

    open_log("warning", "auto")
    load_before = os.getloadavg()[0]
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="bragglive-") as work:
        case = bench.Case(Path(work), frames, bench.SHAPE, bench.WINDOW)
        rows = []
        for measurement in bench.measurements(case, RATE_HZ, sustain):
            with progress.status(measurement.name):
                rows.append(measurement.run())
    console = Console()
    _show(rows, console)
    console.print(f"load average before: {load_before:.2f}; on a quiet machine it is below 0.1")
    settings = {"frames": frames, "sustain_s": sustain, "folder": str(folder), "load_average_before": load_before}
    record = Record.now(command="bench ingest", settings=settings, rows=rows, targets=targets(rows))
    raise typer.Exit(finish(record, json_file, check, console))


@app.command("wire-faults")
def wire_faults(
    runs: Annotated[int, typer.Option(min=1, help="Scans sent, each with faults of its own.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the first run; the others count on from it.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Where the streamer keeps its files meanwhile.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write machine, figures and targets here.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Exit with 1 if a target is not met.")] = False,
) -> None:
    """Send scans with everything that can go wrong, and count what the streamer loses.

    A streamer process gets scans of 12 to 41 frames in which frames are dropped, doubled, reordered, damaged, forged or
    mixed with garbage and with another series, starts and ends are missing, early, late or repeated. It is killed
    (kill -9) and stopped meanwhile, its disk fills up, bits flip in its files, strangers call at its ports. The seed of
    a run that fails repeats it: bragglive bench wire-faults --runs 1 --seed N
    """
    from rich.console import Console

    from contract.record import Record, finish
    from streamer import bench_faults as bench
    from streamer.fault_plan import plan

    progress = Console(stderr=True)
    results = []
    with tempfile.TemporaryDirectory(dir=folder, prefix="bragglive-") as work:
        soak = bench.Soak(Path(work))
        soak.open()
        try:
            for number in range(seed, seed + runs):
                with progress.status(f"run {number - seed + 1} of {runs}, seed {number}"):
                    results.append(soak.run(number, plan(number)))
        finally:
            soak.close()
    console = Console()
    bench.show(results, console)
    settings = {"runs": runs, "seed": seed, "folder": str(folder), "stall_s": bench.STALL_S, "grace_s": bench.GRACE_S}
    record = Record.now(
        command="bench wire-faults", settings=settings, rows=bench.rows(results), targets=bench.targets(results)
    )
    raise typer.Exit(finish(record, json_file, check, console))


def targets(rows: list[Row]) -> list[Target]:
    """What was promised."""
    from contract.record import Target

    free = [row for row in rows if not row.get("rate_hz")]
    rate = {name_of(row): row["frames_per_s"] for row in free}
    grouped = [row["frames_per_s"] for row in free if row["measured"] == "journal" and row["group"] > 1]
    shared = [*grouped, rate["decode of the region of interest"]]
    lost = sum(row["lost"] for row in rows if row["measured"] == "whole")
    found = []
    for suffix in ("", ", CURVE"):
        slowest = min(*shared, rate[f"bare pyzmq receiver{suffix}"])
        share = rate[f"whole streamer{suffix}"] / slowest
        found.append(Target.of(f"whole / its slowest part{suffix}", share, SHARE_LIMIT, ">=", "×"))
    found.append(Target.of("whole streamer", rate["whole streamer"], RATE_HZ, ">=", "frames/s"))
    found.append(Target.of("frames lost", lost, 0, "==", "frames"))
    for row in rows:
        if row.get("rate_hz"):
            kept_up = row["frames_per_s"] / row["rate_hz"]
            name = f"pace kept over {row['took_s']:.0f} s of {row['rate_hz']:.0f} frames/s"
            found.append(Target.of(name, kept_up, 0.99, ">=", "×"))
    return found


def name_of(row: Row) -> str:
    """What a row measured, in words."""
    if row["measured"] == "journal":
        return "journal, a commit each" if row["group"] == 1 else f"journal, {row['group']} a commit"
    if row.get("rate_hz"):
        return f"whole streamer at {row['rate_hz']:.0f} a second"
    return HEAD[row["measured"], row.get("curve", False)]


def _show(rows: list[Row], console: Console) -> None:
    from rich.table import Table

    table = Table("what", "frames/s", "MB/s", "frames a commit", "waited, s", "lost", "memory, MiB")
    for row in rows:
        whole = row["measured"] == "whole"
        grouped = f"{row['frames'] / row['commits']:.1f}" if whole else f"{row.get('group', '')}"
        waited, lost, memory = ("", "", "")
        if whole:
            waited, lost = f"{row['backpressure_s']:.2f}", f"{row['lost']}"
            memory = f"{row['peak_memory_mib']:.0f}"
        table.add_row(
            name_of(row), f"{row['frames_per_s']:.0f}", f"{row['mb_per_s']:.1f}", grouped, waited, lost, memory
        )
    console.print(table)
