"""Which object a volume is made of: the best run, or what the best runs have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from contract.messages import Quality
from reconstructor.phasing import population, quality
from reconstructor.phasing.population import Choice, Member
from reconstructor.phasing.problem import Complex, Mask, Problem
from reconstructor.phasing.sizes import FAST
from reconstructor.volume import oversampling

MODE_OF = 5
"""Members whose first eigenmode is tried against the best of them, as long as they are too few for its weight."""


class Picked(NamedTuple):
    """The object a volume is made of."""

    obj: Complex
    support: Mask
    quality: Quality


def pick(problem: Problem, members: Sequence[Member], choice: Choice) -> Picked:
    """The best run, or what the best ones have in common where that tells the free pixels better."""
    best = members[choice.best].estimate
    obj, support, misfit, weight = best.obj, best.support, best.misfit, None
    if len(choice.kept) > 1 and misfit is not None and misfit.free_llk is not None:
        mode = population.first_mode(compact(members), replace(choice, kept=_few(members, choice)))
        common = np.where(support, _padded(mode.obj, problem.shape), np.complex64(0)).astype(np.complex64)
        told = quality.misfit(problem, common, int(np.count_nonzero(support)))
        weight = mode.weight
        if told.free_llk is not None and told.free_llk < misfit.free_llk:
            obj, misfit = common, told
    numbers = {} if misfit is None else {name: getattr(misfit, name) for name in misfit.__dataclass_fields__}
    return Picked(
        obj,
        support,
        Quality(
            **numbers,
            mean_to_max=quality.mean_to_max(obj, support),
            support_voxels=int(np.count_nonzero(support)),
            energy_outside=best.energy_outside,
            mode_weight=weight,
            oversampling=oversampling(support),
        ),
    )


def compact(members: Sequence[Member]) -> list[Member]:
    """The same members in the smallest fast box about n // 2 that holds them all, for quick comparison.

    Nothing is lost: they are zero outside their supports.
    """
    shapes = [member.estimate.shape for member in members]
    half = [0, 0, 0]
    for member in members:
        estimate = member.estimate
        for axis, (n, corner, size) in enumerate(
            zip(estimate.shape, estimate.corner, estimate.block.shape, strict=True)
        ):
            half[axis] = max(half[axis], n // 2 - corner, corner + size - n // 2)
    small = [min(n, next((f for f in FAST if f >= 2 * h + 4), n)) for n, h in zip(shapes[0], half, strict=True)]
    box = (small[0], small[1], small[2])
    found = []
    for member in members:
        estimate = member.estimate
        a, b, c = (k - n // 2 + m // 2 for k, n, m in zip(estimate.corner, estimate.shape, box, strict=True))
        found.append(replace(member, estimate=replace(estimate, shape=box, corner=(a, b, c))))
    return found


def _padded(obj: Complex, shape: tuple[int, int, int]) -> Complex:
    """An object in a larger box, n // 2 on n // 2."""
    out = np.zeros(shape, np.complex64)
    place = [slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(shape, obj.shape, strict=True)]
    out[tuple(place)] = obj
    return out


def _few(members: Sequence[Member], choice: Choice) -> tuple[int, ...]:
    """The best members: as many cold ones as the mode's weight asks for, or a few where there are not so many."""
    cold = [k for k in choice.kept if not members[k].warm]
    if len(cold) < population.LEAST_COLD_RUNS:
        return choice.kept[:MODE_OF]
    last = choice.kept.index(cold[population.LEAST_COLD_RUNS - 1])
    return choice.kept[: last + 1]
