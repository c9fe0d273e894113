"""Crystals to phase and their truth, without the inverse crime: what is measured was never on the grid to be found.

A convex crystal of random facets is drawn on voxels OVERSAMPLING times finer than those of the reconstruction, its
edge voxels filled in part. Its far field is summed at the reciprocal points the window covers; the window cuts it
off, as a detector does. Poisson counts of its intensity are the data; the truth is the inverse FFT of the same cut
field: what a perfect reconstruction of noiseless data would show, which no support contains exactly.
Four kinds in turn, by seed: weakly strained; phase range above 2π; with a screw dislocation; moderately strained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

OVERSAMPLING = 4
KINDS = ("weak", "strong", "dislocation", "moderate")
RANGES_RAD = {"weak": (0.8, 2.5), "strong": (6.6, 8.2), "dislocation": (0.8, 2.5), "moderate": (3.0, 5.5)}
EXTENT_VOXELS = (20.0, 30.0)
"""Of the crystal along each axis, in a window of 64."""
TRUE_SHARE = 0.3
"""Of the truth's largest amplitude, from which on a voxel counts as the crystal's."""
FAMILIES = (((1, 0, 0), 0.80, 1.05), ((1, 1, 1), 0.85, 1.25), ((1, 1, 0), 0.85, 1.25))
"""Facets and their distances from the centre, before the crystal is turned and stretched."""

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A window to phase."""

    seed: int
    kind: str
    counts: NDArray[np.float32]
    """(n, n, n), the Bragg peak's centre of mass at n // 2."""
    truth: NDArray[np.complex64]
    """(n, n, n), the crystal about n // 2; forward FFT from object to diffraction; |F|² is the mean of the counts."""
    extent_voxels: tuple[float, float, float]
    phase_range_rad: float
    """Of the smooth displacement; a dislocation adds its own turn of 2π."""


def make(seed: int, size: int, photons: float) -> Case:
    """The crystal of this seed in a window of size³; photons are those of a window of 64, more in a larger one so that
    each voxel of the crystal is worth the same."""
    rng = np.random.default_rng([seed, 2022])
    kind = KINDS[seed % len(KINDS)]
    planes = facets(rng)
    extent = rng.uniform(*EXTENT_VOXELS, 3) * size / 64
    points = int(EXTENT_VOXELS[1] + 2) * OVERSAMPLING * size // 64
    axis = (np.arange(points) - (points - 1) / 2) / OVERSAMPLING
    filled, unit = fill(planes, extent, axis)
    phase = smooth_phase(rng, unit, filled, rng.uniform(*RANGES_RAD[kind]))
    if kind == "dislocation":
        phase += screw(rng, unit)
    obj = filled * np.exp(1j * phase)
    # the detector is centred on the peak: its centre of mass, in reciprocal voxels, becomes the window's centre
    field = far_field(obj, axis, size, np.zeros(3))
    field = far_field(obj, axis, size, centre_of_mass(np.abs(field) ** 2))
    intensity = np.abs(field) ** 2
    scale = photons * (size / 64) ** 3 / intensity.sum()
    truth = np.sqrt(scale) * scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(field)))
    inside = filled > 0.5
    return Case(
        seed=seed,
        kind=kind,
        counts=rng.poisson(intensity * scale).astype(np.float32),
        truth=truth.astype(np.complex64),
        extent_voxels=_extents(inside, 1 / OVERSAMPLING),
        phase_range_rad=float(np.ptp(phase[inside])) if kind != "dislocation" else float("nan"),
    )


def voxels(case: Case) -> float:
    """How many the true crystal has: those above TRUE_SHARE of the largest amplitude."""
    size = np.abs(case.truth)
    return float(np.count_nonzero(size > TRUE_SHARE * size.max()))


def facets(rng: np.random.Generator) -> Real:
    """(number, 4): outward normals and distances of a random cut of a cube, an octahedron and a dodecahedron, turned
    at random; opposite facets differ, so the crystal is not its own twin."""
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    planes = []
    for indices, near, far in FAMILIES:
        for normal in sorted(set(_permuted(*indices))):
            unit = turn @ np.array(normal) / np.linalg.norm(normal)
            planes.append([*unit, rng.uniform(near, far)])
    return np.array(planes)


