"""Runs on a device together: the same as apart, in batches that fit, without waiting in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reconstructor.phasing.kernel import Shrunk
from reconstructor.phasing.kernels import cuda, cuda_memory
from reconstructor.phasing.kernels.cuda_kernel import CudaKernel
from reconstructor.phasing.kernels.cuda_population import GRAPH_ITERATIONS, CudaPopulation
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import PhasingError, Shape
from reconstructor.phasing.quality import deviance
from tests.reconstructor.phasing.kernels.emulated_cupy import Emulated
from tests.reconstructor.phasing.kernels.test_fused import crystal, far

SHAPE: Shape = (15, 16, 17)


def filled(runs: int) -> tuple[CudaPopulation, list[tuple[np.ndarray, np.ndarray]]]:
    """A population with data, and a start of its own in each slot."""
    amplitude, obj, support = crystal(SHAPE)
    population = CudaPopulation(cuda.Device(), runs)
    population.load(amplitude)
    rng = np.random.default_rng(0)
    starts = []
    for slot in range(runs):
        start = (obj * rng.uniform(0.5, 1.5, SHAPE)).astype(np.complex64), np.roll(support, slot % 3, axis=1)
        population.put(slot, *start)
        starts.append(start)
    return population, starts


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_runs_together_equal_runs_apart(emulate: Callable[..., Emulated], batch: int) -> None:
    """Whatever the batch, and for some of the runs only: each gets what it gets alone, the others stay."""
    each = cuda_memory.pitch(SHAPE)
    emulate(cuda_memory.needed(SHAPE, 4, batch) + 8 * each)
    population, starts = filled(4)
    assert population.batch == batch
    amplitude = crystal(SHAPE)[0]
    slots = [3, 0, 2]
    found = population.iterate(slots, "RAAR", 0.9, 3)
    shrunk = population.shrink(slots, 1.0, [0.2, 0.4, 0.3], (1e-4, 0.7))
    for slot, threshold, sums, one in zip(slots, (0.2, 0.4, 0.3), found, shrunk, strict=True):
        reference = ReferenceKernel()
        reference.load(amplitude)
        reference.put(*starts[slot])
        np.testing.assert_allclose(sums, reference.iterate("RAAR", 0.9, 3), rtol=1e-4)
        assert far(population.obj(slot), reference.obj()) < 1e-5
        assert one == pytest.approx(reference.shrink(1.0, threshold, (1e-4, 0.7)))
        assert (population.support(slot) == reference.support()).all()
    assert (population.obj(1) == starts[1][0]).all()
    assert (population.support(1) == starts[1][1]).all()


def test_a_support_that_vanishes_ends_one_run_only(emulated: Emulated) -> None:
    """Its error is returned in its place, its support stays; the other runs are updated."""
    population, starts = filled(3)
    population.put(1, np.full(SHAPE, np.nan, np.complex64), starts[1][1])
    first, second, third = population.shrink([0, 1, 2], 1.0, [0.3] * 3, (1e-4, 0.7))
    assert isinstance(first, Shrunk)
    assert isinstance(third, Shrunk)
    assert isinstance(second, PhasingError)
    assert "RMS inside its support is nan" in str(second)
    assert (population.support(1) == starts[1][1]).all()
    assert first.voxels == population.support(0).sum()


def test_the_host_waits_once_a_call(emulated: Emulated) -> None:
    """However many iterations and runs: sums of the whole batch are fetched in one piece, a shrinkwrap's too."""
    population, _ = filled(3)
    for work in (
        lambda: population.iterate([0, 1, 2], "HIO", 0.9, 25),
        lambda: population.iterate([0, 1, 2], "DM", 0.9, 4),
        lambda: population.iterate([0, 1, 2], "CF", 0.3, 4),
        lambda: population.shrink([0, 1, 2], 1.0, [0.3] * 3, (1e-4, 0.7)),
    ):
        before = emulated.fetches
        work()
        assert emulated.fetches == before + 1


def test_an_iteration_is_two_kernels_of_ours(emulated: Emulated) -> None:
    """Besides the transforms HIO launches modulus and update and nothing else; what is measured costs no pass."""
    population, _ = filled(2)
    population.iterate([0, 1], "HIO", 0.9, 3)
    assert emulated.launches == ["gather", *["modulus", "update"] * 3, "totals"]


