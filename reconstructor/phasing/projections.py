"""The two projections every algorithm is made of, in plain NumPy."""

from __future__ import annotations

import numpy as np

from reconstructor.phasing.problem import Complex, Mask, Real


def project_modulus(diffraction: Complex, amplitude: Real) -> Complex:
    """Give every known voxel its measured amplitude and leave its phase; unknown voxels (amplitude < 0) stay.

    A voxel of exactly no amplitude has no phase: it stays zero.
    """
    size = np.abs(diffraction)
    factor = np.divide(amplitude, size, out=np.zeros_like(size), where=size > 0)
    out: Complex = np.where(amplitude >= 0, diffraction * factor, diffraction).astype(diffraction.dtype)
    return out


def project_support(obj: Complex, support: Mask) -> Complex:
    """Zero outside the support."""
    out: Complex = np.where(support, obj, np.complex64(0))
    return out


def misfit_sum(diffraction: Complex, amplitude: Real) -> float:
    """Σ(|F| − A)² over known voxels."""
    difference = np.where(amplitude >= 0, np.abs(diffraction) - amplitude, np.float32(0))
    return float(np.sum(np.square(difference, dtype=np.float64)))
