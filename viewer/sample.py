"""A made-up crystal, to see and test the viewer without a beamline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from contract.messages import Crystal, Hold, Quality, Scan, Volume

Q_INV_A = (1.8766, 0.6, 1.8766)
"""(x, y, z); |Q| = 2.7210 1/Å."""
FACETS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1))
FACET_DISTANCE = (0.80, 0.66, 0.72, 0.94, 0.88, 0.97, 0.91)
"""Of ± each facet from the centre, in half widths of the box."""


def sample_volume(
    *, size: int = 64, voxel_nm: float = 8.0, swelling: float = 1.0, provisional: bool = False, seed: int = 0
) -> Volume:
    """Make a facetted crystal with a smooth displacement and an inclusion; `swelling` scales the displacement.

    A provisional one is blurred and noisy, as from an unfinished curve.
    """
    axis = (np.arange(size) - (size - 1) / 2) / (size / 2)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = np.ones(z.shape, bool)
    for (a, b, c), distance in zip(FACETS, FACET_DISTANCE, strict=True):
        inside &= np.abs(a * z + b * y + c * x) / np.sqrt(a * a + b * b + c * c) < distance
    inside &= z + 0.6 * y - 0.35 * x < 0.82  # one corner is off, so that mirror images can be told apart
    field = 0.22 * (x * x - 0.5 * y) + 0.16 * z * y + 0.30 * np.exp(-(((z - 0.1) ** 2 + y**2 + (x - 0.3) ** 2) / 0.05))
    density = gaussian_filter(inside.astype(np.float32), 1.6 if provisional else 0.9)
    displacement = swelling * (field - field[inside].mean())
    if provisional:
        rng = np.random.default_rng(seed)
        displacement = displacement + gaussian_filter(rng.normal(0, 0.6, z.shape), 2.5)
        density = density * (1 + gaussian_filter(rng.normal(0, 1.0, z.shape), 2.0))
    return _publishable(density / density.max(), displacement, inside, voxel_nm, provisional)


def _publishable(
    density: NDArray[np.floating],
    displacement: NDArray[np.floating],
    inside: NDArray[np.bool_],
    voxel_nm: float,
    provisional: bool,
) -> Volume:
    strain = np.gradient(displacement, voxel_nm * 10.0, axis=2)
    cut, origin_nm = _around(inside, voxel_nm)
    density, displacement, strain, inside = density[cut], displacement[cut], strain[cut], inside[cut]
    outside = np.float32(np.nan)
    return Volume(
        scan=Scan("sample"),
        stage="provisional" if provisional else "refined",
        revision=1 if provisional else 5,
        crystal=Crystal("sample"),
        hold=Hold("sample-4.100V"),
        voltage_v=4.1,
        frames_used=61 if provisional else 201,
        frames_expected=201,
        completion=None if provisional else "complete",
        recipe="none: made up",
        recipe_sha256="",
        seeds=(0,),
        runs=1 if provisional else 5,
        iterations=120 if provisional else 600,
        quality=Quality(
            r_factor=0.168 if provisional else 0.0093,
            llk=2.9 if provisional else 1.06,
            free_llk=3.4 if provisional else 1.21,
            mean_to_max=0.61 if provisional else 0.78,
            support_voxels=int(inside.sum()),
        ),
        q_inv_a=Q_INV_A,
        q_norm_inv_a=float(np.linalg.norm(Q_INV_A)),
        crystal_volume_um3=float(inside.sum()) * (voxel_nm * 1e-3) ** 3,
        isosurface=0.5,
        voxel_nm=(voxel_nm,) * 3,
        origin_nm=origin_nm,
        assumptions=("This crystal is made up.",),
        density=density.astype(np.float32),
        displacement_a=np.where(inside, displacement, outside).astype(np.float32),
        strain=np.where(inside, strain, outside).astype(np.float32),
        support=inside.astype(np.uint8),
    )


def _around(inside: NDArray[np.bool_], voxel_nm: float) -> tuple[tuple[slice, ...], tuple[float, float, float]]:
    """The box of the support with a border of two voxels, and where its corner is from the centre of mass."""
    where = np.argwhere(inside)
    low = np.maximum(where.min(axis=0) - 2, 0)
    high = np.minimum(where.max(axis=0) + 3, inside.shape)
    z, y, x = (low - where.mean(axis=0)) * voxel_nm
    return tuple(slice(start, stop) for start, stop in zip(low, high, strict=True)), (float(z), float(y), float(x))
