"""Guided generations: the better runs are bred with the best one, and go on from there.

After Chen, Miao, Wang & Lee 2007, Phys. Rev. B 76, 064113, with breeding rules as in Ulvestad et al. 2017, Sci. Rep.
7, 9823: amplitudes are combined, the phase is the best one's, after alignment. Runs bred with each other are alike
for that reason alone, so they tell nothing about how sure the object is (`Member.independent`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from reconstructor.phasing.alignment import aligned
from reconstructor.phasing.boxes import compact, padded
from reconstructor.phasing.population import Member, choose
from reconstructor.phasing.problem import Complex, Real, Start
from reconstructor.phasing.recipe import Breeding, Guided


class Child(NamedTuple):
    """How a run of the next generation begins."""

    seed: int
    """Its parent's: a line of descent keeps its name."""
    start: Start
    generation: int
    warm: bool
    """Whether it descends from a warm run, by its parent or by the best."""


def sizes(guided: Guided | None, runs: int) -> tuple[int, ...]:
    """How many runs each generation has at most, from the first on; without guidance there is one generation."""
    found = [runs]
    while guided and len(found) < guided.generations:
        found.append(_living(guided.keep, found[-1]))
    return tuple(found)


def children(members: Sequence[Member], guided: Guided) -> list[Child]:
    """The next generation, of all members so far; none after the last generation.

    Of the newest generation those that are not rejected and belong to its better share live on; each is laid over the
    best of all members, bred with it and low-passed. All begin in the best one's support.
    """
    generation = max(member.generation for member in members) + 1
    if generation >= guided.generations:
        return []
    best = members[choose(members).best]
    newest = [member for member in members if member.generation == generation - 1]
    living = [newest[place] for place in choose(newest).kept[: _living(guided.keep, len(newest))]]
    small = [estimate.obj for estimate in compact([member.estimate for member in (best, *living)])]
    found = []
    for member, obj in zip(living, small[1:], strict=True):
        bred_obj = low_passed(bred(small[0], aligned(small[0], obj).obj, guided.breeding), sigma(guided, generation))
        start = Start(obj=padded(bred_obj, best.estimate.shape), support=best.estimate.support, psf=best.estimate.psf)
        found.append(Child(member.seed, start, generation, member.warm or best.warm))
    return found


def bred(best: Complex, other: Complex, rule: Breeding) -> Complex:
    """Two aligned objects as one: amplitudes by the rule, the best one's phase (the other's where it has none), the
    best one's energy. An object bred with itself is itself."""
    unit = np.exp(1j * np.angle(np.where(best != 0, best, other)))
    obj: Complex = (_amplitude(np.abs(best), np.abs(other), rule) * unit).astype(np.complex64)
    return _with_energy_of(best, obj)


def low_passed(obj: Complex, sigma_voxels: float) -> Complex:
    """Smoothed by a Gaussian, the energy kept: what is fine is to be found anew."""
    if sigma_voxels == 0:
        return obj
    return _with_energy_of(obj, ndimage.gaussian_filter(obj, sigma_voxels, mode="constant").astype(np.complex64))


def sigma(guided: Guided, generation: int) -> float:
    """Low-pass of a bred generation (1 the first of them), in voxels: evenly from the first to the last."""
    first, last = guided.sigma_voxels
    share = (generation - 1) / (guided.generations - 2) if guided.generations > 2 else 0.0
    return first + share * (last - first)


def _amplitude(best: Real, other: Real, rule: Breeding) -> NDArray[np.floating]:
    match rule:
        case "geometric":
            return np.asarray(np.sqrt(best * other))
        case "mean":
            return (best + other) / 2
        case "maximum":
            return np.maximum(best, other)
        case "minimum":
            return np.minimum(best, other)


def _with_energy_of(reference: Complex, obj: Complex) -> Complex:
    """Scaled to the reference's norm; the reference itself where nothing is left of the object."""
    norm = float(np.linalg.norm(obj))
    return obj * np.float32(np.linalg.norm(reference) / norm) if norm > 0 else reference


def _living(keep: float, runs: int) -> int:
    return math.ceil(keep * runs)
