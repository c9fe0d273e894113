"""Partial coherence: the measured intensity is |Fρ|² convolved with a narrow point-spread function in reciprocal space.

The function is found with the object: where the search has come far enough, Richardson–Lucy updates alternate with
the iterations (Clark, Huang, Harder & Robinson 2012, Nat. Commun. 3, 993), from a narrow pseudo-Voigt on. It is kept
as a small block (2·reach + 1 voxels a side, origin in the middle, ≥ 0, sum 1), in reciprocal voxels.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reconstructor.phasing.problem import PhasingError, Problem, Real

Spectrum = NDArray[np.complex128]
"""Of a real volume, origin first: the half that `rfftn` gives."""
Wide = NDArray[np.float64]

FWHM_VOXELS = 1.0
MIXING = 0.2
"""Of the Lorentzian. From here the updates come to Gaussians of σ 0.5 to 0.7 voxels in half as many iterations as from
half the width."""
_LEAST = 1e-6
"""Share of the mean intensity below which a model is not divided by."""
_MIDDLE = 0.5
"""Central share of the window, along each axis, that updates look at: there the fringes have their counts."""


def pseudo_voigt(reach: int, fwhm_voxels: float = FWHM_VOXELS, mixing: float = MIXING) -> Real:
    """(1 − mixing) · Gaussian + mixing · Lorentzian of the same width: the beginning, positive everywhere."""
    x = np.arange(-reach, reach + 1) / (fwhm_voxels / 2)
    square = x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2
    return _normal((1 - mixing) * np.exp2(-square) + mixing / (1 + square))


def transfer(psf: Real, shape: tuple[int, ...]) -> Spectrum:
    """Spectrum of the psf in a volume of this shape. Raises PhasingError when the block is no psf for it."""
    sizes = psf.shape
    if psf.ndim != 3 or any(n % 2 == 0 or n > most for n, most in zip(sizes, shape, strict=True)):
        raise PhasingError(f"the psf has shape {sizes}; wanted three odd sizes up to {shape}")
    total, least = float(psf.sum(dtype=np.float64)), float(psf.min())
    if not (abs(total - 1) < 1e-3 and least >= 0):
        raise PhasingError(f"the psf has the sum {total:g} and the minimum {least:g}; wanted 1, and no less than 0")
    full = np.zeros(shape, np.float64)
    full[tuple(slice(0, n) for n in sizes)] = psf
    # the block's middle becomes the origin
    moved = np.roll(full, [-(n // 2) for n in sizes], axis=(0, 1, 2))
    out: Spectrum = scipy.fft.rfftn(moved)
    return out


def convolved(values: Real, spectrum: Spectrum) -> Wide:
    """Cyclic convolution, in double precision: next to a Bragg peak of a million counts single precision would leave
    a tenth of a count of noise in every voxel."""
    out: Wide = scipy.fft.irfftn(scipy.fft.rfftn(values.astype(np.float64)) * spectrum, values.shape)
    return out


def blurred(intensity: Real, spectrum: Spectrum) -> Real:
    """An intensity, origin first or not, convolved with the psf; ≥ 0."""
    out: Real = np.maximum(convolved(intensity, spectrum), 0).astype(np.float32)
    return out


def updated(psf: Real, intensity: Real, problem: Problem, iterations: int) -> Real:
    """The psf after so many Richardson–Lucy iterations, for the fully coherent `intensity` |Fρ|² (natural order).

    Each is the step of expectation maximisation for Poisson counts n in known voxels, of mean r · (I ⊛ psf + b):

        psf_j ← psf_j · Σ_i I_{i−j} n_i / (I ⊛ psf + b)_i / Σ_i I_{i−j} r_i        then scaled to sum 1

    so the likelihood never falls but for that last scaling. Only the middle of the window is looked at. The intensity
    may have any scale. Raises PhasingError when it has nothing there, or is not finite.
    """
    reach = tuple(n // 2 for n in psf.shape)
    box = _middle(problem.shape, reach)
    light, counts, response = intensity[box].astype(np.float64), *_weights(problem, box, reach)
    found, made = float(counts.sum()), float((response * light).sum())
    above = found - problem.background * float(response.sum())
    if not (np.isfinite(made) and made > 0 and above > 0):
        raise PhasingError(
            f"the object has the intensity {made} and the data {above:g} counts above background in the middle of "
            "the window; wanted finite numbers above 0 to find the coherence from"
        )
    light *= above / made
    floor = problem.background + _LEAST * float(light.mean())
    spectrum = scipy.fft.rfftn(light)
    norm = _correlation(spectrum, response, reach)
    for _ in range(iterations):
        model = np.maximum(scipy.fft.irfftn(spectrum * transfer(psf, light.shape), light.shape), 0) + floor
        psf = _normal(psf * np.maximum(_correlation(spectrum, counts / model, reach), 0) / norm)
    return psf


def _middle(shape: tuple[int, ...], reach: tuple[int, ...]) -> tuple[slice, ...]:
    """The central box; its outermost `reach` voxels only lend their light to the others."""
    box: list[slice] = []
    for axis, r in enumerate(reach):
        n = shape[axis]
        m = min(n, max(16, int(n * _MIDDLE)) + 2 * r)
        box.append(slice(n // 2 - m // 2, n // 2 - m // 2 + m))
    return tuple(box)


def _weights(problem: Problem, box: tuple[slice, ...], reach: tuple[int, ...]) -> tuple[Wide, Wide]:
    """Counts and response of the known voxels of the box that lie `reach` inside it, 0 elsewhere."""
    known = np.zeros(problem.known[box].shape, np.bool_)
    inner = tuple(slice(r, known.shape[axis] - r) for axis, r in enumerate(reach))
    known[inner] = problem.known[box][inner]
    response = np.float32(1) if problem.response is None else problem.response[box]
    return np.where(known, problem.counts[box], 0).astype(np.float64), np.where(known, response, 0).astype(np.float64)


def _correlation(spectrum: Spectrum, values: Wide, reach: tuple[int, ...]) -> Wide:
    """Σ_i I_{i−j} values_i for the offsets j of the block."""
    full: Wide = scipy.fft.irfftn(np.conj(spectrum) * scipy.fft.rfftn(values), values.shape)
    return full[np.ix_(*(np.arange(-r, r + 1) for r in reach))]


def _normal(psf: NDArray[np.floating]) -> Real:
    total = psf.sum(dtype=np.float64)
    if not (np.isfinite(total) and total > 0):
        raise PhasingError(f"the psf has the sum {total}; wanted a finite number above 0")
    out: Real = (psf / total).astype(np.float32)
    return out
