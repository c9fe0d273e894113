"""q of pixels and frames against numbers that two other programs agree on, and against xrayutilities."""

from __future__ import annotations

import numpy as np
import pytest
import xrayutilities

from contract.messages import Geometry
from streamer.simulator.geometries import aps_34idc, i13_1, i13_1_angles_deg
from streamer.simulator.reciprocal import reciprocal_steps, scattering_vectors

SCAN_54 = aps_34idc(
    energy_kev=9.0,
    distance_mm=500.0,
    pixel_um=55.0,
    theta_deg=0.2077,
    chi_deg=90.0,
    phi_deg=-5.0,
    delta_deg=32.174,
    gamma_deg=12.6346,
)


def test_i13_1_steps_are_those_of_the_experiment() -> None:
    """A pixel is 1.0572e-4 and a rocking step 1.1585e-4 Å⁻¹, and |Q| of (003) is 1.327 Å⁻¹."""
    steps = reciprocal_steps(i13_1(256, 256), i13_1_angles_deg(201), (100, 127.5, 127.5), 6.84)
    frame, row, column = np.linalg.norm(steps.steps, axis=1)
    assert row == pytest.approx(1.0572e-4, rel=5e-3)
    assert column == pytest.approx(1.0572e-4, rel=5e-3)
    assert frame == pytest.approx(1.1585e-4, rel=5e-3)
    assert np.linalg.norm(steps.origin) == pytest.approx(1.327, abs=1.5e-3)
    binned = reciprocal_steps(i13_1(64, 64, 4), i13_1_angles_deg(201), (100, 31.5, 31.5), 6.84)
    np.testing.assert_allclose(binned.steps[1:], 4 * steps.steps[1:], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(binned.origin, steps.origin, rtol=1e-12)


def test_i13_1_columns_grow_with_two_theta_and_rows_along_the_ring() -> None:
    """Across the detector |Q| grows with the column and, at the peak, not with the row."""
    steps = reciprocal_steps(i13_1(64, 64, 4), i13_1_angles_deg(201), (100, 31.5, 31.5), 6.84)
    along_q = steps.steps @ steps.origin / np.linalg.norm(steps.origin)
    assert along_q[2] > 0.99 * np.linalg.norm(steps.steps[2])
    assert abs(along_q[1]) < 1e-9
    assert steps.steps[1] @ np.array([0, 1, 0]) < 0


def test_scan_54_steps_are_those_two_programs_agree_on() -> None:
    """Column, row and frame steps at the measured peak are the published vectors within 0.5 %, |Q| is 2.654 Å⁻¹."""
    angles = np.linspace(-0.28, 0.72, 201)
    steps = reciprocal_steps(SCAN_54, angles, ((0.2077 + 0.28) / 0.005, 126.74, 127.54), 0.2077)
    assert np.linalg.norm(steps.origin) == pytest.approx(2.654, abs=2e-3)
    wanted = np.array(
        [[0.000673, 0.0, 0.002012], [0.000622, -0.004877, 0.000990], [0.004283, 0.000017, -0.002610]]
    )  # 1/nm
    difference = np.linalg.norm(10 * steps.steps - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    assert difference.max() < 5e-3


@pytest.mark.parametrize("geometry", [SCAN_54, i13_1(64, 48, 4)], ids=lambda g: g.instrument)
def test_q_equals_xrayutilities(geometry: Geometry) -> None:
    """Every pixel of three frames has the q that xrayutilities finds from the same geometry."""
    rocking = geometry.sample_angles_deg[geometry.rocking_axis]
    rows, columns = 12, 9
    conversion = xrayutilities.QConversion(
        geometry.sample_axes, geometry.detector_axes, r_i=(0, 0, 1), en=geometry.energy_kev * 1e3
    )
    conversion.init_area(
        *geometry.pixel_directions,
        cch1=geometry.beam_centre_px[0],
        cch2=geometry.beam_centre_px[1],
        Nch1=rows,
        Nch2=columns,
        distance=geometry.distance_mm,
        pwidth1=geometry.pixel_um[0] * 1e-3,
        pwidth2=geometry.pixel_um[1] * 1e-3,
    )
    for angle in (rocking - 0.5, rocking, rocking + 0.3):
        sample = list(geometry.sample_angles_deg)
        sample[geometry.rocking_axis] = angle
        theirs = np.stack(conversion.area(*sample, *geometry.detector_angles_deg, deg=True), -1)
        ours = scattering_vectors(
            geometry, np.array(angle), np.arange(rows)[:, None], np.arange(columns)[None, :], angle
        )
        sample_frame_norms = np.linalg.norm(theirs, axis=-1)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=-1), sample_frame_norms, rtol=1e-9)
        assert_same_up_to_one_rotation(ours, theirs)


def assert_same_up_to_one_rotation(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Two sets of vectors with the same mutual scalar and triple products differ by a proper rotation alone."""
    a, b = ours.reshape(-1, 3), theirs.reshape(-1, 3)
    np.testing.assert_allclose(a @ a.T, b @ b.T, rtol=1e-9)
    picked = [0, len(a) // 2, len(a) - 1]
    assert np.linalg.det(a[picked]) == pytest.approx(np.linalg.det(b[picked]), rel=1e-4)


def test_rocking_moves_q_as_minus_rotation_cross_q() -> None:
    """A rocking step turns q, seen from the crystal, by −Δθ n × Q."""
    steps = reciprocal_steps(i13_1(64, 64), i13_1_angles_deg(201), (100, 31.5, 31.5), 6.84)
    expected = -np.deg2rad(0.005) * np.cross([0, 1, 0], steps.origin)
    np.testing.assert_allclose(steps.steps[0], expected, atol=1e-9)
