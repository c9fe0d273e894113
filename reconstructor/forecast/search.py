"""How likely the counts are at each whole-voxel offset of a pattern: all offsets at once, by correlation."""

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
from reconstructor.window import Place, Triple

BLUR_VOXELS = 1.0
"""The pattern is smoothed for the search: a crystal that has changed has its fringes a little elsewhere."""
FLOOR = 3e-3
"""Counts a voxel that are expected everywhere, so that no count is impossible."""
REACH = (27.0, 12.0, 12.0)
"""Frames, rows and columns by which the peak may have moved; crystal III moved by 19 frames."""
WING_POWER = 4.0
"""Beyond its window a pattern is continued along rays from the peak, falling as |q|⁻⁴ (Porod's law)."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Template:
    """A pattern on whole voxels, as far as offsets can bring it over the curve; made once a scan."""

    pattern: Pattern
    reach: Triple
    """Largest offset, in voxels along each axis."""
    first: int
    """Voxel of the first plane, in the pattern's window; negative where the planes begin before it."""
    intensity: Real
    """(plane, row, column), smoothed, with `reach` voxels around the detector."""
    wave: Complex
    """Fourier transform along rows and columns of ln `intensity`."""
    totals: Real
    """(plane, row offset, column offset): counts expected of a whole plane, at exposure 1."""


class Landscape(NamedTuple):
    """What the counts say of all offsets."""

    log_likelihood: Numbers
    """(rocking, row, column) offset; Poisson, each offset with the scale that suits it best."""
    log_scale: Numbers
    """Logarithm of that scale."""
    offsets: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
    """The offset at each index, in voxels."""
    dispersion: float
    """Mean (n − μ)²/μ at the likeliest offset, at least 1: how many times counting noise the pattern is off."""


def template(pattern: Pattern, frames: int, planes: Planes, reach: Place = REACH) -> Template:
    """The pattern for a curve of so many frames, on the detector that `planes` (any of its) are from.

    `reach`: largest offset to be looked for, in frames, rows and columns.
    """
    window = pattern.window
    a, b, c = (int(np.ceil(r / size)) for r, size in zip(reach, window.binning, strict=True))
    return _template(pattern, frames, planes, (a, b, c))


def _template(pattern: Pattern, frames: int, planes: Planes, reach: Triple) -> Template:
    window = pattern.window
    first, last = (_voxel(pattern, 0, np.array([place]))[0] for place in (0.0, frames - 1.0))
    spans = [(first - reach[0], last + reach[0])]
    for axis in (1, 2):
        voxels = _voxel(pattern, axis, planes.at[axis])
        spans.append((voxels[0] - reach[axis], voxels[-1] + reach[axis]))
    own = ndimage.gaussian_filter(_on_voxels(pattern), BLUR_VOXELS)
    intensity = _continued(own, [np.arange(low, high + 1) for low, high in spans], window.shape) + np.float32(FLOOR)
    shape = _padded(intensity.shape)
    wave = scipy.fft.rfft2(np.log(intensity), s=shape)
    cell = np.conj(scipy.fft.rfft2(planes.cell, s=shape))
    totals = scipy.fft.irfft2(scipy.fft.rfft2(intensity, s=shape) * cell, s=shape)
    return Template(pattern, reach, int(spans[0][0]), intensity, wave, _by_offset(totals, reach))


