"""Which object a volume is made of: the best run, or what the best runs have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from contract.messages import Quality
from reconstructor.phasing import population, quality
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.boxes import compact, padded
from reconstructor.phasing.population import Choice, Member
from reconstructor.phasing.problem import Complex, Estimate, Mask, Start
from reconstructor.phasing.recipe import Beginning, Recipe, Stage, Step
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
    warm_cold: float | None
    """Complex overlap of the best warm run with the best cold one; None where not both kinds were kept."""


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


def common(members: Sequence[Member], choice: Choice, look_up: Callable[[], None] = lambda: None) -> Common | None:
    """The first eigenmode of the best members; None of a single one. `look_up`: see `population.first_mode`."""
    if len(choice.kept) < 2:
        return None
    few = _few(members, choice)
    small = compact([member.estimate for member in members])
    cut = [replace(member, estimate=estimate) for member, estimate in zip(members, small, strict=True)]
    mode = population.first_mode(cut, replace(choice, kept=few), look_up)
    best = members[choice.best].estimate
    obj = np.where(best.support, padded(mode.obj, best.shape), np.complex64(0)).astype(np.complex64)
    mean = None if mode.mean is None else padded(mode.mean, best.shape)
    return Common(
        Start(obj=obj, support=best.support, psf=best.psf),
        mode.weight,
        mean,
        len(few),
        _warm_cold(cut, choice, few, mode),
    )


def pick(
    candidates: Sequence[Candidate],
    weight: float | None,
    alike: quality.Prtf | None = None,
    warm_cold: float | None = None,
) -> Picked:
    """The candidate that tells the free pixels best; the first of equals.

    `weight`, `alike` and `warm_cold` are what the runs have told together, whichever is picked.
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
            warm_cold_overlap=warm_cold,
            prtf_resolution_nm=None if alike is None else alike.resolution_nm,
            oversampling=oversampling(support),
        ),
        origin,
    )


def _free_llk(estimate: Estimate) -> float:
    misfit = estimate.misfit
    return float("inf") if misfit is None or misfit.free_llk is None else misfit.free_llk


def _warm_cold(members: Sequence[Member], choice: Choice, few: tuple[int, ...], mode: population.Mode) -> float | None:
    """How alike the best runs of both kinds are, of those that were kept."""
    best = members[choice.best]
    other = next((place for place in choice.kept if members[place].warm is not best.warm), None)
    if other is None:
        return None
    return mode.overlaps[few.index(other)] if other in few else overlap(best.estimate.obj, members[other].estimate.obj)


def _few(members: Sequence[Member], choice: Choice) -> tuple[int, ...]:
    """The best members: as many independent ones as the weight asks for, or a few where there are not so many."""
    alone = [k for k in choice.kept if members[k].independent]
    if len(alone) < population.LEAST_COLD_RUNS:
        return choice.kept[:MODE_OF]
    last = choice.kept.index(alone[population.LEAST_COLD_RUNS - 1])
    return choice.kept[: last + 1]
