"""How near each engine's own recipe comes to the truth, over many crystals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import crystals
import numpy as np
from rich.table import Table
from score import score
from workers import Worker, WorkerFailed

from contract.record import Target

MEDIAN, WORST = 0.985, 0.95
"""Complex overlap with the truth that we owe."""


class Entry(NamedTuple):
    """An engine and how many random starts it gets a crystal."""

    worker: Worker
    runs: int


def measure(
    entries: Sequence[Entry],
    size: int,
    seeds: Sequence[int],
    photons: float,
    folder: Path,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A row an engine and crystal; an engine that gives up on one has overlap 0 there, and the reason."""
    rows: list[dict[str, Any]] = []
    counts, to = folder / "counts.npy", folder / "object.npy"
    for number, seed in enumerate(seeds, 1):
        case = crystals.make(seed, size, photons)
        np.save(counts, case.counts)
        for worker, runs in entries:
            row = {
                "crystal": seed,
                "kind": case.kind,
                "phase_range_rad": case.phase_range_rad,
                "extent_voxels": case.extent_voxels,
                "engine": worker.name,
                "version": worker.version,
                "runs": runs,
                "failed": "",
            }
            request = {"do": "phase", "recipe": "own", "to": str(to)}
            try:
                worker.load(counts)
                reply = worker.ask({**request, "seeds": [100 * seed + run for run in range(runs)]})
                r_factor, overlap = score(np.load(to), case)
            except WorkerFailed as why:
                row |= {"overlap": 0.0, "r_factor": None, "seconds": None, "failed": str(why)}
            else:
                row |= {"overlap": overlap, "r_factor": r_factor, **reply}
            rows.append(row)
        said = ", ".join(f"{row['engine']} ×{row['runs']} {row['overlap']:.3f}" for row in rows[-len(entries) :])
        say(f"crystal {seed}, {number} of {len(seeds)} ({case.kind}): {said}")
    for worker, _ in entries:
        worker.close()
    return rows


def targets(rows: Sequence[dict[str, Any]], ours: str) -> list[Target]:
    """Ours, with the most runs it was given."""
    mine = [row for row in rows if row["engine"] == ours]
    most = max((row["runs"] for row in mine), default=0)
    overlaps = [row["overlap"] for row in mine if row["runs"] == most]
    crystals_of = f"{len(overlaps)} crystals"
    median = statistics.median(overlaps) if overlaps else None
    worst = min(overlaps) if overlaps else None
    return [
        Target.of(f"median complex overlap, {crystals_of}", median, MEDIAN, ">=", ""),
        Target.of(f"worst complex overlap, {crystals_of}", worst, WORST, ">=", ""),
    ]


def table(rows: Sequence[dict[str, Any]], absent: dict[str, str]) -> Table:
    """Median and worst over all crystals, and the median of each kind."""
    number = len({row["crystal"] for row in rows})
    out = Table(title=f"complex overlap with the truth, {number} crystals, own recipes")
    for head in ("engine", "runs", "median", "worst", *crystals.KINDS, "R", "seconds", "failed"):
        out.add_column(head, justify="left" if head == "engine" else "right")
    for name, runs in dict.fromkeys((row["engine"], row["runs"]) for row in rows):
        mine = [row for row in rows if (row["engine"], row["runs"]) == (name, runs)]
        overlaps = [row["overlap"] for row in mine]
        kinds = [_median([row["overlap"] for row in mine if row["kind"] == kind], 3) for kind in crystals.KINDS]
        out.add_row(
            f"{name} {mine[0]['version']}",
            str(runs),
            _median(overlaps, 4),
            f"{min(overlaps):.4f}",
            *kinds,
            _median([row["r_factor"] for row in mine if row["r_factor"] is not None], 5),
            _median([row["seconds"] for row in mine if row["seconds"] is not None], 1),
            str(sum(bool(row["failed"]) for row in mine)),
        )
    notes = {**absent, **{row["engine"]: row["failed"] for row in rows if row["failed"]}}
    out.caption = "\n".join(why if why.startswith(f"{name}:") else f"{name}: {why}" for name, why in notes.items())
    return out


def _median(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f}" if values else ""
