"""Supports: from the autocorrelation, by shrinkwrap, grown, halved. Natural order everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from reconstructor.phasing.problem import Complex, Mask, PhasingError, Real, Shape

Box = tuple[slice, slice, slice]
Smooth = Callable[[Complex, NDArray[Any], float], Real]
"""Of a block's object, support (bool, or uint8 of 0 and 1) and σ in voxels: the amplitude inside the support after a
Gaussian smoothing that is cut off at `reach(σ)`, zeros around the block."""

Level = Literal["rms", "mean", "max"]
"""What a shrinkwrap threshold is a multiple of: this of the smoothed amplitude inside the present support."""
LEVELS: tuple[Level, ...] = ("rms", "mean", "max")

TRUNCATE = 3.0
"""Where the Gaussian is cut, in σ: what lies beyond is 0.3 %, and the margin to be smoothed grows with it."""


class Update(NamedTuple):
    """A new support and the box that bounds it."""

    box: Box
    inside: Mask
    voxels: int
    threshold: float


def reach(sigma_voxels: float) -> int:
    """Half width of the smoothing kernel, in voxels."""
    return int(TRUNCATE * sigma_voxels + 0.5)


def smoothed(obj: Complex, support: NDArray[Any], sigma_voxels: float) -> Real:
    """See `Smooth`."""
    radius = reach(sigma_voxels)
    out: Real = ndimage.gaussian_filter(np.abs(obj) * support, sigma_voxels, mode="constant", radius=radius)
    return out


def bounding_box(support: NDArray[Any]) -> Box:
    """The smallest box that holds the support (bool, or uint8 of 0 and 1). Raises PhasingError if that is empty."""
    flags = support.view(np.bool_)
    # the long way first: over whole planes, then the one plane that is left
    shadow = np.logical_or.reduce(flags, axis=0)
    slices = []
    for along in (flags.any(axis=(1, 2)), shadow.any(axis=1), shadow.any(axis=0)):
        index = np.flatnonzero(along)
        if not index.size:
            raise PhasingError(f"the support is empty: 0 of {support.size} voxels; wanted at least one")
        slices.append(slice(int(index[0]), int(index[-1]) + 1))
    return slices[0], slices[1], slices[2]


def grown_box(box: Box, voxels: int, shape: Shape) -> Box:
    """The box with so many voxels more on each side, as far as the volume goes."""
    a, b, c = (slice(max(0, s.start - voxels), min(n, s.stop + voxels)) for s, n in zip(box, shape, strict=True))
    return a, b, c


def shrunk(
    obj: Complex,
    support: NDArray[Any],
    box: Box,
    sigma_voxels: float,
    threshold: float,
    fraction: tuple[float, float],
    smooth: Smooth = smoothed,
    by: Level = "rms",
    grows: bool = True,
) -> Update:
    """Shrinkwrap (Marchesini 2003): where the smoothed |obj| exceeds threshold × its level inside the present support.

    The level is the RMS, mean or maximum; unless the support `grows`, the new one is part of the old one.
    Only the support's bounding box and a margin are looked at: an update can grow the support by the smoothing's
    reach beyond its present box. While the result is no share of the volume within `fraction`, the threshold gives
    way by 10 %, 24 times at most. Raises PhasingError when nothing is left, or the object is not finite.
    """
    shape: Shape = (obj.shape[0], obj.shape[1], obj.shape[2])
    inner = grown_box(box, reach(sigma_voxels), shape)
    soft = smooth(obj[inner], support[inner], sigma_voxels)
    old = support[inner].view(np.bool_)
    with np.errstate(invalid="ignore"):  # what is not finite is told of below
        level = _level(soft * old, int(np.count_nonzero(old)), by)
    for _ in range(24):
        inside = soft > threshold * level
        if not grows:
            inside &= old
        voxels = int(np.count_nonzero(inside))
        if voxels < max(1.0, fraction[0] * obj.size):
            threshold /= 1.1
        elif voxels > fraction[1] * obj.size:
            threshold *= 1.1
        else:
            return _trimmed(inner, inside, voxels, threshold)
    raise PhasingError(
        f"the support is {voxels} of {obj.size} voxels at threshold {threshold:.3g} × {_SPOKEN[by]}; "
        f"wanted a share of {fraction[0]:g} to {fraction[1]:g}"
    )


_SPOKEN: dict[Level, str] = {"rms": "RMS", "mean": "mean", "max": "maximum"}


def _level(within: Real, voxels: int, by: Level) -> float:
    """Of amplitudes that are 0 outside so many voxels."""
    match by:
        case "rms":
            found = float(np.sqrt(np.vdot(within, within) / max(1, voxels)))
        case "mean":
            found = float(np.sum(within, dtype=np.float64)) / max(1, voxels)
        case "max":
            found = float(np.max(within))
    if not np.isfinite(found) or found <= 0:
        raise PhasingError(f"the object's {_SPOKEN[by]} inside its support is {found}; wanted a finite number above 0")
    return found


def _trimmed(box: Box, inside: Mask, voxels: int, threshold: float) -> Update:
    tight = bounding_box(inside)
    a, b, c = (slice(o.start + t.start, o.start + t.stop) for o, t in zip(box, tight, strict=True))
    return Update((a, b, c), inside[tight], voxels, threshold)


def autocorrelation(amplitude: Real) -> Real:
    """Modulus of the object's autocorrelation, from the known intensities; maximum at n // 2."""
    intensity = np.where(amplitude > 0, np.square(amplitude), np.float32(0))
    out: Real = np.abs(scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(intensity))))
    return out


