"""How likely the counts are for each whole-voxel offset of a pattern: all of them at once, by correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from reconstructor.forecast.pattern import Pattern
from reconstructor.forecast.planes import Planes
from reconstructor.phasing.problem import Complex, Real
from reconstructor.window import Triple

BLUR_VOXELS = 1.0
"""The pattern is smoothed for the search: the fringes of a crystal that has changed are not where they were."""
FLOOR = 3e-3
"""Counts a voxel that are expected everywhere, so that no count is impossible."""
WING_POWER = 4.0
"""Beyond its window a pattern is continued along rays from the peak, falling as |q|⁻⁴ (Porod)."""


@dataclass(frozen=True, eq=False)
class Template:
    """A pattern on whole voxels of its window and beyond, made once a scan."""

    first: Triple
    """Index of the first voxel, in voxels of the window; negative where it reaches before it."""
    intensity: Real
    """(rocking, row, column), smoothed, counts a voxel."""
    pattern: Pattern
    wave: Complex
    """Fourier transform of `intensity` along rows and columns, conjugate …"""
    logarithm: Complex
    """… and of its logarithm."""


class Landscape(NamedTuple):
    """The log-likelihood of offsets, in voxels of the window."""

    log_likelihood: NDArray[np.float64]
    """(rocking, row, column), for the scale that fits each offset best."""
    log_scale: NDArray[np.float64]
    """Logarithm of that scale."""
    offsets: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
    """Offset of each place along each axis."""


def template(pattern: Pattern, planes: Planes, reach: Triple) -> Template:
    """The pattern where `planes` may need it, for offsets up to `reach` voxels along each axis.

    `planes` may be those of an early part of the scan: the frames are taken as far as the window and the reach go.
    """
    window = pattern.window
    detector = [_voxel(window.start[a], window.binning[a], planes.at[a]) for a in (1, 2)]
    spans = [(-reach[0] - window.shape[0], 2 * window.shape[0] + reach[0])]
    spans += [(int(v[0]) - reach[a], int(v[-1]) + reach[a] + 1) for a, v in zip((1, 2), detector, strict=True)]
    own = ndimage.gaussian_filter(_on_own_voxels(pattern), BLUR_VOXELS)
    index, steeper = _rays(spans, window.shape)
    found = own[index[0], index[1], index[2]] / steeper + np.float32(FLOOR)
    return Template((spans[0][0], spans[1][0], spans[2][0]), found.astype(np.float32), pattern, found, found)


def _on_own_voxels(pattern: Pattern) -> Real:
    wave = scipy.fft.fftshift(scipy.fft.fftn(scipy.fft.ifftshift(pattern.obj)))
    out: Real = np.square(wave.real) + np.square(wave.imag)
    return out


def _voxel(start: int, binning: int, places: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.rint((places - (binning - 1) / 2 - start) / binning).astype(np.intp)
