"""The last hold's object as it looks from another window: what a warm run begins with, and what LAST HOLD shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor.forecast.pattern import Pattern, Places
from reconstructor.forecast.residual import Residual
from reconstructor.phasing.problem import Complex, Mask, Start
from reconstructor.phasing.recipe import Beginning, Recipe, Shrinkwrap, Stage, Step
from reconstructor.window import Place, Window3

WARM = Recipe(
    "warm",
    (Stage((Step("RAAR", 100), Step("ER", 40)), Shrinkwrap(10, (0.2, 0.2), (1.5, 0.7))),),
    Beginning(grow_voxels=2),
)
"""What a warm provisional run goes through. On eight pairs of states RAAR kept what was right about the start where HIO
left it (median overlap at 60 % of the frames 0.98 against 0.97, at half the iterations), ER alone did not get on. Where
the peak has only just passed, HIO can be the better one (0.95 against 0.86 in one of the eight)."""

REJECTED = 1.5
"""Times the better free LLK from which on the other one is not worth keeping (as in a population)."""


def seen_from(pattern: Pattern, window: Window3, offset: Place = (0.0, 0.0, 0.0)) -> Complex:
    """The pattern's object on another window, whose places are those of the pattern's own curve + `offset`.

    The window may lie elsewhere, be larger or smaller, or be binned otherwise: what it shows of the far field is read
    there and transformed back. So a moved peak becomes a phase ramp, and the object is never translated. Where the
    pattern's own window does not reach, its far field is taken as 0. |Fρ|² is in counts a voxel of the new window.
    """
    places = [
        np.float64(start) + size * np.arange(n) + (size - 1) / 2 - by
        for start, size, n, by in zip(window.start, window.binning, window.shape, offset, strict=True)
    ]
    at: Places = (places[0], places[1], places[2])
    members = np.prod(window.binning) / np.prod(pattern.window.binning)
    wave = np.zeros(window.shape, np.complex64)
    inside = [np.flatnonzero(pattern.covers(axis, along)) for axis, along in enumerate(at)]
    wave[np.ix_(*inside)] = pattern.wave((at[0][inside[0]], at[1][inside[1]], at[2][inside[2]]))
    obj = scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(wave * np.float32(np.sqrt(members)))))
    return np.asarray(obj, np.complex64)


def support_from(support: Mask, window: Window3, other: Window3) -> Mask:
    """A support on the voxels of another window: each asks the old one nearest to its place in the crystal."""
    index, there = [], []
    for n, b, m, c in zip(window.shape, window.binning, other.shape, other.binning, strict=True):
        place = np.rint((np.arange(m) - m // 2) * (n * b) / (m * c)).astype(np.intp) + n // 2
        there.append((place >= 0) & (place < n))
        index.append(np.clip(place, 0, n - 1))
    found: Mask = support[np.ix_(*index)] & _grid(there)
    return found


def warm_start(pattern: Pattern, support: Mask, window: Window3, offset: Place = (0.0, 0.0, 0.0)) -> Start:
    """What a run on `window` of the present scan begins with; the recipe grows the support."""
    return Start(obj=seen_from(pattern, window, offset), support=support_from(support, pattern.window, window))


@dataclass(frozen=True)
class Standing:
    """What speaks for a volume: both on voxels that it was not fitted to."""

    free_llk: float | None
    residual: Residual | None


def abandoned(warm: Standing, cold: Standing) -> bool:
    """Whether the crystal has changed too much to begin from its past.

    A cold volume of the same frames foretold the later ones better, or tells the free pixels better by `REJECTED` (the
    residual alone comes late: after a dislocation is born a warm run stays near its past, and the frames far from the
    peak hardly object).
    """
    if warm.residual is not None and cold.residual is not None and cold.residual.value < warm.residual.value:
        return True
    return warm.free_llk is not None and cold.free_llk is not None and REJECTED * cold.free_llk < warm.free_llk


def _grid(flags: list[NDArray[np.bool_]]) -> Mask:
    out: Mask = flags[0][:, None, None] & flags[1][None, :, None] & flags[2][None, None, :]
    return out
