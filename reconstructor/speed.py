"""How long jobs take on this machine: measured, remembered by shape, guessed for shapes not yet seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconstructor.phasing.recipe import Recipe
from reconstructor.window import Triple

FIRST_GUESS_S = 1.5e-8
"""Seconds a voxel and iteration before anything was measured (two cores of 2022, one run a core)."""
GROWTH = 1.1
"""An iteration's time grows as voxels to this power: transforms and caches."""
AROUND_S = 0.2
AROUND_A_VOXEL_S = 4e-7
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
        """Seconds an iteration on a window of this shape takes."""
        voxels = _voxels(shape)
        if not self.iteration_s:
            return FIRST_GUESS_S * voxels
        nearest = min(self.iteration_s, key=lambda s: abs(_voxels(s) - voxels))
        return float(self.iteration_s[nearest] * (voxels / _voxels(nearest)) ** GROWTH)

    def around(self, shape: Triple) -> float:
        """Seconds of a job on a window of this shape that are no iterations."""
        return self.around_s.get(shape, AROUND_S + AROUND_A_VOXEL_S * _voxels(shape))

    def run(self, recipe: Recipe, shape: Triple) -> float:
        """Seconds one run takes."""
        return recipe.cost * self.iteration(shape)

    def job(self, recipe: Recipe, shape: Triple, runs: int, workers: int) -> float:
        """Seconds a job takes, from its start until its volume is ready."""
        rounds = -(-runs // max(1, workers))
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


def _with(known: dict[Triple, float], shape: Triple, value: float | None) -> dict[Triple, float]:
    if value is None or value <= 0:
        return known
    before = known.get(shape, value)
    return {**known, shape: before + MEMORY * (value - before)}


def _voxels(shape: Triple) -> int:
    return shape[0] * shape[1] * shape[2]
