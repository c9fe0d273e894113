"""How long jobs take on this machine: measured, remembered by shape, guessed for shapes not yet seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconstructor.phasing.guided import sizes
from reconstructor.phasing.recipe import Recipe
from reconstructor.window import Triple

FIRST_GUESS_S = 1.5e-8
"""Seconds a voxel and iteration before anything was measured (two cores of 2022, one run a core)."""
GROWTH = 1.1
"""An iteration's time grows as voxels to this power: transforms and caches."""
AROUND_S = 0.2
AROUND_A_VOXEL_S = 8e-7
MEMORY = 0.5
"""Weight of the newest measurement."""


@dataclass(frozen=True)
class Speed:
    """What was measured so far; a value: `learnt` gives the next one."""

    iteration_s: dict[Triple, float] = field(default_factory=dict)
    """Seconds an iteration at full size, with all workers busy, by the window's shape."""
    around_s: dict[Triple, float] = field(default_factory=dict)
    """Seconds of a job that are no iterations (cutting, choosing, interpolating), by shape."""
    rehearsed: frozenset[Triple] = frozenset()
    """Shapes whose speed is only that of a rehearsal: the first job's takes its place."""

    def iteration(self, shape: Triple) -> float:
        """Seconds an iteration on a window of this shape takes.

        A rehearsal is disturbed by all that goes on while a scan begins, so it counts only where it is quicker than
        what the jobs done on other shapes let expect.
        """
        told = {other: value for other, value in self.iteration_s.items() if other not in self.rehearsed}
        if shape in told:
            return told[shape]
        guesses = [_scaled(told, shape)] if told else []
        if shape in self.rehearsed:
            guesses.append(self.iteration_s[shape])
        if not guesses:
            guesses.append(_scaled(self.iteration_s, shape) if self.iteration_s else FIRST_GUESS_S * _voxels(shape))
        return min(guesses)

    def around(self, shape: Triple) -> float:
        """Seconds of a job on a window of this shape that are no iterations."""
        return self.around_s.get(shape, AROUND_S + AROUND_A_VOXEL_S * _voxels(shape))

    def run(self, recipe: Recipe, shape: Triple) -> float:
        """Seconds one run takes."""
        return recipe.cost * self.iteration(shape)

    def job(self, recipe: Recipe, shape: Triple, runs: int, workers: int) -> float:
        """Seconds a job takes, from its start until its volume is ready."""
        rounds = sum(-(-living // max(1, workers)) for living in sizes(recipe.guided, runs))
        return rounds * self.run(recipe, shape) + self.around(shape)

    def learnt(self, shape: Triple, iteration_s: float | None, around_s: float | None) -> Speed:
        """With what a job took; None leaves that part as it was."""
        known = self.iteration_s
        if iteration_s is not None and shape in self.rehearsed:
            known = {other: value for other, value in known.items() if other != shape}
        rehearsed = self.rehearsed if iteration_s is None else self.rehearsed - {shape}
        return Speed(_with(known, shape, iteration_s), _with(self.around_s, shape, around_s), rehearsed)

    def prepared(self, shape: Triple, iteration_s: float) -> Speed:
        """With what a rehearsal took, unless a job has told better."""
        if shape in self.iteration_s:
            return self
        return Speed(_with(self.iteration_s, shape, iteration_s), self.around_s, self.rehearsed | {shape})


def _scaled(known: dict[Triple, float], shape: Triple) -> float:
    """From the known shape nearest in size."""
    voxels = _voxels(shape)
    nearest = min(known, key=lambda other: abs(_voxels(other) - voxels))
    return float(known[nearest] * (voxels / _voxels(nearest)) ** GROWTH)


def _with(known: dict[Triple, float], shape: Triple, value: float | None) -> dict[Triple, float]:
    if value is None or value <= 0:
        return known
    before = known.get(shape, value)
    return {**known, shape: before + MEMORY * (value - before)}


def _voxels(shape: Triple) -> int:
    return shape[0] * shape[1] * shape[2]
