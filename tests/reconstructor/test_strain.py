"""Displacement and strain from phases, without unwrapping."""

from __future__ import annotations

import numpy as np

from reconstructor.strain import displacement_a, strain, vortices

Q = np.array([1.2, -0.3, 0.5])
"""(x, y, z), 1/Å"""
VOXEL_NM = 8.0
SIDE = 20


def grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (z, y, x) in nm from the middle."""
    z, y, x = np.meshgrid(*[(np.arange(SIDE) - SIDE // 2) * VOXEL_NM] * 3, indexing="ij")
    return z, y, x


def test_displacement_is_minus_the_phase_over_q() -> None:
    """u = −phase/|Q| in Å inside the support, NaN outside."""
    obj = np.full((3, 3, 3), np.exp(0.7j), np.complex64)
    support = np.zeros((3, 3, 3), np.bool_)
    support[1] = True
    u = displacement_a(obj, support, 2.0)
    assert np.allclose(u[1], -0.35)
    assert np.isnan(u[[0, 2]]).all()


def test_a_quadratic_displacement_gives_its_linear_strain_through_phase_wraps() -> None:
    """u_Q = κ x_Q²/2 gives ε = κ x_Q to 1e-5, also where the phase wraps many times."""
    z, y, x = grid()
    along = (Q[2] * z + Q[1] * y + Q[0] * x) / np.linalg.norm(Q)
    kappa = 2e-4
    obj = np.exp(-1j * np.linalg.norm(Q) * 10 * kappa / 2 * along**2).astype(np.complex64)
    support = np.linalg.norm(grid(), axis=0) < 60
    found = strain(obj, support, Q, VOXEL_NM)
    edge = np.linalg.norm(grid(), axis=0) < 50
    assert np.abs(found[edge] - kappa * along[edge]).max() < 1e-5
    assert np.abs(np.angle(obj)[support]).max() > 3.0
    assert np.isnan(found[~support]).all()


def test_strain_keeps_its_sign_in_the_twin() -> None:
    """Under inversion and conjugation ε(r) becomes ε(−r)."""
    z, _, x = grid()
    obj = np.exp(-1j * (1e-4 * x**2 + 2e-6 * x**3 + 1e-5 * z * x)).astype(np.complex64)
    support = (np.abs(x) < 50) & (np.abs(z) < 60)
    flip = (slice(1, None),) * 3
    turned = np.conj(obj[flip][::-1, ::-1, ::-1])
    one = strain(obj[flip], support[flip], Q, VOXEL_NM)
    other = strain(turned, support[flip][::-1, ::-1, ::-1], Q, VOXEL_NM)
    assert np.allclose(one, other[::-1, ::-1, ::-1], atol=1e-7, equal_nan=True)


def test_a_vortex_is_marked_and_its_strain_undefined() -> None:
    """Round a screw dislocation's line, and only there, strain is NaN; a smooth phase has no vortex."""
    z, y, x = grid()
    line = np.hypot(y - 4, x - 4)
    obj = np.exp(1j * np.arctan2(y - 4, x - 4)).astype(np.complex64)
    support = np.linalg.norm(grid(), axis=0) < 60
    marked = vortices(obj, support)
    assert marked.any()
    assert line[marked].max() < VOXEL_NM
    assert np.isnan(strain(obj, support, Q, VOXEL_NM)[marked]).all()
    assert not vortices(np.exp(0.02j * (x + y * z / 50)).astype(np.complex64), support).any()


def test_a_voxel_without_neighbour_along_q_has_no_strain() -> None:
    """Where an axis that counts has no neighbour inside the support the strain is not invented."""
    support = np.zeros((5, 5, 5), np.bool_)
    support[2, 2, :] = True
    obj = np.ones((5, 5, 5), np.complex64)
    assert np.isnan(strain(obj, support, Q, VOXEL_NM)).all()
    assert np.allclose(strain(obj, support, np.array([1.3, 0.0, 0.0]), VOXEL_NM)[2, 2], 0)
