"""From a phased object to a crystal in the laboratory: density, displacement, strain in physical units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from reconstructor.phasing.problem import Complex, Mask
from reconstructor.strain import Field, displacement_a, strain
from reconstructor.upright import Signature, Upright, sided, upright

LARGEST_VOXELS = 6_000_000
MARGIN = 2
"""Empty voxels left round the support."""
OUTER_SHARE = 0.1
"""Of the bulk's density: about what shrinkwraps take for the edge."""
BULK_FROM = 0.3
"""The bulk's density is looked for above this share of the maximum."""
ISOSURFACE_RANGE = (0.15, 0.6)


@dataclass(frozen=True, eq=False)
class Crystal3:
    """A crystal in the laboratory frame, axes (z, y, x), cropped to its support and a small margin."""

    density: Field
    """Bragg density, 1 at its maximum."""
    displacement_a: Field
    """NaN outside the isosurface or the support: in the blurred fringe of the support the phase means nothing."""
    strain: Field
    """NaN where the displacement is, and from voxels inside alone."""
    support: NDArray[np.uint8]
    voxel_nm: float
    origin_nm: tuple[float, float, float]
    """Place of voxel (0, 0, 0) from the centre of mass of the support, (z, y, x)."""
    isosurface: float
    outer_volume_um3: float
    """Where the density exceeds a tenth of the crystal's: the outer bound, blurred faces counted in full."""
    isosurface_volume_um3: float
    """Inside the isosurface: a homogeneous crystal's volume, whatever blurs its faces."""
    twinned: bool
    signature: Signature
    likeness: float
    """How surely its hand is that of `like`, 0 to 1; 0 without one."""


def crystal(
    obj: Complex,
    support: Mask,
    steps_nm: NDArray[np.float64],
    q_inv_a: NDArray[np.float64],
    like: Signature | None = None,
) -> Crystal3:
    """The crystal an object stands for.

    `obj` (rocking, row, column) in natural order, `steps_nm` the direct steps of its voxels (rows A, B, C), `q_inv_a`
    = (x, y, z) at the voxel n // 2 of the data; `like` the signature of an earlier volume whose hand is kept.
    """
    if not support.any():
        raise ValueError("the support is empty: there is no crystal to show")
    settled = upright(obj, support, steps_nm, like)
    voxel_nm = _voxel(settled, steps_nm)
    placed = _placed(settled, steps_nm, voxel_nm)
    inside = placed.support
    size = np.abs(placed.obj).astype(np.float32)
    density = size / np.float32(max(float(size.max(initial=0.0, where=inside)), 1e-30))
    np.minimum(density, 1, out=density)
    level = isosurface(density, inside)
    solid = inside & (density >= level)
    return Crystal3(
        density=density,
        displacement_a=displacement_a(placed.obj, solid, float(np.linalg.norm(q_inv_a))),
        strain=strain(placed.obj, solid, q_inv_a, voxel_nm),
        support=inside.astype(np.uint8),
        voxel_nm=voxel_nm,
        origin_nm=placed.origin_nm,
        isosurface=level,
        outer_volume_um3=_volume_um3(inside & (density >= 2 * OUTER_SHARE * level), voxel_nm),
        isosurface_volume_um3=_volume_um3(solid, voxel_nm),
        twinned=settled.twinned,
        signature=settled.signature,
        likeness=0.0 if like is None else sided(settled.signature, like),
    )


def isosurface(density: Field, support: Mask) -> float:
    """Level that bounds the crystal: half of the bulk's density, where the histogram inside the support has its mode.

    A homogeneous crystal blurred by any symmetric resolution function has half of its density at its faces. Voxels
    count by their density, so that the wide, faint surroundings of a loose support are not taken for the bulk.
    """
    inside = density[support]
    weight, edges = np.histogram(inside, bins=64, range=(0.0, 1.0), weights=inside)
    smooth = ndimage.gaussian_filter1d(weight.astype(float), 3.0)
    middles = (edges[:-1] + edges[1:]) / 2
    bulk = middles[int(np.argmax(np.where(middles >= BULK_FROM, smooth, -1.0)))]
    return float(np.clip(bulk / 2, *ISOSURFACE_RANGE))


def _volume_um3(inside: Mask, voxel_nm: float) -> float:
    return float(np.count_nonzero(inside)) * voxel_nm**3 * 1e-9


def oversampling(support: Mask) -> tuple[float, float, float]:
    """Field of view over the extent of the support, along (rocking, row, column)."""
    extents = []
    for axis, n in enumerate(support.shape):
        along = np.flatnonzero(support.any(axis=tuple(a for a in range(3) if a != axis)))
        extents.append(n / float(along[-1] - along[0] + 1) if along.size else float(n))
    return extents[0], extents[1], extents[2]


@dataclass(frozen=True, eq=False)
class _Placed:
    """The object on an isotropic laboratory grid."""

    obj: Complex
    support: Mask
    origin_nm: tuple[float, float, float]


def _voxel(settled: Upright, steps_nm: NDArray[np.float64]) -> float:
    """The smallest of the direct steps, or more where that many voxels would be of no use to anybody."""
    smallest = float(np.linalg.norm(steps_nm, axis=1).min())
    extent = float(np.prod(2 * _reach(settled, steps_nm)))
    return max(smallest, float(np.cbrt(extent / LARGEST_VOXELS)))


def _reach(settled: Upright, steps_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the support reaches from its centre along (z, y, x), in nm."""
    index = np.stack(np.nonzero(settled.support)).astype(float) - np.asarray(settled.centre)[:, None]
    reach: NDArray[np.float64] = np.abs(steps_nm.T @ index).max(axis=1)[::-1] + np.abs(steps_nm).sum(axis=0)[::-1]
    return reach


def _placed(settled: Upright, steps_nm: NDArray[np.float64], voxel_nm: float) -> _Placed:
    """One interpolation of the complex object; the centre of mass of the support falls on a voxel."""
    half = np.ceil(_reach(settled, steps_nm) / voxel_nm).astype(int) + MARGIN
    to_index = np.linalg.inv(steps_nm.T)[:, ::-1] * voxel_nm
    offset = np.asarray(settled.centre) - to_index @ half
    shape = tuple(int(n) for n in 2 * half + 1)
    obj = ndimage.affine_transform(settled.obj, to_index, offset, shape, order=3, mode="constant", output=np.complex64)
    weight = ndimage.affine_transform(
        settled.support.astype(np.float32), to_index, offset, shape, order=1, mode="constant"
    )
    inside = np.asarray(weight >= 0.5)
    if not inside.any():
        inside[tuple(half)] = True
    box = []
    for axis, n in enumerate(shape):
        along = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(max(0, int(along[0]) - MARGIN), min(n, int(along[-1]) + MARGIN + 1)))
    cut = tuple(box)
    z, y, x = (float((piece.start - h) * voxel_nm) for piece, h in zip(box, half, strict=True))
    return _Placed(obj[cut], inside[cut], (z, y, x))
