"""Intensities cannot tell an object from its twin, from a shifted one, or from one with another constant phase.

So objects are compared after these three. The phase ramp is kept: a ramp is a shift of the diffraction, which the
measured pattern does pin.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor.phasing.problem import Complex

Shift = tuple[float, float, float]
Wave = NDArray[np.complex64]


class Aligned(NamedTuple):
    """An object laid over a reference."""

    obj: Complex
    overlap: float
    """|⟨a, b⟩| / (‖a‖‖b‖) over the full box, 0 to 1."""
    twin: bool
    """Whether it was inverted and conjugated first."""
    shift_voxels: Shift
    """By which it was moved, sub-voxel, periodic."""


def twin(obj: Complex) -> Complex:
    """Inverted about n // 2 of each axis, and conjugated: the other object with the same intensities."""
    flipped = np.conj(obj[::-1, ::-1, ::-1])
    even = tuple(1 - n % 2 for n in obj.shape)
    out: Complex = np.roll(flipped, even, axis=(0, 1, 2))
    return out


def moved(obj: Complex, shift_voxels: Shift) -> Complex:
    """Shifted by a sub-voxel distance, periodic, through its Fourier transform."""
    out: Complex = scipy.fft.ifftn(scipy.fft.fftn(obj) * _ramp(obj.shape, shift_voxels)).astype(np.complex64)
    return out


def aligned(reference: Complex, obj: Complex) -> Aligned:
    """Lay `obj` over `reference`: hand, sub-voxel shift (to 0.01 voxel) and constant phase of greatest overlap."""
    norm = float(np.linalg.norm(reference)) * float(np.linalg.norm(obj))
    if norm <= 0:
        return Aligned(obj, 0.0, False, (0.0, 0.0, 0.0))
    wave, straight = scipy.fft.fftn(reference), scipy.fft.fftn(obj)
    # the twin's wave is the conjugate one, and a ramp: an odd axis is inverted about n // 2 = (n − 1) / 2
    a, b, c = (float(n % 2) for n in obj.shape)
    waves = (straight, np.conj(straight) * _ramp(obj.shape, (-a, -b, -c)))
    found = [_best_shift(wave * np.conj(other)) for other in waves]
    hand = abs(found[1][0]) > abs(found[0][0])
    product, shift = found[hand]
    laid = scipy.fft.ifftn(waves[hand] * _ramp(obj.shape, shift)) * np.complex64(
        product / abs(product) if product else 1
    )
    return Aligned(laid.astype(np.complex64), min(1.0, abs(product) / norm), hand, shift)


def overlap(a: Complex, b: Complex) -> float:
    """Complex overlap |⟨a, b⟩| / (‖a‖‖b‖) over the full box after hand, sub-voxel shift and one constant phase."""
    return aligned(a, b).overlap


def _best_shift(cross: Wave) -> tuple[complex, Shift]:
    """The shift s that maximises |Σ_k cross_k exp(2πi k·s/n)| / N, and that sum (the product ⟨b moved, a⟩)."""
    correlation = scipy.fft.ifftn(cross)
    peak = np.unravel_index(int(np.abs(correlation).argmax()), cross.shape)
    centre = [float(p if p <= n // 2 else p - n) for p, n in zip(peak, cross.shape, strict=True)]
    value = complex(correlation[peak])
    for step in (0.2, 0.04, 0.01):
        offsets = step * np.arange(-5, 6)
        values = cross
        for axis, n in enumerate(cross.shape):
            frequency = np.round(scipy.fft.fftfreq(n) * n)
            kernel = np.exp(2j * np.pi / n * np.outer(frequency, centre[axis] + offsets)).astype(np.complex64)
            # each contraction puts the new axis last: after three they stand in order again
            values = np.tensordot(values, kernel, axes=(0, 0))
        place = np.unravel_index(int(np.abs(values).argmax()), values.shape)
        value = complex(values[place]) / cross.size
        centre = [c + float(offsets[p]) for c, p in zip(centre, place, strict=True)]
    return value, (centre[0], centre[1], centre[2])


def _ramp(shape: tuple[int, ...], shift: Shift) -> Wave:
    factors = [
        np.exp(-2j * np.pi * scipy.fft.fftfreq(n) * s).astype(np.complex64) for n, s in zip(shape, shift, strict=True)
    ]
    ramp: Wave = factors[0][:, None, None] * factors[1][None, :, None] * factors[2][None, None, :]
    return ramp
