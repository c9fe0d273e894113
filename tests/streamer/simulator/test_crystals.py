"""Shape and displacement fields of `streamer.simulator.crystals`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from streamer.simulator.crystals import (
    CrystalState,
    Polyhedron,
    ScrewDislocation,
    SecondDomain,
    StrainGradient,
    extents_nm,
    inside,
    sample,
    screw,
    vertices_nm,
)

WEDGE = Polyhedron(
    normals=((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (0.6, 0.8, 0)),
    distances_nm=(60.0, 50.0, 40.0, 45.0, 30.0, 35.0, 50.0),
)


def grid(half_nm: float, step_nm: float) -> np.ndarray:
    axis = np.arange(-half_nm, half_nm + step_nm / 2, step_nm)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)


def state(**changes: object) -> CrystalState:
    return CrystalState(crystal="IV", voltage_v=4.1, shape=WEDGE, q_inv_a=(1.3, 0.0, 0.0), **changes)  # type: ignore[arg-type]


def test_density_fills_the_polyhedron() -> None:
    """The summed density is the volume of the convex hull of the corners, and it is 0 outside, 1 deep inside."""
    points = grid(70.0, 2.0)
    density = inside(WEDGE, points)
    assert density.sum() * 8.0 == pytest.approx(ConvexHull(vertices_nm(WEDGE)).volume, rel=0.02)
    assert inside(WEDGE, np.array([0.0, 0.0, 0.0])) == 1.0
    assert inside(WEDGE, np.array([62.0, 0.0, 0.0])) == 0.0
    assert inside(WEDGE, np.array([50.0, 35.0, 0.0])) == 0.0


def test_extents_are_those_of_the_corners() -> None:
    """The wedge is 110 × 85 × 65 nm."""
    np.testing.assert_allclose(extents_nm(WEDGE), [110.0, 85.0, 65.0])


def test_facets_that_close_nothing_are_refused() -> None:
    """Three facets alone are not a crystal."""
    with pytest.raises(ValueError, match="3 facets meet in 1 corners"):
        vertices_nm(Polyhedron(normals=((1, 0, 0), (0, 1, 0), (0, 0, 1)), distances_nm=(1, 1, 1)))


def test_strain_gradient_is_kappa() -> None:
    """The displacement of a strain gradient has the strain κx along Q, with κ in 1/nm and displacement in Å."""
    line = np.stack([np.linspace(-40, 40, 81), np.zeros(81), np.zeros(81)], -1)
    displacement_nm = 0.1 * sample(state(gradient=StrainGradient(kappa_inv_nm=2e-6)), line).displacement_a
    np.testing.assert_allclose(np.gradient(displacement_nm, 1.0)[1:-1], 2e-6 * line[1:-1, 0], atol=1e-9)


def test_screw_dislocation_turns_by_its_burgers_vector() -> None:
    """Right-handed round the line the displacement grows by b, round the image it falls by b, elsewhere it returns."""
    dislocation = ScrewDislocation(through_nm=(0, 0, 0), line=(1, 0, 0), burgers_a=4.73, image_nm=(0, 30.0, 0))
    angle = np.linspace(0, 2 * np.pi, 200)
    for centre, turns in ((0.0, 1.0), (30.0, -1.0), (-40.0, 0.0)):
        loop = np.stack([0 * angle, centre + 5 * np.cos(angle), 5 * np.sin(angle)], -1)
        steps = np.diff(screw(dislocation, loop))
        wrapped = (steps + 4.73 / 2) % 4.73 - 4.73 / 2
        assert wrapped.sum() == pytest.approx(4.73 * turns, abs=1e-9)


def test_second_domain_is_turned_against_the_first() -> None:
    """Across the gap density drops, and the two sides' displacement gradients differ by the tilt."""
    domain = SecondDomain(
        normal=(0, 1, 0), offset_nm=0.0, gap_nm=10.0, gap_density=0.3, tilt_deg=(0, 0, 0.1), shift_a=0.5
    )
    fields = sample(
        state(second_domain=domain), np.array([[0.0, 0, 0], [0, -30.0, 0], [0, -20.0, 0], [0, 20.0, 0], [0, 30.0, 0]])
    )
    assert fields.density[0] == pytest.approx(0.3)
    assert fields.density[1] == 1.0
    before = (fields.displacement_a[2] - fields.displacement_a[1]) / 100.0  # Å per Å
    after = (fields.displacement_a[4] - fields.displacement_a[3]) / 100.0
    assert after - before == pytest.approx(-np.deg2rad(0.1))