def landscape(template: Template, planes: Planes, rocking: tuple[int, int] | None = None) -> Landscape:
    """The likelihood of every offset within reach (along the rocking axis: from `rocking[0]` to `rocking[1]`).

    With μ = s·T and the scale s profiled out, ln L = Σ n ln T + N ln(N / Σ T) − N. Saturated voxels are taken as they
    read: for a search that will do.
    """
    reach = template.reach
    shape = _padded(template.intensity.shape)
    wave = np.conj(scipy.fft.rfft2(planes.counts, s=shape))
    voxels = _voxel(template.pattern, 0, planes.at[0]) - template.first
    logs, totals = [], []
    low, high = rocking or (-reach[0], reach[0])
    offsets = (
        np.arange(max(low, -reach[0]), min(high, reach[0]) + 1),
        np.arange(-reach[1], reach[1] + 1),
        np.arange(-reach[2], reach[2] + 1),
    )
    for offset in offsets[0]:
        across = np.einsum("pij,pij->ij", wave, template.wave[voxels - offset])
        logs.append(_by_offset(scipy.fft.irfft2(across, s=shape), reach))
        totals.append(np.tensordot(planes.exposure, template.totals[voxels - offset], 1))
    counts = max(planes.total, 1.0)
    log_scale = np.log(counts) - np.log(np.stack(totals).astype(np.float64))
    found = np.stack(logs).astype(np.float64) + counts * log_scale - counts
    best = np.unravel_index(int(found.argmax()), found.shape)
    at = tuple(int(along[place]) for along, place in zip(offsets, best, strict=True))
    return Landscape(found, log_scale, offsets, _dispersion(template, planes, at, float(log_scale[best])))


def _dispersion(template: Template, planes: Planes, offset: tuple[int, ...], log_scale: float) -> float:
    voxels = _voxel(template.pattern, 0, planes.at[0]) - template.first - offset[0]
    rows, columns = (
        slice(template.reach[a] - offset[a], template.reach[a] - offset[a] + planes.counts.shape[a]) for a in (1, 2)
    )
    expected = np.float32(np.exp(log_scale)) * template.intensity[voxels, rows, columns] * planes.response
    square = np.square(planes.counts - expected)
    total = np.divide(square, expected, out=np.zeros_like(square), where=planes.known & (expected > 0))
    return max(1.0, float(total.sum(dtype=np.float64)) / max(1, int(np.count_nonzero(planes.known))))


def _on_voxels(pattern: Pattern) -> Real:
    """Intensity on the window's own voxels."""
    wave = scipy.fft.fftshift(scipy.fft.fftn(pattern.obj))
    out: Real = np.square(wave.real) + np.square(wave.imag)
    return out


def _voxel(pattern: Pattern, axis: int, places: Numbers) -> NDArray[np.intp]:
    """The voxels (of the pattern's window, or beyond it) that lie nearest to places."""
    size, start = pattern.window.binning[axis], pattern.window.start[axis]
    return np.rint((places - (size - 1) / 2 - start) / size).astype(np.intp)


def _continued(own: Real, voxels: list[NDArray[np.intp]], shape: Triple) -> Real:
    """The pattern on a grid of voxels: its own within the window, beyond it the edge's on the same ray, fainter."""
    offsets = [np.asarray(v - n // 2, np.float32) for v, n in zip(voxels, shape, strict=True)]
    grid = np.meshgrid(*offsets, indexing="ij", sparse=True)
    # how many times further out than the window's edge, along the axis where that is most
    beyond = [np.maximum(np.maximum(g / (n - 1 - n // 2), -g / (n // 2)), 1) for g, n in zip(grid, shape, strict=True)]
    times = np.maximum(np.maximum(beyond[0], beyond[1]), beyond[2])
    index = [np.rint(g / times).astype(np.intp) + n // 2 for g, n in zip(grid, shape, strict=True)]
    out: Real = (own[index[0], index[1], index[2]] / times**WING_POWER).astype(np.float32)
    return out


def _padded(shape: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = (int(scipy.fft.next_fast_len(n, real=True)) for n in shape[1:])
    return rows, columns


def _by_offset(correlation: Real, reach: Triple) -> Real:
    """A correlation with shift reach − offset along its last two axes, by offset from −reach to reach."""
    rows, columns = (slice(None, 2 * r + 1) for r in reach[1:])
    return correlation[..., rows, columns][..., ::-1, ::-1]
