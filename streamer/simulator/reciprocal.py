"""Where in reciprocal space a pixel of a frame looks: exactly, and to first order as three constant steps.

Vectors are (x, y, z) of the laboratory frame, 1/Å, attached to the crystal as it stands at a reference rocking
angle: S(reference) S(frame)⁻¹ q, with S and q as `contract.messages.Geometry` defines them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.messages import Geometry

Vectors = NDArray[np.float64]
KEV_ANGSTROM = 12.398419843


class ReciprocalSteps(NamedTuple):
    """q ≈ `origin` + (frame − f₀) steps[0] + (row − r₀) steps[1] + (column − c₀) steps[2], with (f₀, r₀, c₀) = `at`."""

    at: tuple[float, float, float]
    origin: Vectors
    steps: Vectors
    """(3, 3): one row an axis (frame, row, column)"""


def wavenumber_inv_a(energy_kev: float) -> float:
    """k = 2π/λ in 1/Å."""
    return 2 * np.pi * energy_kev / KEV_ANGSTROM


def scattering_vectors(
    geometry: Geometry, angle_deg: Vectors, row: Vectors, column: Vectors, reference_deg: float
) -> Vectors:
    """Exact q of rocking angles `angle_deg` and pixel positions `row`, `column` (mutually broadcast): shape (…, 3)."""
    z = np.array([0.0, 0.0, 1.0])
    down, across = (_axis(name) for name in geometry.pixel_directions)
    arm = np.eye(3)
    for name, angle in zip(geometry.detector_axes, geometry.detector_angles_deg, strict=True):
        arm = arm @ _rotation(_axis(name), np.asarray(angle))
    offset_row = (np.asarray(row, float) - geometry.beam_centre_px[0])[..., None] * geometry.pixel_um[0] * 1e-3
    offset_column = (np.asarray(column, float) - geometry.beam_centre_px[1])[..., None] * geometry.pixel_um[1] * 1e-3
    pixel = (geometry.distance_mm * z + offset_row * down + offset_column * across) @ arm.T
    pixel = pixel / np.linalg.norm(pixel, axis=-1, keepdims=True)
    q = wavenumber_inv_a(geometry.energy_kev) * (pixel - z)
    back = _sample(geometry, np.asarray(reference_deg)) @ np.swapaxes(_sample(geometry, np.asarray(angle_deg)), -1, -2)
    turned: Vectors = np.einsum("...ij,...j->...i", back, q)
    return turned


def reciprocal_steps(
    geometry: Geometry, angles_deg: Vectors, at: tuple[float, float, float], reference_deg: float
) -> ReciprocalSteps:
    """First-order model around index `at` = (frame, row, column), fractions allowed, of equally spaced `angles_deg`."""
    step_deg = (angles_deg[-1] - angles_deg[0]) / (len(angles_deg) - 1)

    def q(frame: float, row: float, column: float) -> Vectors:
        angle = np.asarray(angles_deg[0] + frame * step_deg)
        return scattering_vectors(geometry, angle, np.asarray(row), np.asarray(column), reference_deg)

    around = np.array(at)
    steps = [q(*(around + unit / 2)) - q(*(around - unit / 2)) for unit in np.eye(3)]
    return ReciprocalSteps(at, q(*at), np.array(steps))


def later(geometry: Geometry, q: Vectors, angle_deg: float) -> Vectors:
    """The reflection of a crystal that has slipped on its mount: its peak comes `angle_deg` later while it is rocked.

    For a goniometer whose rocking circle is the innermost one.
    """
    slipped: Vectors = _rotation(_axis(geometry.sample_axes[geometry.rocking_axis]), np.asarray(-angle_deg)) @ q
    return slipped


def _axis(name: str) -> Vectors:
    vector = np.zeros(3)
    vector["xyz".index(name[0])] = -1.0 if name[1] == "-" else 1.0
    return vector


def _rotation(axis: Vectors, angle_deg: Vectors) -> Vectors:
    """Right-handed rotation matrices (…, 3, 3) about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.deg2rad(np.asarray(angle_deg, float))[..., None, None]
    rotation: Vectors = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return rotation


def _sample(geometry: Geometry, rocking_deg: Vectors) -> Vectors:
    """S of each rocking angle."""
    turned: Vectors = np.eye(3)
    for circle, (name, angle) in enumerate(zip(geometry.sample_axes, geometry.sample_angles_deg, strict=True)):
        turned = turned @ _rotation(_axis(name), rocking_deg if circle == geometry.rocking_axis else np.asarray(angle))
    return turned
