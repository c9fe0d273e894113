"""Displacement and strain from the phase of a complex volume, without ever unwrapping it.

Laboratory frame, axes (z, y, x), isotropic voxels. With the kernel exp(−i q·r) the phase is −Q·u.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reconstructor.phasing.problem import Complex, Mask

Field = NDArray[np.float32]
NM_PER_ANGSTROM = 0.1


def displacement_a(obj: Complex, support: Mask, q_norm_inv_a: float) -> Field:
    """u_Q = −phase / |Q| in Å, within ± π / |Q|; NaN outside the support."""
    return np.where(support, -np.angle(obj) / q_norm_inv_a, np.nan).astype(np.float32)


def strain(obj: Complex, support: Mask, q_inv_a: NDArray[np.float64], voxel_nm: float) -> Field:
    """∂u_Q/∂x_Q = ∇u_Q · Q̂, dimensionless; `q_inv_a` is (x, y, z).

    Along each axis the gradient is the mean of the one-sided phase differences inside the support, each wrapped to
    (−π, π]. NaN outside the support, where an axis that counts has no neighbour, and on elementary loops that carry
    a vortex: there the phase has no gradient.
    """
    norm = float(np.linalg.norm(q_inv_a))
    along = (q_inv_a / norm)[::-1]
    total = np.zeros(obj.shape)
    for axis, share in enumerate(along):
        if abs(share) > 1e-3:
            total += share * _gradient(obj, support, axis)
    total[~support | vortices(obj, support)] = np.nan
    return (-total / (norm * voxel_nm) * NM_PER_ANGSTROM).astype(np.float32)


def vortices(obj: Complex, support: Mask) -> Mask:
    """Corners of the elementary loops (2 × 2 voxels, all inside the support) round which the phase turns by ± 2π."""
    marked = np.zeros(obj.shape, np.bool_)
    for plane in ((0, 1), (0, 2), (1, 2)):
        corners = [_corner(plane, ends) for ends in ((0, 0), (0, 1), (1, 1), (1, 0))]
        turn = np.zeros(obj[corners[0]].shape)
        whole = np.ones(turn.shape, np.bool_)
        for here, there in zip(corners, corners[1:] + corners[:1], strict=True):
            turn += np.angle(obj[there] * np.conj(obj[here]))
            whole &= support[here]
        found = whole & (np.abs(turn) > np.pi)
        for corner in corners:
            marked[corner] |= found
    return marked


def _corner(plane: tuple[int, int], ends: tuple[int, int]) -> tuple[slice, slice, slice]:
    slices = [slice(None)] * 3
    for axis, end in zip(plane, ends, strict=True):
        slices[axis] = slice(1, None) if end else slice(None, -1)
    return slices[0], slices[1], slices[2]


def _gradient(obj: Complex, support: Mask, axis: int) -> NDArray[np.float64]:
    """Phase change a voxel along an axis, in rad; NaN where the voxel has no neighbour inside the support."""
    low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
    high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
    both = support[low] & support[high]
    step = np.where(both, np.angle(obj[high] * np.conj(obj[low])), 0.0)
    total, count = np.zeros(obj.shape), np.zeros(obj.shape)
    for side in (low, high):
        total[side] += step
        count[side] += both
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(obj.shape, np.nan), where=count > 0)
    return mean
