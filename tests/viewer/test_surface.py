"""The mesh lies where the density falls, is closed, faces outwards, and carries the field."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from viewer.surface import Surface, build_surface, sample_inside

VOXEL_NM = (2.0, 3.0, 5.0)
CENTRE = (14.0, 11.0, 8.0)
RADII = (10.0, 7.0, 5.0)


def ellipsoid() -> NDArray[np.float32]:
    """1 in the centre, 0.5 on an ellipsoid with `RADII` voxels about `CENTRE`, (z, y, x)."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in (30, 22, 18)), indexing="ij")
    reach = np.sqrt(sum(((a - c) / r) ** 2 for a, c, r in zip((z, y, x), CENTRE, RADII, strict=True)))
    return np.clip(1.5 - reach, 0, 1).astype(np.float32)


def enclosed_nm3(surface: Surface) -> float:
    """Volume by the divergence theorem in the frame (x, y, z): positive if the faces look outwards."""
    corners = surface.vertices_nm[:, ::-1].astype(np.float64)[surface.faces]
    return float(np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


def surface_of(density: NDArray[np.float32], field: NDArray[np.float32], step: int = 1, most: int = 100_000) -> Surface:
    origin = tuple(-c * v for c, v in zip(CENTRE, VOXEL_NM, strict=True))
    made = build_surface(density, field, level=0.5, voxel_nm=VOXEL_NM, origin_nm=origin, step=step, maximum_faces=most)
    assert made is not None
    return made


def open_edges(surface: Surface) -> int:
    edges = np.sort(surface.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    return int((uses != 2).sum())


def test_surface_is_in_nm_about_the_centre() -> None:
    """The mesh reaches each semi-axis of the ellipsoid, in nm, along the right axis."""
    density = ellipsoid()
    made = surface_of(density, np.zeros_like(density))
    assert made.vertices_nm.max(axis=0) == pytest.approx([20, 21, 25], abs=0.4)
    assert made.vertices_nm.min(axis=0) == pytest.approx([-20, -21, -25], abs=0.4)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_faces_look_outwards_and_enclose_the_volume(step: int) -> None:
    """The enclosed volume has the right size and a positive sign in the right-handed frame (x, y, z)."""
    density = ellipsoid()
    made = surface_of(density, np.zeros_like(density), step)
    true = 4 / 3 * np.pi * 20 * 21 * 25
    assert true * (0.97 if step == 1 else 0.8) < enclosed_nm3(made) < true * 1.02
    assert open_edges(made) == 0


def test_a_crystal_that_touches_the_border_is_closed() -> None:
    """Density cropped tight to its support still gives a closed surface."""
    density = np.ones((6, 7, 8), np.float32)
    made = surface_of(density, np.zeros_like(density))
    assert open_edges(made) == 0
    assert enclosed_nm3(made) == pytest.approx(6 * 7 * 8 * 30, rel=0.06)


def test_field_is_sampled_at_the_vertices() -> None:
    """A field linear in position has its value at every vertex, although it is unknown outside the support."""
    density = ellipsoid()
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in density.shape), indexing="ij")
    field = (z - CENTRE[0]) * 2 + (y - CENTRE[1]) * 3 + (x - CENTRE[2]) * 5
    field[density < 0.3] = np.nan
    made = surface_of(density, field)
    assert np.abs(made.values - made.vertices_nm.sum(axis=1)).max() < 8.0
    assert made.values.dtype == made.vertices_nm.dtype == np.float32


def test_face_limit_is_kept() -> None:
    """A mesh with too many triangles is made coarser instead."""
    density = ellipsoid()
    fine = surface_of(density, np.zeros_like(density))
    coarse = surface_of(density, np.zeros_like(density), most=1000)
    assert len(fine.faces) > 1000 >= len(coarse.faces) > 100


def test_no_surface_where_the_level_is_not_reached() -> None:
    """A density below the level everywhere has no surface, and says so."""
    density = np.full((5, 5, 5), 0.2, np.float32)
    given = {"voxel_nm": (1.0, 1.0, 1.0), "origin_nm": (0.0, 0.0, 0.0)}
    assert build_surface(density, density, level=0.5, **given) is None


def test_density_without_any_edge_gives_a_surface_or_none_but_no_error() -> None:
    """A single voxel above the level is a small closed surface."""
    density = np.zeros((5, 5, 5), np.float32)
    density[2, 2, 2] = 1.0
    made = build_surface(density, density, level=0.5, voxel_nm=(1.0, 1.0, 1.0), origin_nm=(0.0, 0.0, 0.0))
    assert made is not None
    assert open_edges(made) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.95))
def test_sampled_values_stay_within_what_is_known(seed: int, unknown: float) -> None:
    """Whatever is unknown, sampled values are finite and within the range of the known voxels."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(6, 5, 7)).astype(np.float32)
    field[rng.random(field.shape) < unknown] = np.nan
    place = rng.uniform(-0.5, 6.5, (50, 3)).astype(np.float32)
    values = sample_inside(field, place)
    known = field[np.isfinite(field)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    assert np.isfinite(values).all()
    assert values.min() >= min(low, 0.0) - 1e-5
    assert values.max() <= max(high, 0.0) + 1e-5
