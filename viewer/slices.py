"""Three orthogonal slices through a volume near the crystal's centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Plane = Literal["xy", "xz", "zy"]

_AXIS = {"z": 0, "y": 1, "x": 2}
PLANES: tuple[Plane, ...] = ("xy", "xz", "zy")


@dataclass(frozen=True, eq=False)
class Slice:
    """A plane of the laboratory frame: the first letter of `plane` runs to the right, the second upwards.

    "xy" looks along the beam axis, "xz" along the vertical, "zy" from the side. The images are (up, right).
    """

    plane: Plane
    at_nm: float
    """Where the plane cuts the third axis, from the centre of mass of the support."""
    rectangle_nm: tuple[float, float, float, float]
    """Left, bottom, width, height of the image: edges of voxels, not their centres."""
    density: NDArray[np.float32]
    displacement_a: NDArray[np.float32]
    """NaN outside the crystal."""
    strain: NDArray[np.float32]
    """NaN outside the crystal."""


def central_slices(
    density: NDArray[np.float32],
    displacement_a: NDArray[np.float32],
    strain: NDArray[np.float32],
    voxel_nm: tuple[float, float, float],
    origin_nm: tuple[float, float, float],
) -> tuple[Slice, ...]:
    """Cut (z, y, x) volumes through the centre of mass of the support, one slice for each of `PLANES`."""
    return tuple(_cut(plane, (density, displacement_a, strain), voxel_nm, origin_nm) for plane in PLANES)


def _cut(
    plane: Plane,
    fields: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
    voxel_nm: tuple[float, float, float],
    origin_nm: tuple[float, float, float],
) -> Slice:
    right, up = _AXIS[plane[0]], _AXIS[plane[1]]
    across = 3 - right - up
    shape = fields[0].shape
    index = int(np.clip(round(-origin_nm[across] / voxel_nm[across]), 0, shape[across] - 1))
    images = []
    for field in fields:
        image = np.take(field, index, axis=across)
        images.append(np.ascontiguousarray(image if up < right else image.T, dtype=np.float32))
    return Slice(
        plane=plane,
        at_nm=origin_nm[across] + index * voxel_nm[across],
        rectangle_nm=(
            origin_nm[right] - voxel_nm[right] / 2,
            origin_nm[up] - voxel_nm[up] / 2,
            shape[right] * voxel_nm[right],
            shape[up] * voxel_nm[up],
        ),
        density=images[0],
        displacement_a=images[1],
        strain=images[2],
    )