def from_autocorrelation(amplitude: Real, threshold: float) -> Mask:
    """Where the autocorrelation exceeds threshold × its maximum."""
    correlation = autocorrelation(amplitude)
    support: Mask = correlation > threshold * correlation.max()
    return support


def extent_voxels(amplitude: Real) -> tuple[float, float, float]:
    """How wide the crystal is along each axis, within some 10 %, up to 30 % too small under strain.

    Half of where the autocorrelation, projected on the axis by its maximum, stays above 3 % of its centre (or above
    its noise, if that is more).
    """
    correlation = autocorrelation(amplitude)
    photons = float(np.sum(np.square(amplitude), where=amplitude > 0, dtype=np.float64))
    level = max(0.03, 6 / np.sqrt(photons)) * float(correlation.max())
    widths = []
    for axis, n in enumerate(correlation.shape):
        line = correlation.max(axis=tuple(a for a in range(3) if a != axis))
        low = np.flatnonzero(line <= level)
        before, after = low[low < n // 2], low[low > n // 2]
        first, last = (before[-1] if before.size else -1), (after[0] if after.size else n)
        widths.append(float(last - first) / 2)
    return widths[0], widths[1], widths[2]


def ellipsoid(shape: Shape, size: float) -> Mask:
    """An ellipsoid about n // 2, its full widths this share of the axes."""
    z, y, x = _widths(shape, size)
    out: Mask = z**2 + y**2 + x**2 <= 1
    return out


def box(shape: Shape, size: float) -> Mask:
    """A box about n // 2, its full widths this share of the axes."""
    a, b, c = (np.abs(axis) <= 1 for axis in _widths(shape, size))
    out: Mask = a & b & c
    return out


def _widths(shape: Shape, size: float) -> list[NDArray[np.float64]]:
    """Coordinates along each axis in half widths, to be broadcast together."""
    axes = [(np.arange(n) - n // 2) / (size * n / 2) for n in shape]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def grown(support: Mask, voxels: int) -> Mask:
    """The support and all within so many steps of it."""
    if voxels < 1:
        return support
    out: Mask = ndimage.binary_dilation(support, iterations=voxels)
    return out


def halved(support: Mask) -> Mask:
    """The part of the support below its centre of mass along the first axis."""
    planes = support.sum(axis=(1, 2), dtype=np.int64)
    if not planes.any():
        raise PhasingError(f"the support is empty: 0 of {support.size} voxels; wanted at least one")
    centre = round(float((planes * np.arange(planes.size)).sum() / planes.sum()))
    out = support.copy()
    out[max(centre, int(np.flatnonzero(planes)[0]) + 1) :] = False
    return out
