"""Small crystals to phase, made without the inverse crime: on voxels three times finer, their diffraction cropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import scipy.fft

from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import Complex, Mask, Problem, Real, free_pixels

FINER = 3


class Crystal(NamedTuple):
    """A problem and what is true of it, natural order."""

    problem: Problem
    truth: Complex
    """The object that has the cropped, noiseless diffraction."""
    core: Mask
    """Voxels whose middle lies in the crystal."""


Coordinates = tuple[Real, Real, Real]


def polyhedron(rng: np.random.Generator, at: Coordinates, extent: float) -> Mask:
    """A convex body of random facets, about `extent` wide, in units of the coordinates; lopsided, so not its twin."""
    inside = np.ones(np.broadcast_shapes(*(a.shape for a in at)), np.bool_)
    for axis in range(3):
        high, low = extent / 2 * rng.uniform(0.85, 1.0, 2)
        inside &= (at[axis] < high) & (at[axis] > -low)
    for _ in range(7):
        normal = rng.standard_normal(3)
        normal /= np.linalg.norm(normal)
        inside &= sum(n * a for n, a in zip(normal, at, strict=True)) < extent / 2 * rng.uniform(0.75, 1.1)
    return inside


def strain(rng: np.random.Generator, at: Coordinates, extent: float, reach_rad: float) -> Real:
    """A smooth phase with a range of about `reach_rad` over the body."""
    z, y, x = (2 * a / extent for a in at)
    a = rng.uniform(-1, 1, 7)
    phase = a[0] * z**2 + a[1] * y**2 + a[2] * x * y + a[3] * z * x + a[4] * np.sin(2 * z + a[5]) + a[6] * y**3
    return np.float32(reach_rad / 2.5) * phase


def screw(rng: np.random.Generator, at: Coordinates, extent: float) -> Real:
    """The phase of a screw dislocation, 2π round a line near the middle."""
    line = rng.standard_normal(3)
    line /= np.linalg.norm(line)
    first = np.cross(line, [1.0, 0.0, 0.0] if abs(line[0]) < 0.8 else [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(line, first)
    u0, v0 = rng.uniform(-0.15, 0.15, 2) * extent
    u = sum(c * a for c, a in zip(first, at, strict=True)) - u0
    v = sum(c * a for c, a in zip(second, at, strict=True)) - v0
    return np.arctan2(v, u).astype(np.float32)


def crystal(
    seed: int, n: int = 64, photons: float = 5e6, extent: float | None = None, kind: str | None = None
) -> Crystal:
    """Crystal `seed` on n³ voxels: 20–30 of 64 voxels wide; in turn gently strained, strained beyond 2π, with a screw
    dislocation, with two domains and a gap (or the `kind` asked for)."""
    rng = np.random.default_rng(seed)
    kind = kind or ("gentle", "strained", "screw", "domains")[seed % 4]
    wide = extent or rng.uniform(20, 30) * n / 64
    fine = FINER * n
    axis = ((np.arange(fine) - fine // 2) / FINER).astype(np.float32)
    at = (axis[:, None, None], axis[None, :, None], axis[None, None, :])
    body = polyhedron(rng, at, wide)
    phase = strain(rng, at, wide, {"gentle": 1.5, "strained": 8.0}.get(kind, 2.0))
    if kind == "screw":
        phase = phase + screw(rng, at, wide)
    if kind == "domains":
        across = at[0] + np.float32(0.4) * at[1] + np.float32(0.2) * at[2] - np.float32(0.05 * wide)
        body &= abs(across) > 0.04 * wide
        phase = phase + np.where(across > 0, 0.35 * at[1], 1.0).astype(np.float32)
    density = body * np.exp(1j * phase)
    wave = scipy.fft.fftshift(scipy.fft.fftn(scipy.fft.ifftshift(density.astype(np.complex64)), workers=2))
    middle = slice(fine // 2 - n // 2, fine // 2 - n // 2 + n)
    wave = wave[middle, middle, middle]
    # the peak of the measured pattern is at the centre
    peak = np.unravel_index(int(np.abs(wave).argmax()), wave.shape)
    wave = np.roll(wave, [n // 2 - int(p) for p in peak], axis=(0, 1, 2))
    wave = wave * np.sqrt(photons / np.sum(np.abs(wave) ** 2))
    counts = rng.poisson(np.abs(wave) ** 2).astype(np.float32)
    free = free_pixels((n, n, n), np.ones((n, n, n), np.bool_), seed)
    truth = scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(wave))).astype(np.complex64)
    first = fine // 2 - FINER * (n // 2)
    return Crystal(Problem(counts, ~free, free), truth, body[first::FINER, first::FINER, first::FINER])


@pytest.fixture(scope="session")
def grown_crystal() -> Callable[..., Crystal]:
    """`crystal(seed, n, photons, extent, kind)`"""
    return crystal


@pytest.fixture(scope="session")
def small() -> Crystal:
    """A gently strained crystal on 32³ voxels with a million photons."""
    return crystal(3, n=32, photons=1e6, extent=11, kind="gentle")


@pytest.fixture(params=["reference", "chosen"])
def kernel(request: pytest.FixtureRequest, small: Crystal) -> Kernel:
    """The reference, and the one that is chosen here for the small crystal."""
    return ReferenceKernel() if request.param == "reference" else cpu.choose(small.problem.shape)
