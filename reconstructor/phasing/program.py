"""What a recipe becomes on a problem: which stages a run goes through, on which shapes, with how many tries."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from reconstructor.phasing.problem import Problem, Shape, Start, amplitude
from reconstructor.phasing.recipe import Recipe, Stage
from reconstructor.phasing.resolution import cropped_shape
from reconstructor.phasing.support import extent_voxels

DEARER = 2.0
"""A stage may cost so many times what the recipe asks for before it has to do with fewer tries."""


class Leg(NamedTuple):
    """One stage of a run."""

    number: int
    """The stage's place in the recipe, from 0."""
    stage: Stage
    """As it is done here: `tries` may be fewer than in the recipe."""
    shape: Shape


def program(recipe: Recipe, problem: Problem, start: Start) -> list[Leg]:
    """The legs of a run. Raises PhasingError when there is nothing to phase.

    A start with an object enters at the first stage of full resolution. A small crystal may not allow the resolution
    the recipe asks for (`cropped_shape`): then the tries are fewer, so that the stage costs about twice what it should
    at most, or is tried once.
    """
    stages = list(enumerate(recipe.stages))
    if start.obj is not None:
        full = next((number for number, stage in stages if stage.crop == 1), len(stages) - 1)
        stages = stages[full:]
    crops = any(stage.crop < 1 for _, stage in stages)
    wide = extent_voxels(amplitude(problem)) if crops else (np.inf,) * 3
    legs = []
    for number, stage in stages:
        shape = cropped_shape(problem.shape, stage.crop, wide)
        dearer = np.prod(shape) / (stage.crop**3 * problem.counts.size)
        tries = max(1, min(stage.tries, round(DEARER * stage.tries / dearer)))
        legs.append(Leg(number, replace(stage, tries=tries), shape))
    return legs


def iterations(legs: list[Leg]) -> int:
    """Of the whole run, all tries together."""
    return sum(leg.stage.iterations * leg.stage.tries for leg in legs)


def cost(recipe: Recipe, problem: Problem, start: Start | None = None) -> float:
    """Of a run on this problem, in units of an iteration of HIO at its full size; `Recipe.cost` is what it is on a
    crystal that allows every crop."""
    legs = program(recipe, problem, start or Start())
    return sum(leg.stage.cost * leg.stage.tries * float(np.prod(leg.shape)) for leg in legs) / problem.counts.size
