"""The forward model against sums over atoms and over voxels with the exact q of every pixel."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.simulator.crystals import CrystalState, Polyhedron, StrainGradient, Undulation, inside, sample
from streamer.simulator.diffraction import ScanShape, Voxels, amplitude, intensity, voxels
from streamer.simulator.geometries import I13_1_BRAGG_DEG, i13_1, i13_1_angles_deg
from streamer.simulator.reciprocal import reciprocal_steps, scattering_vectors

SMALL = Polyhedron(
    normals=((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (0.6, 0.48, 0.64)),
    distances_nm=(16.0, 13.0, 12.0, 15.0, 14.0, 12.0, 9.0),
    edge_nm=2.0,
)
KAPPA = 1.5e-3  # 1/nm: a phase of 2 rad at the ends of a crystal of 30 nm


def close_up() -> ScanShape:
    """A short camera and a wide scan: the fringes of a crystal of 30 nm fill 32 × 32 pixels and 33 frames."""
    geometry = msgspec.structs.replace(i13_1(32, 32, 4), distance_mm=250.0)
    return ScanShape(geometry, I13_1_BRAGG_DEG + np.linspace(-2.6, 2.6, 33), 32, 32)


def bragg_q(scan: ScanShape, at: tuple[float, float, float]) -> NDArray[np.float64]:
    return reciprocal_steps(scan.geometry, scan.angles_deg, at, scan.middle_deg).origin


def crystal(q: NDArray[np.float64], kappa: float) -> CrystalState:
    x, y, z = q.tolist()
    return CrystalState(
        crystal="test", voltage_v=4.1, shape=SMALL, q_inv_a=(x, y, z), gradient=StrainGradient(kappa_inv_nm=kappa)
    )


def bright_pixels(wave: NDArray[np.complex64], number: int) -> tuple[NDArray[np.intp], ...]:
    """Pixels drawn with a weight of |amplitude|, so that fringes far from the peak count too."""
    weight = np.abs(wave).ravel().astype(float)
    drawn = np.random.default_rng(3).choice(wave.size, number, replace=False, p=weight / weight.sum())
    return np.unravel_index(drawn, wave.shape)


def agreement(a: NDArray[np.complex128], b: NDArray[np.complex128]) -> float:
    """1 if equal; no shift, twin or constant phase is forgiven."""
    return float(np.vdot(a, b).real / np.linalg.norm(a) / np.linalg.norm(b))


def exact_q(scan: ScanShape, pixels: tuple[NDArray[np.intp], ...]) -> NDArray[np.float64]:
    frame, row, column = pixels
    return scattering_vectors(scan.geometry, scan.angles_deg[frame], row, column, scan.middle_deg)


def test_amplitude_is_that_of_a_lattice_of_atoms() -> None:
    """Σ exp(−i q·(R + u)) over atoms gives kernel −1, phase −Q·u and κ; any other sign does not fit."""
    scan = close_up()
    q = bragg_q(scan, (15.0, 16.5, 14.0))
    spacing, along = 2 * np.pi / np.linalg.norm(q), q / np.linalg.norm(q)
    across = np.cross(along, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    n = np.stack(np.meshgrid(np.arange(-45, 46), np.arange(-25, 26), np.arange(-25, 26), indexing="ij"), -1)
    atoms = (n @ np.array([spacing * along, 10.0 * across, 10.0 * np.cross(across, along)])).reshape(-1, 3)  # Å
    occupied = inside(SMALL, atoms / 10)
    atoms, occupied = atoms[occupied > 0], occupied[occupied > 0]
    height = atoms @ along
    strained = atoms + 0.5 * 0.1 * KAPPA * (height**2)[:, None] * along  # ε = κ x, κ in 1/nm = 0.1 /Å
    wave = amplitude(voxels(crystal(q, KAPPA), scan))
    pixels = bright_pixels(wave, 200)
    lattice = np.exp(-1j * exact_q(scan, pixels) @ strained.T) @ occupied / occupied.sum()
    ours = wave[pixels].astype(complex)
    assert agreement(ours, lattice) > 0.999
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(lattice), rel=0.02)
    assert agreement(ours.conj(), lattice) < 0.8
    assert agreement(amplitude(voxels(crystal(q, -KAPPA), scan))[pixels].astype(complex), lattice) < 0.9


def test_uniform_expansion_moves_the_peak_to_smaller_q() -> None:
    """Spacings 0.1 % larger move the peak to smaller 2θ by exactly the pixels that 0.1 % of |Q| are."""
    scan = ScanShape(i13_1(64, 64, 4), i13_1_angles_deg(51), 64, 64)
    q = bragg_q(scan, (25.0, 31.0, 34.0))
    cube = Polyhedron(
        normals=((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)), distances_nm=(200.0,) * 6
    )
    columns = []
    for expansion in (0.0, 1e-3):
        x, y, z = (q / (1 + expansion)).tolist()
        counts = intensity(voxels(CrystalState(crystal="c", voltage_v=4.1, shape=cube, q_inv_a=(x, y, z)), scan))
        columns.append(float(counts.sum(axis=(0, 1)) @ np.arange(64) / counts.sum()))
    assert columns[0] == pytest.approx(34.0, abs=0.1)
    pixels = 1e-3 * np.linalg.norm(q) / (4 * 1.0572e-4)
    assert columns[1] - columns[0] == pytest.approx(-pixels, rel=0.03)


def exact_sum(state: CrystalState, grid: Voxels, pixels: tuple[NDArray[np.intp], ...]) -> NDArray[np.complex128]:
    """The same voxels, each with the exact q of every pixel: no steps, no factors, no first order."""
    positions = grid.positions_a.reshape(-1, 3)
    density, displacement = sample(state, positions / 10)
    keep = density > 0
    reflection = np.array(state.q_inv_a)
    wave = density[keep] * np.exp(-1j * np.linalg.norm(reflection) * displacement[keep])
    kernel = np.exp(-1j * (exact_q(grid.scan, pixels) - reflection) @ positions[keep].T)
    total: NDArray[np.complex128] = kernel @ wave / density.sum()
    return total


def test_the_steps_error_is_bounded_on_a_whole_scan() -> None:
    """Over 1° and 64 × 64 binned pixels the factored sum is the exact one within 1 % of the amplitude, corners too."""
    scan = ScanShape(i13_1(64, 64, 4), i13_1_angles_deg(201), 64, 64)
    shape = Polyhedron(normals=SMALL.normals, distances_nm=tuple(17.0 * d for d in SMALL.distances_nm), edge_nm=12.0)
    x, y, z = bragg_q(scan, (97.0, 33.0, 30.0)).tolist()
    wave = Undulation(amplitude_a=1.0, wave_inv_nm=(1 / 300, 1 / 500, 0.0), phase=0.4)
    state = CrystalState(crystal="c", voltage_v=4.1, shape=shape, q_inv_a=(x, y, z), undulations=(wave,))
    grid = voxels(state, scan, finer=1.5)
    fast = amplitude(grid)
    pixels = bright_pixels(fast, 60)
    exact = exact_sum(state, grid, pixels)
    error = np.linalg.norm(fast[pixels] - exact) / np.linalg.norm(exact)
    assert error < 0.01
    corners = tuple(np.array([0, 200, 0, 200])), tuple(np.array([0, 0, 63, 63])), tuple(np.array([0, 63, 63, 0]))
    at_corners = tuple(np.array(axis) for axis in corners)
    difference = np.abs(fast[at_corners] - exact_sum(state, grid, at_corners))
    assert difference.max() < 1e-3 * np.abs(fast).max()


def test_pixels_integrate_over_their_area() -> None:
    """Four Gauss points a pixel give the mean intensity over its area, which blurs fringes but loses no photons."""
    scan = ScanShape(i13_1(48, 48, 4), i13_1_angles_deg(9), 48, 48)
    shape = Polyhedron(normals=SMALL.normals, distances_nm=tuple(17.0 * d for d in SMALL.distances_nm))
    x, y, z = bragg_q(scan, (4.0, 24.0, 23.0)).tolist()
    state = CrystalState(crystal="c", voltage_v=4.1, shape=shape, q_inv_a=(x, y, z))
    grid = voxels(state, scan)
    fine = np.zeros((9, 48, 48))
    offsets = (np.arange(6) + 0.5) / 6 - 0.5
    for row in offsets:
        for column in offsets:
            fine += np.abs(amplitude(grid, (row, column))) ** 2 / 36
    four, centre = intensity(grid, points=2), intensity(grid, points=1)
    assert np.linalg.norm(four - fine) / np.linalg.norm(fine) < 0.01
    assert np.linalg.norm(centre - fine) / np.linalg.norm(fine) > 0.03
    assert four.sum() == pytest.approx(centre.sum(), rel=0.02)


def test_finer_voxels_change_little() -> None:
    """The truth's voxels, 3.5 times finer than a reconstruction's, are fine enough: six times gives the same."""
    scan = ScanShape(i13_1(32, 32, 4), i13_1_angles_deg(21), 32, 32)
    shape = Polyhedron(normals=SMALL.normals, distances_nm=tuple(17.0 * d for d in SMALL.distances_nm), edge_nm=6.0)
    x, y, z = bragg_q(scan, (10.0, 16.0, 15.0)).tolist()
    state = CrystalState(crystal="c", voltage_v=4.1, shape=shape, q_inv_a=(x, y, z))
    ours, six = amplitude(voxels(state, scan)), amplitude(voxels(state, scan, finer=6.0))
    assert np.linalg.norm(ours - six) / np.linalg.norm(six) < 0.02
