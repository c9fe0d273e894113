"""How the runs of a task begin: cold, warm, or bred from the generation before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reconstructor.forecast.warm import WARM
from reconstructor.phasing import guided
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Start
from reconstructor.phasing.recipe import Recipe
from reconstructor.work import Task


class Beginning(NamedTuple):
    """How one run of a task begins, and what it goes through."""

    seed: int
    start: Start | None
    recipe: Recipe
    warm: bool = False
    """Whether it, or what it was bred from, began with something known beforehand."""
    generation: int = 0


def beginnings(task: Task) -> list[Beginning]:
    """How each run of the task begins: cold with a seed of its own, and one warm where that is asked for."""
    job, recipe = task.job, task.job.offer.recipe
    cold = None if task.given is None else Start(support=task.given.on(job.offer.window))
    found = [Beginning(job.first_seed + k, cold, recipe) for k in range(job.runs)]
    if task.warm is None or job.begins == "cold" or (job.begins != "warm" and len(found) < 2):
        return found
    quick = WARM if job.stage == "provisional" else recipe
    found[0] = Beginning(job.first_seed, task.warm.on(job.offer.window), quick, warm=True)
    return found


def bred(task: Task, members: Sequence[Member]) -> list[Beginning]:
    """How the runs of the next generation begin; none where the recipe has no guidance, or no further generation."""
    recipe = task.job.offer.recipe
    if recipe.guided is None or not members:
        return []
    children = guided.children(members, recipe.guided)
    return [Beginning(child.seed, child.start, recipe, child.warm, child.generation) for child in children]
