"""What an iteration costs on a CUDA device, against the cuFFT pair of the same batch, measured in turn with it.

Times are the host's, from the first launch until the sums have been fetched, over enough iterations to last a tenth of
a second: what a run sees.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from reconstructor import bench_phasing as bench
from reconstructor.phasing import engine
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cuda_memory
from reconstructor.phasing.kernels.cuda import Device
from reconstructor.phasing.kernels.cuda_population import CudaPopulation
from reconstructor.phasing.kernels.together import together
from reconstructor.phasing.notation import parse
from reconstructor.phasing.problem import PhasingError, Problem
from reconstructor.phasing.steps import Algorithm

if TYPE_CHECKING:
    from contract.record import Target

Row = dict[str, Any]
ALGORITHMS: tuple[Algorithm, ...] = ("ER", "HIO", "RAAR", "DM", "SF", "CF")
BATCH = 8
"""Runs at once, besides one alone."""
PAIR_LIMITS = {(256, 1): 1.5, (128, BATCH): 2.0}
"""An HIO iteration in cuFFT pairs, at most, by side and runs."""
JOB_SIDE, JOB_RUNS, JOB_ITERATIONS, JOB_LIMIT_S = 256, 20, 1000, 30.0


def rows(device: Device, side: int, seconds: float) -> Iterator[Row]:
    """All that is measured at one size; at 256³ a whole job as well."""
    data = bench.crystal(side)
    for runs in (1, BATCH):
        yield from iterations(device, data, runs, seconds)
    yield shrinkwrap(device, data, BATCH, seconds / 2)
    if side == JOB_SIDE:
        yield job(device, data, JOB_RUNS, JOB_ITERATIONS)


def iterations(device: Device, data: bench.Crystal, runs: int, seconds: float) -> Iterator[Row]:
    """A row for each algorithm, of so many runs at once (fewer where the memory does not suffice)."""
    side = data.support.shape[0]
    population = _population(device, data, runs)
    pair = _pair(device, side, population.batch)
    for algorithm in ALGORITHMS:
        work = partial(population.iterate, range(population.runs), algorithm, bench.BETA)
        often, pairs = _often(work), _often(pair)
        times = []
        for _ in _rounds(seconds / len(ALGORITHMS)):
            for slot in range(population.runs):
                population.put(slot, data.obj, data.support)
            # pairs of all batches the runs are done in
            pair_s = _each(pair, pairs) * population.runs / population.batch
            times.append((pair_s, _each(work, often)))
        iteration_s = statistics.median(iteration for _, iteration in times)
        yield {
            "measured": "iteration on a device",
            "algorithm": algorithm,
            "size": side,
            "runs": population.runs,
            "batch": population.batch,
            "device": device.name,
            "library": "cufft",
            "start_iterations_per_s": population.runs / iteration_s,
            "voxel_iterations_per_s": population.runs * side**3 / iteration_s,
            "iteration_s": iteration_s,
            "pair_s": statistics.median(pair_s for pair_s, _ in times),
            "ratio_to_pair": statistics.median(iteration / pair_s for pair_s, iteration in times),
            "rounds": len(times),
        }


def shrinkwrap(device: Device, data: bench.Crystal, runs: int, seconds: float) -> Row:
    """A support update of so many runs in HIO iterations of theirs."""
    population = _population(device, data, runs)
    slots = range(population.runs)

    def update(times: int) -> None:
        for _ in range(times):
            population.shrink(slots, bench.SIGMA_VOXELS, [bench.THRESHOLD] * population.runs, bench.FRACTION)

    iterate = partial(population.iterate, slots, "HIO", bench.BETA)
    times = []
    for _ in _rounds(seconds):
        for slot in slots:
            population.put(slot, data.obj, data.support)
        times.append((_each(update, bench.UPDATES), _each(iterate, _often(iterate))))
    return {
        "measured": "shrinkwrap on a device",
        "size": data.support.shape[0],
        "runs": population.runs,
        "device": device.name,
        "update_s": statistics.median(update_s for update_s, _ in times),
        "ratio_to_iteration": statistics.median(update_s / iteration_s for update_s, iteration_s in times),
        "rounds": len(times),
    }


def job(device: Device, data: bench.Crystal, runs: int, iterations_each: int) -> Row:
    """Whole runs of the engine, from counts on the host to estimates on the host, misfits and all."""
    share = iterations_each // 5
    last = iterations_each - 4 * share
    line = f"Sup(every=20) * HIO**{2 * share} * RAAR**{2 * share} * ER**{last}"
    recipe = parse(line, "bench")
    counts = np.square(data.amplitude)
    problem = Problem(counts, np.ones(counts.shape, np.bool_), np.zeros(counts.shape, np.bool_))

    def run(kernel: Kernel, seed: int) -> None:
        for _ in engine.run(recipe, problem, None, kernel, seed, every=iterations_each):
            pass

    room = cuda_memory.room(problem.shape, runs, device.free_bytes())
    population = CudaPopulation(device, room.runs)
    began = perf_counter()
    found = together([partial(run, seed=seed) for seed in range(runs)], population)
    took = perf_counter() - began
    failed = [one for one in found if isinstance(one, PhasingError)]
    return {
        "measured": "job on a device",
        "recipe": line,
        "size": data.support.shape[0],
        "runs": runs,
        "failed": len(failed),
        "iterations": iterations_each,
        "batch": population.batch,
        "device": device.name,
        "job_s": took,
    }


def promised(row: Row) -> Iterator[Target]:
    """What was promised of a row, if anything."""
    from contract.record import Target

    side = f"{row['size']}³"
    match row["measured"]:
        case "iteration on a device" if row["algorithm"] == "HIO":
            limit = PAIR_LIMITS.get((row["size"], row["runs"]))
            if limit is not None:
                runs = "one run" if row["runs"] == 1 else f"{row['runs']} runs"
                yield Target.of(f"HIO iteration / cuFFT pair, {side}, {runs}", row["ratio_to_pair"], limit, "<=", "×")
        case "job on a device" if row["size"] == JOB_SIDE:
            name = f"{row['runs']} runs of {row['iterations']} iterations, {side}"
            yield Target.of(name, row["job_s"], JOB_LIMIT_S, "<=", "s")


HEADINGS = ("size", "what", "runs", "a second", "Mvoxel·it/s", "ms", "FFT pair, ms", "ratio", "of")


def cells(row: Row) -> tuple[str, ...]:
    """A row for people, below HEADINGS; a second: iterations of all runs together."""
    side, runs = f"{row['size']}³", f"{row['runs']}"
    match row["measured"]:
        case "iteration on a device":
            million = f"{row['voxel_iterations_per_s'] / 1e6:.0f}"
            times = (f"{1e3 * row['iteration_s']:.3f}", f"{1e3 * row['pair_s']:.3f}")
            rate, ratio = f"{row['start_iterations_per_s']:.4g}", f"{row['ratio_to_pair']:.2f}"
            return (side, row["algorithm"], runs, rate, million, *times, ratio, "a cuFFT pair")
        case "shrinkwrap on a device":
            took, ratio = f"{1e3 * row['update_s']:.3f}", f"{row['ratio_to_iteration']:.2f}"
            return (side, "shrinkwrap", runs, "", "", took, "", ratio, "an HIO iteration")
        case _:
            return (
                side,
                f"{row['iterations']} iterations",
                runs,
                "",
                "",
                f"{1e3 * row['job_s']:.0f}",
                "",
                "",
                "the job",
            )


def _population(device: Device, data: bench.Crystal, runs: int) -> CudaPopulation:
    """As many of the runs as fit, each of which has done an iteration of each kind: compiled, planned, in memory."""
    side = data.support.shape[0]
    room = cuda_memory.room((side, side, side), runs, device.free_bytes())
    made = CudaPopulation(device, room.runs)
    made.load(data.amplitude)
    for slot in range(made.runs):
        made.put(slot, data.obj, data.support)
    for algorithm in ALGORITHMS:
        made.iterate(range(made.runs), algorithm, bench.BETA, 2)
    return made


def _pair(device: Device, side: int, batch: int) -> Callable[[int], None]:
    """Forward and inverse transform of a batch of cubes, in place, and nothing else: the limit."""
    pitch = cuda_memory.pitch((side, side, side))
    cubes, transform = device.zeros((batch, pitch), np.complex64), device.transform((side, side, side), batch, pitch)

    def work(times: int) -> None:
        for _ in range(times):
            transform.forward(cubes, cubes)
            transform.backward(cubes, cubes)
        device.fetch(cubes[0, :1])

    return work


def _rounds(seconds: float) -> Iterator[None]:
    """Until the time is up, but a few at least."""
    done, end = 0, perf_counter() + seconds
    while done < bench.FEWEST_ROUNDS or perf_counter() < end:
        yield
        done += 1


def _often(work: Callable[[int], object]) -> int:
    """How many times make the work last long enough to be timed; the first time does not count."""
    work(2)
    return max(2, round(bench.SHORTEST_S / _each(work, 2)))


def _each(work: Callable[[int], object], times: int) -> float:
    began = perf_counter()
    work(times)
    return (perf_counter() - began) / times