@pytest.mark.parametrize("algorithm", ["HIO", "DM", "CF"])
def test_graphs_give_the_same_bits(emulated: Emulated, monkeypatch: pytest.MonkeyPatch, algorithm: str) -> None:
    """Iterations recorded once and repeated, for other runs than those recorded, equal those done one by one."""
    population, _ = filled(3)
    plain, _ = filled(3)
    for slots in ([0, 1], [2, 0], [1, 2]):
        found = population.iterate(slots, algorithm, 0.7, GRAPH_ITERATIONS + 2)
        with monkeypatch.context() as patch:
            patch.setattr("reconstructor.phasing.kernels.cuda_population.GRAPH_VOXELS", 0)
            assert plain.iterate(slots, algorithm, 0.7, GRAPH_ITERATIONS + 2) == found
    assert emulated.graphs == 2  # the first call, which does everything for the first time, records nothing
    for slot in range(3):
        assert (population.obj(slot) == plain.obj(slot)).all()


def test_the_deviance_of_the_iterate_comes_with_its_sums(emulated: Emulated) -> None:
    """It is that of `quality`, in double precision, within 1e-4, from faint to bright voxels."""
    population, starts = filled(1)
    amplitude = crystal(SHAPE)[0]
    wave = np.abs(np.fft.fftshift(np.fft.fftn(starts[0][0].astype(complex)))) ** 2
    known = amplitude >= 0
    population.iterate([0], "ER", 0.9, 1)
    wanted = deviance(wave[known], amplitude[known].astype(float) ** 2).sum()
    assert population.deviance[0] == pytest.approx(wanted, rel=1e-4)


def test_memory_is_told_before_it_is_taken(emulated: Emulated) -> None:
    """What arrays and work area take is what was said, within the spare."""
    said = cuda_memory.needed((64, 64, 64), 5, 5)
    population = CudaPopulation(cuda.Device(), 5)
    population.load(np.ones((64, 64, 64), np.float32))
    # the emulated transform takes no work area
    taken = emulated.taken + 5 * 8 * 64**3 + 8 * 64**3
    assert said - 64 * 2**20 <= taken <= said


def test_too_little_memory_is_told_before_any_is_taken(emulate: Callable[..., Emulated]) -> None:
    """Too little for one run, or for so many."""
    emulated = emulate(2**20)
    with pytest.raises(PhasingError, match=r"a run on \(64, 64, 64\) voxels takes 0\.07 GiB of the device's memory"):
        CudaKernel().load(np.ones((64, 64, 64), np.float32))
    emulated.free_bytes = cuda_memory.needed((64, 64, 64), 3, 1)
    with pytest.raises(PhasingError, match=r"9 runs on \(64, 64, 64\) voxels; wanted at most 3"):
        CudaPopulation(cuda.Device(), 9).load(np.ones((64, 64, 64), np.float32))
    assert emulated.taken == 0


def test_coherent_and_blurred_runs_are_not_mixed(emulated: Emulated) -> None:
    """Partial coherence holds for all runs of a call or for none; blurred ones go one at a time."""
    population, _ = filled(2)
    psf = np.full((1, 3, 1), 1 / 3, np.float32)
    population.blur(0, psf)
    with pytest.raises(PhasingError, match="1 of 2 runs are fully coherent; wanted all of them or none"):
        population.iterate([0, 1], "ER", 0.9, 1)
    population.blur(1, psf)
    population.iterate([0, 1], "ER", 0.9, 1)
    assert emulated.launches.count("convolve") == 2


def test_a_missing_device_is_told_in_one_line(emulate: Callable[..., Emulated]) -> None:
    """No CuPy, or no device behind it: a reason in one line, and an error with it when one is asked for."""
    emulate(devices=0)
    reason = cuda.unavailable()
    assert reason == "there is no CUDA device (cudaErrorNoDevice: no CUDA-capable device is detected)"
    with pytest.raises(PhasingError, match="no CUDA-capable device is detected\\); wanted one for the CUDA kernel"):
        CudaKernel()
