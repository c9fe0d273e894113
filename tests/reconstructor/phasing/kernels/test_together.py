"""Runs of the engine on one device: each as if it were alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from reconstructor.phasing import engine
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cuda
from reconstructor.phasing.kernels.cpu import choose
from reconstructor.phasing.kernels.cuda_kernel import CudaKernel
from reconstructor.phasing.kernels.cuda_population import CudaPopulation
from reconstructor.phasing.kernels.together import together
from reconstructor.phasing.notation import parse
from reconstructor.phasing.problem import Estimate, PhasingError, Problem, free_llk
from tests.reconstructor.phasing.kernels.emulated_cupy import Emulated
from tests.reconstructor.phasing.kernels.test_fused import crystal

RECIPE = parse("Sup(every=4) * Twin(at=0.2, iterations=2) * HIO**8 * ER**4", "short")


def problem(seed: int = 1) -> Problem:
    """A small one."""
    amplitude, *_ = crystal((16, 16, 16), seed)
    known = amplitude >= 0
    return Problem(np.square(np.maximum(amplitude, 0)), known, np.zeros_like(known))


def run(seed: int, of: Problem) -> Callable[[Kernel], Estimate]:
    """All of one run."""

    def do(kernel: Kernel) -> Estimate:
        *_, last = engine.run(RECIPE, of, None, kernel, seed)
        return last

    return do


def test_runs_of_the_engine_together_equal_runs_apart(emulated: Emulated) -> None:
    """Five runs on a population of three, seed by seed the bits of one run alone; and in batches."""
    found = together([run(seed, problem()) for seed in range(5)], CudaPopulation(cuda.Device(), 3))
    launched = len(emulated.launches)
    for seed, one in enumerate(found):
        alone = run(seed, problem())(CudaKernel())
        assert isinstance(one, Estimate)
        assert (one.obj == alone.obj).all()
        assert one.iterate_r == alone.iterate_r
    # two batches did the work of five runs
    assert launched < 0.6 * (len(emulated.launches) - launched)


def test_a_run_that_fails_leaves_the_others_alone(emulated: Emulated) -> None:
    """Its error stands in its place; the others go on without it."""

    def failing(kernel: Kernel) -> Estimate:
        _, obj, support = crystal((16, 16, 16))
        kernel.load(engine.amplitude(problem()))
        kernel.put(obj, support)
        kernel.shrink(1.0, 0.3, (0.9, 1.0))
        raise AssertionError("unreachable")

    first, second, third = together([run(0, problem()), failing, run(1, problem())], CudaPopulation(cuda.Device(), 3))
    assert isinstance(second, PhasingError)
    assert "wanted a share of 0.9 to 1" in str(second)
    for seed, one in ((0, first), (1, third)):
        assert isinstance(one, Estimate)
        assert (one.obj == run(seed, problem())(CudaKernel()).obj).all()


@pytest.mark.gpu
def test_twenty_long_runs_are_as_good_as_the_processor_s(grown_crystal) -> None:
    """Long runs are chaotic, so no two kernels end alike: over 20 seeds neither is better, by overlap or free LLK."""
    if reason := cuda.unavailable():
        pytest.skip(reason)
    made = grown_crystal(0)
    recipe = parse("Sup(every=10) * HIO**150 * ER**50", "long")

    def ended(kernel: Kernel, seed: int) -> Estimate:
        *_, last = engine.run(recipe, made.problem, None, kernel, seed, every=200)
        return last

    kernel = choose(made.problem.shape)
    device = together([partial(ended, seed=seed) for seed in range(20)], CudaPopulation(cuda.Device(), 20))
    processor = [ended(kernel, seed) for seed in range(20)]
    assert all(isinstance(one, Estimate) for one in device)
    for score in (free_llk, lambda one: overlap(made.truth, one.obj)):
        # chance alone makes a difference like this once in a thousand times
        assert mannwhitneyu(*([score(one) for one in each] for each in (device, processor))).pvalue > 1e-3


def test_runs_on_different_data_are_refused(emulated: Emulated) -> None:
    """Data that differ end the runs that brought them, with a reason."""
    found = together([run(0, problem(1)), run(0, problem(2))], CudaPopulation(cuda.Device(), 2))
    for one in found:
        assert isinstance(one, PhasingError)
        assert "2 of 2 runs load data that differ together; wanted all of them to load the same" in str(one)


def test_a_fault_of_the_device_ends_all_runs(emulated: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes out where the runs were called, and no thread stays behind."""
    population = CudaPopulation(cuda.Device(), 2)

    def broken(*_: object) -> None:
        raise MemoryError("out of memory allocating 1 byte")

    monkeypatch.setattr(population, "iterate", broken)
    with pytest.raises(MemoryError, match="out of memory"):
        together([run(0, problem()), run(1, problem())], population)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("together")]


def test_a_fault_of_a_run_is_raised(emulated: Emulated) -> None:
    """When the others are over."""

    def faulty(kernel: Kernel) -> Estimate:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        together([run(0, problem()), faulty], CudaPopulation(cuda.Device(), 2))
