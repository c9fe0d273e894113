"""Which object a volume is made of: the best run, or what the best runs have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from contract.messages import Quality
from reconstructor.phasing import population, quality
from reconstructor.phasing.population import Choice, Member
from reconstructor.phasing.problem import Complex, Estimate, Mask, Start
from reconstructor.phasing.recipe import Beginning, Recipe, Stage, Step
from reconstructor.phasing.sizes import FAST
from reconstructor.volume import oversampling

MODE_OF = 5
"""Members whose first eigenmode is taken, as long as they are too few for its weight."""
POLISH = Recipe("polish", (Stage((Step("ER", 30),)),), Beginning(grow_voxels=1))
"""What the best run and the mode go through. Averaging damps what the runs do not agree upon, ER lets the data speak
again; a support one voxel wider than shrinkwrap's tells the free pixels better on every crystal tried."""


class Common(NamedTuple):
    """What the best runs have in common."""

    start: Start
    """Their first eigenmode in the support of the best, for `POLISH` to begin from."""
    weight: float | None
    """λ₁/Σλ of the independent ones; None if there are too few of them."""
    mean: Complex | None
    """Their mean, of which the PRTF is taken; None with `weight`."""
    members: int


class Candidate(NamedTuple):
    """An object a volume might be made of."""

    estimate: Estimate
    origin: str
    """What it is, for people."""


class Picked(NamedTuple):
    """The object a volume is made of."""

    obj: Complex
    support: Mask
    quality: Quality
    origin: str


def common(members: Sequence[Member], choice: Choice) -> Common | None:
    """The first eigenmode of the best members; None of a single one."""
    if len(choice.kept) < 2:
        return None
    few = _few(members, choice)
    mode = population.first_mode(compact(members), replace(choice, kept=few))
    best = members[choice.best].estimate
    obj = np.where(best.support, _padded(mode.obj, best.shape), np.complex64(0)).astype(np.complex64)
    mean = None if mode.mean is None else _padded(mode.mean, best.shape)
    return Common(Start(obj=obj, support=best.support), mode.weight, mean, len(few))


def pick(candidates: Sequence[Candidate], weight: float | None, alike: quality.Prtf | None = None) -> Picked:
    """The candidate that tells the free pixels best; the first of equals.

    `weight` and `alike` are what the runs have told together, whichever is picked.
    """
    chosen, origin = min(candidates, key=lambda candidate: _free_llk(candidate.estimate))
    misfit, support = chosen.misfit, chosen.support
    numbers = {} if misfit is None else {name: getattr(misfit, name) for name in misfit.__dataclass_fields__}
    return Picked(
        chosen.obj,
        support,
        Quality(
            **numbers,
            mean_to_max=quality.mean_to_max(chosen.obj, support),
            support_voxels=int(np.count_nonzero(support)),
            energy_outside=chosen.energy_outside,
            mode_weight=weight,
            prtf_resolution_nm=None if alike is None else alike.resolution_nm,
            oversampling=oversampling(support),
        ),
        origin,
    )


def _free_llk(estimate: Estimate) -> float:
    misfit = estimate.misfit
    return float("inf") if misfit is None or misfit.free_llk is None else misfit.free_llk


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
    """The best members: as many independent ones as the weight asks for, or a few where there are not so many."""
    alone = [k for k in choice.kept if members[k].independent]
    if len(alone) < population.LEAST_COLD_RUNS:
        return choice.kept[:MODE_OF]
    last = choice.kept.index(alone[population.LEAST_COLD_RUNS - 1])
    return choice.kept[: last + 1]
