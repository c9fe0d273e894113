"""From a window to its central part and back: the same field of view with larger voxels."""

from __future__ import annotations

import numpy as np
import scipy.fft

from reconstructor.phasing.problem import Complex, Mask, Problem, Shape
from reconstructor.phasing.sizes import smallest_fast

LEAST = 32
"""An axis is never cropped to fewer voxels."""
LEAST_EXTENT = 8.0
"""Nor so far that the crystal is fewer voxels wide: a coarser grid does not hold a dislocation's phase."""


def cropped_shape(shape: Shape, share: float, extent_voxels: tuple[float, ...] = (np.inf,) * 3) -> Shape:
    """At least this share of each axis, in fast sizes, with 32 voxels or more and the crystal 8 voxels wide or more;
    never more than the axis has. `extent_voxels`: the crystal's width on the whole window."""
    a, b, c = (
        n if share >= 1 else min(n, smallest_fast(max(n * share, LEAST, n * LEAST_EXTENT / max(wide, 1.0))))
        for n, wide in zip(shape, extent_voxels, strict=True)
    )
    return a, b, c


def cropped(problem: Problem, shape: Shape) -> Problem:
    """The central part of the data, the peak at n // 2 of the new axes; unknown and free voxels stay so."""
    if shape == problem.shape:
        return problem
    a, b, c = (slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(problem.shape, shape, strict=True))
    box = (a, b, c)
    response = None if problem.response is None else problem.response[box]
    return Problem(problem.counts[box], problem.known[box], problem.free[box], response, problem.background)


def resampled(obj: Complex, shape: Shape) -> Complex:
    """The object on another number of voxels of the same field: its diffraction zero-padded, or cut, about n // 2.

    The diffraction keeps its values, so the object's scale stays that of the unnormalised forward FFT.
    """
    if obj.shape == shape:
        return obj
    wave = scipy.fft.fftshift(scipy.fft.fftn(scipy.fft.ifftshift(obj)))
    out = np.zeros(shape, np.complex64)
    common = [min(n, m) for n, m in zip(obj.shape, shape, strict=True)]
    source = tuple(slice(n // 2 - k // 2, n // 2 - k // 2 + k) for n, k in zip(obj.shape, common, strict=True))
    target = tuple(slice(n // 2 - k // 2, n // 2 - k // 2 + k) for n, k in zip(shape, common, strict=True))
    out[target] = wave[source]
    back: Complex = scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(out)))
    return back


def resampled_support(support: Mask, shape: Shape) -> Mask:
    """The support on another number of voxels of the same field: each voxel asks the nearest old one."""
    index = []
    for n, m in zip(support.shape, shape, strict=True):
        place = np.rint((np.arange(m) - m // 2) * (n / m)).astype(np.intp) + n // 2
        index.append(np.clip(place, 0, n - 1))
    return support[np.ix_(*index)]
