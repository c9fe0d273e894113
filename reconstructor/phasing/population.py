"""A population of independent runs: which to reject, which to choose, what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconstructor.phasing.alignment import aligned
from reconstructor.phasing.problem import Complex, Estimate, PhasingError, free_llk

MOST_ENERGY_OUTSIDE = 0.10
"""Runs with more of their energy outside the support are rejected."""
LEAST_COLD_RUNS = 10
"""Fewer cold runs do not tell how alike they are: their weight is "not determined"."""


@dataclass(frozen=True, eq=False)
class Member:
    """The last estimate of one run."""

    estimate: Estimate
    seed: int
    warm: bool = False

    @property
    def free_llk(self) -> float:
        """What members are ranked by."""
        return free_llk(self.estimate)


@dataclass(frozen=True)
class Choice:
    """Places in the population."""

    best: int
    """The lowest free LLK, cold or warm, among those kept."""
    kept: tuple[int, ...]
    """From the lowest free LLK to the highest."""
    rejected: tuple[int, ...]
    """More than 10 % of the energy outside the support. Where that holds for all, all are kept."""


@dataclass(frozen=True, eq=False)
class Mode:
    """What the members kept have in common."""

    obj: Complex
    """First eigenmode of the aligned members, with the best one's phase, and the members' mean energy times weight."""
    weight: float | None
    """λ₁/Σλ of the cold members; None: not determined (fewer than 10 of them)."""
    members: int
    """Objects the mode was made of."""
    overlaps: tuple[float, ...]
    """Complex overlap of each with the best."""


def choose(population: Sequence[Member]) -> Choice:
    """Reject by energy outside the support, then choose by free LLK alone."""
    if not population:
        raise PhasingError("a population of 0 runs; wanted at least one")
    ranked = sorted(range(len(population)), key=lambda place: population[place].free_llk)
    kept = [place for place in ranked if population[place].estimate.energy_outside <= MOST_ENERGY_OUTSIDE]
    rejected = tuple(place for place in ranked if place not in kept) if kept else ()
    kept = kept or ranked
    return Choice(kept[0], tuple(kept), rejected)


def first_mode(population: Sequence[Member], choice: Choice) -> Mode:
    """Align the members kept to the best (hand, sub-voxel shift, constant phase) and take their first eigenmode.

    Its weight is given only from 10 cold members on, and is then that of the cold members alone.
    """
    best = population[choice.best].estimate.obj
    laid = [aligned(best, population[place].estimate.obj) for place in choice.kept]
    mode, _ = eigenmode([a.obj for a in laid])
    phase = np.vdot(mode, best)
    mode = mode * np.complex64(phase / abs(phase)) if phase else mode
    cold = [a.obj for a, place in zip(laid, choice.kept, strict=True) if not population[place].warm]
    weight = eigenmode(cold)[1] if len(cold) >= LEAST_COLD_RUNS else None
    return Mode(mode.astype(np.complex64), weight, len(laid), tuple(a.overlap for a in laid))


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