def _permuted(h: int, k: int, m: int) -> list[tuple[int, int, int]]:
    orders = [(h, k, m), (k, m, h), (m, h, k)]
    signs = [(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    return [(a * x, b * y, c * z) for x, y, z in orders for a, b, c in signs]


def fill(planes: Real, extent: Real, axis: Real) -> tuple[Real, tuple[Real, Real, Real]]:
    """How much of each fine voxel the crystal fills, once stretched to `extent` along each axis, and the coordinates
    in which it spans −1 … 1."""
    low, high = _bounds(planes)
    half, middle = extent / 2, (low + high) / 2
    x, y, z = np.meshgrid(axis / half[0], axis / half[1], axis / half[2], indexing="ij", sparse=True)
    inside = np.full((axis.size,) * 3, np.inf)
    for a, b, c, distance in planes:
        normal = np.array([a, b, c]) * (high - low) / 2
        # how far inside this facet, in reconstruction voxels: in stretched coordinates the normal has another length
        length = np.linalg.norm(normal / half)
        np.minimum(
            inside,
            (distance - np.dot([a, b, c], middle) - normal[0] * x - normal[1] * y - normal[2] * z) / length,
            out=inside,
        )
    fine = axis[1] - axis[0]
    return np.clip(inside / fine + 0.5, 0, 1), (x, y, z)


def _bounds(planes: Real, points: int = 96) -> tuple[Real, Real]:
    """The smallest and largest coordinates of the polyhedron, as near as a grid tells."""
    axis = np.linspace(-2, 2, points)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = grid[(grid @ planes[:, :3].T <= planes[:, 3]).all(axis=1)]
    return inside.min(axis=0), inside.max(axis=0)


def smooth_phase(rng: np.random.Generator, unit: tuple[Real, Real, Real], filled: Real, wanted_rad: float) -> Real:
    """A bent and rippled displacement field without uniform strain or rotation (no ramp), of this range inside."""
    x = unit
    curved = rng.normal(size=(3, 3))
    phase = sum(curved[i, j] * x[i] * x[j] for i in range(3) for j in range(i + 1))
    for _ in range(3):
        wave, at = rng.normal(size=3) * 1.5, rng.uniform(0, 2 * np.pi)
        phase = phase + rng.uniform(0.2, 0.8) * np.sin(wave[0] * x[0] + wave[1] * x[1] + wave[2] * x[2] + at)
    inside = filled > 0.5
    columns = [np.broadcast_to(c, filled.shape)[inside] for c in (np.ones((1, 1, 1)), *x)]
    fitted, *_ = np.linalg.lstsq(np.stack(columns, axis=1), phase[inside], rcond=None)
    phase = phase - fitted[0] - fitted[1] * x[0] - fitted[2] * x[1] - fitted[3] * x[2]
    return np.asarray(phase * (wanted_rad / np.ptp(phase[inside])))


def screw(rng: np.random.Generator, unit: tuple[Real, Real, Real]) -> Real:
    """One turn of phase about a line that passes near the centre."""
    frame, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    at = rng.uniform(-0.35, 0.35, 2)
    across = [sum(frame[k, i] * unit[i] for i in range(3)) - at[k] for k in range(2)]
    return np.asarray(rng.choice([-1, 1]) * np.arctan2(across[1], across[0]))


def far_field(obj: NDArray[np.complex128], axis: Real, size: int, centre: Real) -> NDArray[np.complex128]:
    """Σ obj exp(−i q·r) at the q of a window of size³ whose middle voxel looks at `centre` (reciprocal voxels)."""
    for along in range(3):
        q = 2 * np.pi * (np.arange(size) - size // 2 + centre[along]) / size
        obj = np.moveaxis(np.tensordot(np.exp(-1j * np.outer(q, axis)), obj, axes=(1, along)), 0, along)
    return obj


def centre_of_mass(intensity: Real) -> Real:
    """In voxels from n // 2."""
    out = []
    for along, n in enumerate(intensity.shape):
        profile = intensity.sum(axis=tuple(a for a in range(3) if a != along))
        out.append(float((profile * (np.arange(n) - n // 2)).sum() / profile.sum()))
    return np.array(out)


def _extents(inside: NDArray[np.bool_], step: float) -> tuple[float, float, float]:
    spans = [np.ptp(np.flatnonzero(inside.any(axis=tuple(b for b in range(3) if b != a)))) + 1 for a in range(3)]
    return float(spans[0] * step), float(spans[1] * step), float(spans[2] * step)
