"""What a crystal scatters into every pixel of every frame of a rocking scan.

Kinematic, far field: A(q) = Σ density · exp(−i G·u) · exp(−i (q − G)·r) over voxels of the crystal, G the
reflection. The voxels lie on the skewed grid conjugate to the three reciprocal steps, `finer` times finer than a
reconstruction from the same window can resolve, over the crystal alone: so the sum over voxels factors into three
small matrix products, and nothing is periodic. What the steps leave out (rocking is a rotation, a flat detector
cuts the Ewald sphere askew) is a small change of q with pixel and frame; it is put back to first order.

A pixel counts what falls anywhere on it. `points` = 2 samples each pixel's intensity at the 2 × 2 Gauss points of
its area (error of the highest fringe a crystal of half the field of view can make: 3 %); `points` = 1 takes
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
    coordinates: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    """t along (frame, row, column), equally spaced"""
    positions_a: NDArray[np.float64]
    """(t₀, t₁, t₂, 3), Å"""
    waves: NDArray[np.complex64]
    """(4, t₀, t₁, t₂): density · exp(−i G·u) · exp(−i (q_middle − G)·r), moduli summing to 1; then times x, y, z"""
    left_out: NDArray[np.float32]
    """(3, frame, row, column): what the steps leave out of q along x, y, z, 1/Å"""


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
    waves = np.concatenate([wave[None], moments]).astype(np.complex64)
    return Voxels(scan, (t0, t1, t2), positions, waves, _left_out(scan, steps))


def amplitude(crystal: Voxels, offset: tuple[float, float] = (0.0, 0.0)) -> Amplitude:
    """Complex far-field amplitude (frame, row, column) at the pixel centres moved by `offset` (row, column) pixels.

    In units of the crystal's volume: 1 at q = G for an undistorted crystal.
    """
    frames, rows, columns = crystal.scan.window
    frame, row, column = (
        np.exp(-2j * np.pi * np.outer(n + shift, t)).astype(np.complex64)
        for n, t, shift in zip(_indices(crystal.scan), crystal.coordinates, (0.0, *offset), strict=True)
    )
    # Few large matrix products: many small ones are slow where threads of other processes compete.
    orders, n0, n1, n2 = crystal.waves.shape
    lines = (crystal.waves.reshape(-1, n2) @ column.T).reshape(orders, n0, n1, columns)
    images = row @ lines.transpose(2, 1, 0, 3).reshape(n1, -1)
    scattered = (frame @ images.reshape(rows, n0, -1).transpose(1, 0, 2).reshape(n0, -1)).reshape(
        frames, rows, orders, columns
    )
    total: Amplitude = np.ascontiguousarray(scattered[:, :, 0])
    for axis, change in enumerate(crystal.left_out):
        total -= 1j * change * scattered[:, :, 1 + axis]
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


def _indices(scan: ScanShape) -> list[NDArray[np.float64]]:
    """Index of each (frame, row, column) from the middle."""
    return [np.arange(n, dtype=np.float64) - m for n, m in zip(scan.window, scan.middle, strict=True)]


def _left_out(scan: ScanShape, steps: ReciprocalSteps) -> NDArray[np.float32]:
    """Exact q less its first-order model: (3, frame, row, column) in 1/Å along x, y, z.

    Taken at pixel centres; across a pixel it changes by some 1e-6 1/Å.
    """
    row, column = np.arange(scan.rows, dtype=np.float64), np.arange(scan.columns, dtype=np.float64)
    change = scattering_vectors(scan.geometry, scan.angles_deg[:, None, None], row[:, None], column, scan.middle_deg)
    for axis, (n, step) in enumerate(zip(_indices(scan), steps.steps, strict=True)):
        change -= n.reshape([-1 if a == axis else 1 for a in range(4)]) * step
    left_out: NDArray[np.float32] = np.moveaxis(change - steps.origin, -1, 0).astype(np.float32)
    return left_out
