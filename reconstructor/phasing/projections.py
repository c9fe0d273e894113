"""The two projections every algorithm is made of, and the flip, in plain NumPy."""

from __future__ import annotations

import numpy as np

from reconstructor.phasing.problem import Complex, Mask, Real


def project_modulus(diffraction: Complex, amplitude: Real, size: Real | None = None) -> Complex:
    """Give every known voxel its measured amplitude and leave its phase; unknown voxels (amplitude < 0) stay.

    `size` is what the amplitude is compared with: |F|, or √(|F|² ⊛ psf) under partial coherence. A voxel of exactly
    no size has no phase: it becomes zero.
    """
    size = np.abs(diffraction) if size is None else size
    factor = np.divide(amplitude, size, out=np.zeros_like(size), where=size > 0)
    out: Complex = np.where(amplitude >= 0, diffraction * factor, diffraction).astype(diffraction.dtype)
    return out


def project_support(obj: Complex, support: Mask) -> Complex:
    """Zero outside the support."""
    out: Complex = np.where(support, obj, np.complex64(0))
    return out


def flip(obj: Complex, support: Mask, threshold: float) -> Complex:
    """Change the sign of every voxel below threshold × the RMS amplitude inside the support, wherever it lies.

    Charge flipping (Oszlányi & Sütő 2004, Acta Cryst. A60, 134), for complex objects by their amplitude.
    """
    power = np.square(obj.real) + np.square(obj.imag)
    level = threshold**2 * float(np.mean(power[support], dtype=np.float64))
    out: Complex = np.where(power < np.float32(level), -obj, obj)
    return out


def misfit_sum(diffraction: Complex, amplitude: Real, size: Real | None = None) -> float:
    """Σ(size − A)² over known voxels; the size is |F| unless given."""
    size = np.abs(diffraction) if size is None else size
    difference = np.where(amplitude >= 0, size - amplitude, np.float32(0))
    return float(np.sum(np.square(difference, dtype=np.float64)))
