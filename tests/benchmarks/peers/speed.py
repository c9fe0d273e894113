"""Iterations a second and a short recipe, all engines in turn on the same counts."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import crystals
import numpy as np
from rich.table import Table
from score import score
from workers import Worker, WorkerFailed

from contract.record import Target

SEED = 3
TIMED = ("HIO", "ER")
FASTER, SHORTER = 3.0, 2.5
"""What we owe against the best peer: times the iterations a second, and times the recipe's wall time."""


@dataclass
class Figures:
    """What one engine gave at one size, a value a round."""

    worker: Worker
    per_s: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TIMED})
    recipe_s: list[float] = field(default_factory=list)
    r_factor: list[float] = field(default_factory=list)
    overlap: list[float] = field(default_factory=list)
    support: list[float] = field(default_factory=list)
    """Voxels that are not zero over those of the true crystal."""
    failed: str = ""

    def row(self, size: int) -> dict[str, Any]:
        medians = {f"{name.lower()}_per_s": _median(values) for name, values in self.per_s.items()}
        rest = {name: _median(getattr(self, name)) for name in ("recipe_s", "r_factor", "overlap", "support")}
        rounds = {**self.per_s, "recipe_s": self.recipe_s, "r_factor": self.r_factor, "overlap": self.overlap}
        rounds["support"] = self.support
        return {
            "size": size,
            "engine": self.worker.name,
            "version": self.worker.version,
            "threads": self.worker.threads,
            **medians,
            **rest,
            "failed": self.failed,
            "rounds": rounds,
        }


def measure(
    workers: list[Worker], size: int, rounds: int, photons: float, folder: Path, say: Callable[[str], None]
) -> list[Figures]:
    """Everybody's figures at this size. Engines take turns within each round, another one first in each."""
    case = crystals.make(SEED, size, photons)
    counts = folder / f"counts-{size}.npy"
    np.save(counts, case.counts)
    figures = [Figures(worker) for worker in workers]
    for one in figures:
        with _failing(one):
            one.worker.load(counts)
            for algorithm in TIMED:
                _seconds(one.worker, algorithm, 2)
    for number in range(rounds):
        turn = figures[number % len(figures) :] + figures[: number % len(figures)]
        for algorithm in TIMED:
            for one in _standing(turn):
                with _failing(one):
                    one.per_s[algorithm].append(_per_second(one.worker, algorithm, size))
        for one in _standing(turn):
            with _failing(one):
                _recipe(one, case, number, folder)
        say(f"{size}³: round {number + 1} of {rounds}")
    for worker in workers:
        worker.close()
    return figures


class _failing:
    """An engine that gives up is out of this size, with its last word in the table; the others go on."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, trace: object) -> bool:
        if isinstance(why, WorkerFailed):
            self.figures.failed = str(why)
            return True
        return False


def _standing(figures: list[Figures]) -> Iterator[Figures]:
    return (one for one in figures if not one.failed)


def _per_second(worker: Worker, algorithm: str, size: int) -> float:
    """The difference of two counts removes what a call costs once."""
    few, many = (10, 60) if size <= 64 else (2, 12)
    while True:
        took = _seconds(worker, algorithm, many) - _seconds(worker, algorithm, few)
        if took > 0:
            return (many - few) / took
        many *= 2


def _seconds(worker: Worker, algorithm: str, iterations: int) -> float:
    return float(worker.ask({"do": "seconds", "algorithm": algorithm, "iterations": iterations})["seconds"])


def _recipe(one: Figures, case: crystals.Case, seed: int, folder: Path) -> None:
    to = folder / "object.npy"
    reply = one.worker.ask({"do": "phase", "recipe": "short", "seeds": [seed], "to": str(to)})
    obj = np.load(to)
    r_factor, overlap = score(obj, case)
    one.support.append(np.count_nonzero(obj) / crystals.voxels(case))
    one.recipe_s.append(float(reply["seconds"]))
    one.r_factor.append(r_factor)
    one.overlap.append(overlap)


def targets(figures: list[Figures], size: int) -> list[Target]:
    """Ours against the best peer, ratios taken within each round."""
    out = []
    for algorithm in TIMED:
        ratio = _ratio(figures, lambda one, a=algorithm: one.per_s[a])
        out.append(Target.of(f"{size}³ {algorithm} iterations/s against the best peer", ratio, FASTER, ">=", "times"))
    shorter = _ratio(figures, lambda one: [1 / s for s in one.recipe_s])
    out.append(Target.of(f"{size}³ recipe, times shorter than the best peer's", shorter, SHORTER, ">=", "times"))
    return out


def _ratio(figures: list[Figures], values: Callable[[Figures], list[float]]) -> float | None:
    ranked = sorted((one for one in _standing(figures) if values(one)), key=lambda one: statistics.median(values(one)))
    ours = [one for one in ranked if one.worker.ours]
    peers = [one for one in ranked if not one.worker.ours]
    if not ours or not peers:
        return None
    pairs = zip(values(ours[-1]), values(peers[-1]), strict=False)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def table(figures: list[Figures], size: int, absent: dict[str, str]) -> Table:
    out = Table(title=f"{size}³, medians; recipe: 20 ER, 180 HIO, 20 ER, support every 20")
    for head in ("engine", "threads", "HIO/s", "ER/s", "recipe s", "R", "overlap", "support / crystal"):
        out.add_column(head, justify="left" if head == "engine" else "right")
    for one in figures:
        row = one.row(size)
        cells = ["failed" if one.failed else f"{row[name]:.{digits}f}" for name, digits in _DIGITS.items()]
        out.add_row(f"{row['engine']} {row['version']}", str(row["threads"]), *cells)
    notes = {**absent, **{one.worker.name: one.failed for one in figures if one.failed}}
    out.caption = "\n".join(why if why.startswith(f"{name}:") else f"{name}: {why}" for name, why in notes.items())
    return out


_DIGITS = {"hio_per_s": 1, "er_per_s": 1, "recipe_s": 2, "r_factor": 5, "overlap": 4, "support": 2}


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None
