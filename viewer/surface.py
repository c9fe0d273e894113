"""Density -> the crystal's surface as a triangle mesh in nm, coloured by a field sampled at its vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

COARSEST_STEP = 8
"""Voxels; a crystal that needs a coarser mesh than this to stay within the face limit keeps it."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed triangle mesh around the crystal; compared by identity."""

    vertices_nm: NDArray[np.float32]
    """(vertex, 3): (z, y, x) in nm from the centre of mass of the support."""
    faces: NDArray[np.int32]
    """(face, 3): indices into `vertices_nm`, counter-clockwise seen from outside in the frame (x, y, z)."""
    values: NDArray[np.float32]
    """(vertex,): the sampled field, finite everywhere."""


def build_surface(
    density: NDArray[np.float32],
    field: NDArray[np.float32],
    *,
    level: float,
    voxel_nm: tuple[float, float, float],
    origin_nm: tuple[float, float, float],
    step: int = 1,
    maximum_faces: int = 100_000,
) -> Surface | None:
    """Return the isosurface density = `level`, or None where the density does not cross it.

    `density` and `field` are (z, y, x); `field` is NaN outside the crystal. `step` is the edge of a mesh cell in
    voxels; it is raised until the mesh has no more than `maximum_faces`.
    """
    cropped = _crop(density, level)
    if cropped is None:
        return None
    block, corner = cropped
    for cell in range(step, COARSEST_STEP + 1):
        mesh = _march(block, level, cell)
        if mesh is None or len(mesh[1]) <= maximum_faces:
            break
    if mesh is None:
        return None
    vertices, faces = mesh
    place = vertices + np.asarray(corner, np.float32)
    vertices_nm = place * np.asarray(voxel_nm, np.float32) + np.asarray(origin_nm, np.float32)
    return Surface(vertices_nm.astype(np.float32), faces, sample_inside(field, place))


def _crop(density: NDArray[np.float32], level: float) -> tuple[NDArray[np.float32], tuple[int, int, int]] | None:
    """Cut out what reaches `level`, a border of one zero voxel around it, and the index of the cut's corner."""
    inside = density >= level
    if not inside.any():
        return None
    spans = []
    for axis in range(3):
        along = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        spans.append((int(along[0]), int(along[-1]) + 1))
    # One measured voxel around it, so that the surface lies where the density falls, then zeros that close it.
    low = [max(start - 1, 0) for start, _ in spans]
    high = [min(stop + 1, size) for (_, stop), size in zip(spans, density.shape, strict=True)]
    block = np.pad(density[low[0] : high[0], low[1] : high[1], low[2] : high[2]], 1)
    return block, (low[0] - 1, low[1] - 1, low[2] - 1)


def _march(block: NDArray[np.float32], level: float, step: int) -> tuple[NDArray[np.float32], NDArray[np.int32]] | None:
    # Marching in steps stops at the last whole step: zeros up to the next one keep the mesh closed.
    extra = [(0, -(size - 1) % step) for size in block.shape]
    block = np.pad(block, extra)
    coarse = block[::step, ::step, ::step]
    if not (coarse.min() < level < coarse.max()):
        return None
    mesh = marching_cubes(block, level, step_size=step, gradient_direction="descent")  # type: ignore[no-untyped-call]
    vertices, faces = mesh[:2]
    return vertices.astype(np.float32), faces.astype(np.int32)


def sample_inside(field: NDArray[np.float32], place: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate `field` (z, y, x) at the voxel coordinates `place` (point, 3) from its finite voxels only.

    Trilinear with the weights of the finite neighbours; a point without one takes the value of the nearest
    point that has one; all 0 if there is none at all.
    """
    known = np.isfinite(field)
    at = place.T.astype(np.float64)
    weight = map_coordinates(known.astype(np.float32), at, order=1, mode="constant", prefilter=False)
    summed = map_coordinates(
        np.where(known, field, 0).astype(np.float32), at, order=1, mode="constant", prefilter=False
    )
    near = weight > 1e-3
    values = np.zeros(len(place), np.float32)
    values[near] = summed[near] / weight[near]
    if near.any() and not near.all():
        _, nearest = cKDTree(place[near]).query(place[~near])
        values[~near] = values[near][nearest]
    return values
