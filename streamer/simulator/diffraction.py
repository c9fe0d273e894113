"""What a crystal scatters into every pixel of every frame of a rocking scan.

Kinematic, far field: A(q) = Σ density · exp(−i G·u) · exp(−i (q − G)·r) over voxels of the crystal, G the
reflection. The voxels lie on the skewed grid conjugate to the three reciprocal steps, `finer` times finer than a
reconstruction from the same window can resolve, over the crystal alone: so the sum over voxels factors into three
small matrix products, and nothing is periodic. What the steps leave out (rocking is a rotation, a flat detector
cuts the Ewald sphere askew) is a small change of q with pixel and frame; it is put back to first order.

A pixel counts what falls anywhere on it. `points` = 2 samples each pixel's intensity at the 2 × 2 Gauss points of
its area (error of the highest fringe a crystal of half the field of view can make: below 3 %); `points` = 1 takes
its centre alone, as a Fourier transform of the crystal would.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.messages import Geometry
from streamer.simulator.crystals import NM_TO_ANGSTROM, CrystalState, sample, vertices_nm
from streamer.simulator.reciprocal import ReciprocalSteps, reciprocal_steps, scattering_vectors

Amplitude = NDArray[np.complex64]
Intensity = NDArray[np.float32]


class ScanShape(NamedTuple):
    """A rocking scan: its geometry, the angle of each frame (degrees, equally spaced), and the image's shape."""

    geometry: Geometry
    angles_deg: NDArray[np.float64]
    rows: int
    columns: int

    @property
    def window(self) -> tuple[int, int, int]:
        """Numbers of (frames, rows, columns)."""
        return len(self.angles_deg), self.rows, self.columns

    @property
    def middle(self) -> tuple[float, float, float]:
        """Index (frame, row, column) of the middle, where the crystal's axes are the laboratory's."""
        return (len(self.angles_deg) - 1) / 2, (self.rows - 1) / 2, (self.columns - 1) / 2

    @property
    def middle_deg(self) -> float:
        """Rocking angle at the middle of the scan."""
        return float(self.angles_deg[0] + self.angles_deg[-1]) / 2


class Voxels(NamedTuple):
    """The crystal on the conjugate grid: r = t₀ a₀ + t₁ a₁ + t₂ a₂ with q·r = 2π Σ n t for q = Σ n steps."""

    scan: ScanShape
    steps: ReciprocalSteps
    coordinates: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    """t along (frame, row, column), equally spaced"""
    positions_a: NDArray[np.float64]
    """(t₀, t₁, t₂, 3), Å"""
    waves: NDArray[np.complex64]
    """(4, t₀, t₁, t₂): density · exp(−i G·u) · exp(−i (q_middle − G)·r), moduli summing to 1; then times x, y, z"""


def voxels(state: CrystalState, scan: ScanShape, finer: float = 3.5) -> Voxels:
    """Sample `state` `finer` times finer than 1/window of the conjugate cell, and at least 40 times across it."""
    steps = reciprocal_steps(scan.geometry, scan.angles_deg, scan.middle, scan.middle_deg)
    corners = NM_TO_ANGSTROM * vertices_nm(state.shape)
    reach = np.abs(corners @ steps.steps.T / (2 * np.pi)).max(axis=0)
    spacing = np.minimum(1 / (finer * np.array(scan.window)), reach / 20)
    counts = np.ceil(reach / spacing).astype(int) + 1
    t0, t1, t2 = (np.arange(-n, n + 1) * s for n, s in zip(counts, spacing, strict=True))
    direct = 2 * np.pi * np.linalg.inv(steps.steps)  # columns: the conjugate vectors
    positions = t0[:, None, None, None] * direct[:, 0] + t1[:, None, None] * direct[:, 1] + t2[:, None] * direct[:, 2]
    density, displacement = sample(state, positions / NM_TO_ANGSTROM)
    reflection = np.array(state.q_inv_a)
    phase = np.linalg.norm(reflection) * displacement + positions @ (steps.origin - reflection)
    wave = density / density.sum() * np.exp(-1j * phase)
    moments = np.moveaxis(positions, -1, 0) * wave
    return Voxels(scan, steps, (t0, t1, t2), positions, np.concatenate([wave[None], moments]).astype(np.complex64))


def amplitude(crystal: Voxels, offset: tuple[float, float] = (0.0, 0.0)) -> Amplitude:
    """Complex far-field amplitude (frame, row, column) at the pixel centres moved by `offset` (row, column) pixels.

    In units of the crystal's volume: 1 at q = G for an undistorted crystal.
    """
    scan = crystal.scan
    shifts = (0.0, *offset)
    indices = [np.arange(n, dtype=np.float64) - m + s for n, m, s in zip(scan.window, scan.middle, shifts, strict=True)]
    frame, row, column = (
        np.exp(-2j * np.pi * np.outer(n, t)).astype(np.complex64)
        for n, t in zip(indices, crystal.coordinates, strict=True)
    )
    images = np.matmul(row, crystal.waves @ column.T)  # (4, t₀, row, column)
    flat = frame @ images.reshape(4, len(crystal.coordinates[0]), -1)
    order0, *order1 = flat.reshape(4, *scan.window)
    total: Amplitude = order0
    for change, moment in zip(_left_out(crystal, indices), order1, strict=True):
        total -= 1j * change * moment
    return total


def intensity(crystal: Voxels, points: int = 2) -> Intensity:
    """|amplitude|² (frame, row, column) averaged over `points` × `points` Gauss points of each pixel's area."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    total = np.zeros(crystal.scan.window, np.float32)
    for row, row_weight in zip(nodes / 2, weights / 2, strict=True):
        for column, column_weight in zip(nodes / 2, weights / 2, strict=True):
            wave = amplitude(crystal, (row, column))
            total += np.float32(row_weight * column_weight) * (wave.real**2 + wave.imag**2)
    return total


def _left_out(crystal: Voxels, indices: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Exact q less its first-order model: (3, frame, row, column) in 1/Å along x, y, z."""
    scan, steps = crystal.scan, crystal.steps
    row, column = (indices[axis] + scan.middle[axis] for axis in (1, 2))
    change = scattering_vectors(scan.geometry, scan.angles_deg[:, None, None], row[:, None], column, scan.middle_deg)
    for axis, (n, step) in enumerate(zip(indices, steps.steps, strict=True)):
        change -= n.reshape([-1 if a == axis else 1 for a in range(4)]) * step
    left_out: NDArray[np.float32] = np.moveaxis(change - steps.origin, -1, 0).astype(np.float32)
    return left_out
