"""A population of independent runs: which to reject, which to choose, what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reconstructor.phasing.alignment import aligned
from reconstructor.phasing.problem import Complex, Estimate, PhasingError, free_llk

MOST_ENERGY_OUTSIDE = 0.10
"""Runs with more of their energy outside the support are rejected."""
MOST_FREE_LLK = 1.5
"""Runs whose free LLK is above this many times the best's are rejected: they stagnated."""
LEAST_COLD_RUNS = 10
"""Fewer cold runs do not tell how alike they are: their weight and PRTF are "not determined"."""


@dataclass(frozen=True, eq=False)
class Member:
    """The last estimate of one run."""

    estimate: Estimate
    seed: int
    warm: bool = False
    generation: int = 0
    """0: begun without the others; g: bred with the best of generation g − 1."""

    @property
    def independent(self) -> bool:
        """Whether it tells anything about how alike runs are: cold, and bred with no other."""
        return not self.warm and self.generation == 0

    @property
    def free_llk(self) -> float:
        """What members are ranked by."""
        return free_llk(self.estimate)


class Rejected(NamedTuple):
    """A run that is not to be used."""

    place: int
    """In the population."""
    reason: str
    """Names the value found and the limit."""


@dataclass(frozen=True)
class Choice:
    """Places in the population."""

    best: int
    """The lowest free LLK, cold or warm, among those kept."""
    kept: tuple[int, ...]
    """From the lowest free LLK to the highest."""
    rejected: tuple[Rejected, ...]
    """In the order of the population."""


@dataclass(frozen=True, eq=False)
class Mode:
    """What the members kept have in common."""

    obj: Complex
    """First eigenmode of the aligned members, with the best one's phase, and the members' mean energy times weight."""
    weight: float | None
    """λ₁/Σλ of the independent members; None: not determined (fewer than 10 of them)."""
    mean: Complex | None
    """Mean of the independent members, each turned to the best one's phase: what the PRTF is of; None with `weight`."""
    members: int
    """Objects the mode was made of."""
    overlaps: tuple[float, ...]
    """Complex overlap of each with the best."""


def choose(population: Sequence[Member]) -> Choice:
    """Reject, then rank by free LLK alone.

    Rejected is what has more than 10 % of its energy outside the support (unless that holds for all), and of the
    others what has more than 1.5 times the free LLK of the best of them.
    """
    if not population:
        raise PhasingError("a population of 0 runs; wanted at least one")
    loud = [member.estimate.energy_outside > MOST_ENERGY_OUTSIDE for member in population]
    quiet = [place for place, out in enumerate(loud) if not out or all(loud)]
    limit = MOST_FREE_LLK * min(population[place].free_llk for place in quiet)
    kept = sorted(
        (place for place in quiet if population[place].free_llk <= limit), key=lambda k: population[k].free_llk
    )
    rejected = (
        Rejected(place, _reason(member, loud[place] and place not in quiet, limit))
        for place, member in enumerate(population)
        if place not in kept
    )
    return Choice(kept[0], tuple(kept), tuple(rejected))


def _reason(member: Member, loud: bool, limit: float) -> str:
    if loud:
        return (
            f"{100 * member.estimate.energy_outside:.0f} % of its energy is outside the support, "
            f"above {100 * MOST_ENERGY_OUTSIDE:.0f} %"
        )
    return f"its free LLK of {member.free_llk:.3g} is above {limit:.3g}, {MOST_FREE_LLK:g} times the best's"


def first_mode(population: Sequence[Member], choice: Choice, look_up: Callable[[], None] = lambda: None) -> Mode:
    """Align the members kept to the best (hand, sub-voxel shift, constant phase) and take their first eigenmode.

    Weight and mean are given only from 10 independent members on, and are then those of these alone. `look_up` is
    called before each alignment; what it raises ends the work.
    """
    best = population[choice.best].estimate.obj
    laid = []
    for place in choice.kept:
        look_up()
        laid.append(aligned(best, population[place].estimate.obj))
    mode, _ = eigenmode([a.obj for a in laid])
    phase = np.vdot(mode, best)
    mode = mode * np.complex64(phase / abs(phase)) if phase else mode
    alone = [a.obj for a, place in zip(laid, choice.kept, strict=True) if population[place].independent]
    enough = len(alone) >= LEAST_COLD_RUNS
    return Mode(
        obj=mode.astype(np.complex64),
        weight=eigenmode(alone)[1] if enough else None,
        mean=np.mean(alone, axis=0, dtype=np.complex64) if enough else None,
        members=len(laid),
        overlaps=tuple(a.overlap for a in laid),
    )


def eigenmode(objects: Sequence[Complex]) -> tuple[Complex, float]:
    """The first eigenmode of a stack, with energy λ₁/K (the mean energy times its weight), and λ₁/Σλ.

    From the K × K matrix of inner products: the stack itself is never decomposed.
    """
    if not objects:
        raise PhasingError("an eigenmode of 0 objects; wanted at least one")
    stack = np.stack([np.ravel(o) for o in objects])
    gram = (stack.conj() @ stack.T).astype(np.complex128)
    values, vectors = np.linalg.eigh(gram)
    total = float(values.sum())
    if not np.isfinite(total) or total <= 0:
        raise PhasingError(f"the energy of {len(objects)} objects is {total}; wanted a finite one above 0")
    mode = (vectors[:, -1] @ stack).reshape(objects[0].shape) / np.sqrt(len(objects))
    return mode.astype(np.complex64), float(values[-1] / total)
