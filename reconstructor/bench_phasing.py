"""What an iteration costs: measured against the FFT pair it cannot do without, in the same run, by the same library."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.fft

from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.kernels.blocked import BlockedKernel
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import Complex, Mask, Problem, Real, Shape
from reconstructor.phasing.steps import Algorithm

Kernels = Literal["cpu", "blocked", "reference"]
"""What the reconstructor uses here; what it uses without the extra `cpu`; textbook NumPy."""
Library = Literal["pyfftw", "scipy.fft"]
Row = dict[str, Any]
Work = Callable[[int], object]
"""Do it so many times."""

ALGORITHMS: tuple[Algorithm, ...] = ("ER", "HIO", "RAAR", "DM", "SF", "CF", "ML")
BETA = 0.9
FLIPPED_BELOW = 0.3
"""Threshold of CF."""
PHOTONS_IN_PEAK = 1e6
"""Expected in the strongest voxel."""
TWO_THREADS_FROM = 128
"""Side from which a single run is given two threads as well: below, a sweep is too short to be shared."""
SHORTEST_S = 0.1
"""A measurement repeats its work until it lasts so long."""
FEWEST_ROUNDS = 3
HASHED = bytes(100_000)
UPDATES = 5
"""Support updates a round."""
SIGMA_VOXELS, THRESHOLD, FRACTION = 1.0, 0.15, (1e-4, 0.7)
"""Of the shrinkwrap measured: the middle of the σ that a recipe lets fall from 2 to 0.5."""


class Crystal(NamedTuple):
    """Made-up data and a start near the truth, natural order."""

    amplitude: Real
    obj: Complex
    support: Mask

    @property
    def problem(self) -> Problem:
        """The counts, all of them known."""
        counts = np.square(self.amplitude)
        return Problem(counts, np.ones(counts.shape, np.bool_), np.zeros(counts.shape, np.bool_))


def crystal(size: int, seed: int = 0) -> Crystal:
    """A faceted, strained crystal a third of the window wide, its diffraction with Poisson noise."""
    rng = np.random.default_rng(seed)
    axis = (np.arange(size, dtype=np.float32) - size // 2) / np.float32(0.16 * size)
    z, y, x = axis[:, None, None], axis[None, :, None], axis[None, None, :]
    support = (abs(z) < 1) & (abs(y) < 1) & (abs(x) < 1) & (abs(z) + abs(y) + abs(x) < 2)
    phase = np.float32(0.8) * np.sin(2 * z) * np.cos(y) + np.float32(0.3) * rng.standard_normal(
        support.shape, np.float32
    )
    obj = (support * np.exp(1j * phase)).astype(np.complex64)
    intensity = np.square(np.abs(scipy.fft.fftshift(scipy.fft.fftn(obj))))
    scale = PHOTONS_IN_PEAK / float(intensity.max())
    amplitude = np.sqrt(rng.poisson(scale * intensity)).astype(np.float32)
    return Crystal(amplitude, (obj * np.float32(np.sqrt(scale))).astype(np.complex64), support)


def library(kernels: Kernels) -> Library:
    """Whose transforms these kernels use."""
    return "pyfftw" if kernels == "cpu" and cpu.FUSED else "scipy.fft"


def kernel(kernels: Kernels, data: Crystal, threads: int) -> Kernel:
    """A kernel with data and start, which has done an iteration of each kind: compiled, planned, in memory."""
    one = made(kernels, data.support.shape[0], threads)
    one.load(data.amplitude, data.problem)
    one.put(data.obj, data.support)
    for algorithm in reversed(ALGORITHMS):
        _of(one, algorithm)(2)
    return one


def made(kernels: Kernels, size: int, threads: int) -> Kernel:
    """A new kernel."""
    match kernels:
        case "cpu":
            return cpu.choose((size, size, size), threads)
        case "blocked":
            return BlockedKernel(threads)
        case "reference":
            return ReferenceKernel()


def pair(name: Library, shape: Shape, threads: int) -> Work:
    """Forward and inverse transform of complex64 and nothing else: the limit."""
    if name == "scipy.fft":
        in_place = {"workers": threads, "overwrite_x": True}
        cube = np.ones(shape, np.complex64)

        def plain(times: int) -> None:
            for _ in range(times):
                scipy.fft.ifftn(scipy.fft.fftn(cube, **in_place), **in_place)

        return plain
    import pyfftw

    source, wave = (pyfftw.zeros_aligned(shape, "complex64") for _ in range(2))
    planned = {"axes": (0, 1, 2), "threads": threads, "flags": ("FFTW_MEASURE",)}
    forward = pyfftw.FFTW(source, wave, direction="FFTW_FORWARD", **planned)
    backward = pyfftw.FFTW(wave, wave, direction="FFTW_BACKWARD", **planned)
    source[...] = 1

    def executed(times: int) -> None:
        for _ in range(times):
            forward.execute()
            backward.execute()

    return executed


def single(kernels: Kernels, data: Crystal, threads: int, seconds: float) -> list[Row]:
    """One run: a row for each algorithm. Each is measured right after a pair of transforms, round after round."""
    size = data.support.shape[0]
    name = library(kernels)
    one, transforms = kernel(kernels, data, threads), pair(name, (size, size, size), threads)
    works = [_of(one, algorithm) for algorithm in ALGORITHMS]
    repeats = [often(transforms)] + [often(work) for work in works]
    found: list[list[tuple[float, float]]] = [[] for _ in ALGORITHMS]
    for _ in rounds(seconds):
        for place, work in enumerate(works):
            one.put(data.obj, data.support)
            work(1)
            found[place].append((_each(transforms, repeats[0]), _each(work, repeats[1 + place])))
    return [
        _row(algorithm, size, threads, type(one).__name__, name, times)
        for algorithm, times in zip(ALGORITHMS, found, strict=True)
    ]


def _row(
    algorithm: Algorithm, size: int, threads: int, kernel_name: str, name: Library, times: list[tuple[float, float]]
) -> Row:
    iteration_s = statistics.median(iteration for _, iteration in times)
    return {
        "measured": "iteration",
        "algorithm": algorithm,
        "size": size,
        "threads": threads,
        "kernel": kernel_name,
        "library": name,
        "iterations_per_s": 1 / iteration_s,
        "voxel_iterations_per_s": size**3 / iteration_s,
        "iteration_s": iteration_s,
        "pair_s": statistics.median(pair_s for pair_s, _ in times),
        "ratio_to_pair": statistics.median(iteration / pair_s for pair_s, iteration in times),
        "rounds": len(times),
    }


def population(kernels: Kernels, data: Crystal, runs: int, seconds: float) -> Row:
    """So many HIO runs at once, one a thread, against one of them alone: start-iterations a second of all together.

    `cores_ratio` is the same of plain arithmetic in the same rounds: what the machine's neighbours leave of its cores.
    """
    crew = [kernel(kernels, data, 1) for _ in range(runs)]
    works = [_of(one, "HIO") for one in crew]
    repeats, hashes = often(works[0]), often(_hashed)
    times, cores = [], []
    with ThreadPoolExecutor(runs) as pool:

        def together(of: list[Work], count: int) -> float:
            return _each(lambda times: list(pool.map(lambda work: work(times), of)), count) / runs

        for _ in rounds(seconds):
            times.append((_each(works[0], repeats), together(works, repeats)))
            cores.append(_each(_hashed, hashes) / together([_hashed] * runs, hashes))
    return {
        "measured": "population",
        "algorithm": "HIO",
        "size": data.support.shape[0],
        "runs": runs,
        "kernel": type(crew[0]).__name__,
        "start_iterations_per_s": 1 / statistics.median(shared for _, shared in times),
        "one_run_iterations_per_s": 1 / statistics.median(alone for alone, _ in times),
        "ratio_to_one_run": statistics.median(alone / shared for alone, shared in times),
        "least_ratio": min(alone / shared for alone, shared in times),
        "most_ratio": max(alone / shared for alone, shared in times),
        "cores_ratio": statistics.median(cores),
        "rounds": len(times),
    }


def _hashed(times: int) -> None:
    """Arithmetic in registers and a core's own caches, the interpreter's lock released."""
    for _ in range(times):
        hashlib.sha256(HASHED).digest()


def shrinkwrap(kernels: Kernels, data: Crystal, threads: int, seconds: float) -> Row:
    """A support update in HIO iterations, each timed beside the other on the same object."""
    one = kernel(kernels, data, threads)
    one.put(data.obj, data.support)
    iteration = _of(one, "HIO")
    repeats = often(iteration)
    times = []
    for _ in rounds(seconds):
        one.put(data.obj, data.support)
        iteration_s = _each(iteration, repeats)
        one.put(data.obj, data.support)
        updates = [_update_s(one) for _ in range(UPDATES)]
        times.append((iteration_s, statistics.median(updates)))
    return {
        "measured": "shrinkwrap",
        "size": data.support.shape[0],
        "threads": threads,
        "kernel": type(one).__name__,
        "sigma_voxels": SIGMA_VOXELS,
        "update_s": statistics.median(update for _, update in times),
        "ratio_to_iteration": statistics.median(update / iteration_s for iteration_s, update in times),
        "rounds": len(times),
    }


def _update_s(one: Kernel) -> float:
    """Seconds of a support update that finds the caches as an iteration leaves them."""
    one.iterate("HIO", BETA, 1)
    began = perf_counter()
    one.shrink(SIGMA_VOXELS, THRESHOLD, FRACTION)
    return perf_counter() - began


def _of(one: Kernel, algorithm: Algorithm) -> Work:
    argument = FLIPPED_BELOW if algorithm == "CF" else BETA

    def work(times: int) -> None:
        one.iterate(algorithm, argument, times)

    return work


def rounds(seconds: float) -> Iterator[int]:
    """Numbers from 0 until the time is up."""
    number, end = 0, perf_counter() + seconds
    while number < FEWEST_ROUNDS or perf_counter() < end:
        yield number
        number += 1


def often(work: Work) -> int:
    """How many times make the work last long enough to be timed."""
    work(1)
    return max(1, round(SHORTEST_S / _each(work, 1)))


def _each(work: Work, times: int) -> float:
    began = perf_counter()
    work(times)
    return (perf_counter() - began) / times
