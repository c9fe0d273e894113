"""What we publish of some runs, as the service does: rejection, then best run, polished run or polished mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reconstructor.choosing import POLISH, Candidate, common, pick
from reconstructor.phasing import engine, population
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Complex, Estimate, Problem, Start


class Published(NamedTuple):
    """The object a volume would be made of, and what it was chosen from."""

    candidates: tuple[Candidate, ...]
    """The best run first."""
    chosen: Candidate
    mode: Complex | None
    """First eigenmode before its polish; None of a single run."""
    weight: float | None
    """Of the mode; None where fewer than 10 runs are kept."""
    kept: int


def published(members: Sequence[Member], problem: Problem, kernel: Kernel) -> Published:
    """Choose among the members as `reconstructor.work` does, with time enough to polish."""
    choice = population.choose(members)
    best = members[choice.best].estimate
    shared = common(members, choice)
    found = [Candidate(best, "best run")]
    found.append(
        Candidate(_polished(Start(obj=best.obj, support=best.support, psf=best.psf), problem, kernel), "polished run")
    )
    if shared is not None:
        found.append(Candidate(_polished(shared.start, problem, kernel), "polished mode"))
    weight = None if shared is None else shared.weight
    origin = pick(found, weight).origin
    chosen = next(candidate for candidate in found if candidate.origin == origin)
    return Published(tuple(found), chosen, None if shared is None else shared.start.obj, weight, len(choice.kept))


def _polished(start: Start, problem: Problem, kernel: Kernel) -> Estimate:
    *_, last = engine.run(POLISH, problem, start, kernel, 0)
    return last
