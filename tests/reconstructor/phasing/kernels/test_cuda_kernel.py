"""The CUDA kernel equals the reference: its own source, on an emulated device, and on a real one where there is one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reconstructor.phasing import coherence, engine
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cuda
from reconstructor.phasing.kernels.cuda_kernel import CudaKernel
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.notation import parse
from reconstructor.phasing.problem import PhasingError, Problem, Shape
from reconstructor.phasing.steps import Algorithm
from tests.reconstructor.phasing.kernels.emulated_cupy import Emulated
from tests.reconstructor.phasing.kernels.test_fused import crystal, far

PROJECTING: tuple[Algorithm, ...] = ("ER", "HIO", "RAAR", "DM", "SF", "CF")
SHAPES: list[Shape] = [(32, 16, 16), (17, 15, 19), (15, 28, 12)]


@pytest.fixture(params=["emulated", pytest.param("real", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> cuda.Device:
    """A device to run on."""
    if request.param == "emulated":
        request.getfixturevalue("emulate")()
    elif reason := cuda.unavailable():
        pytest.skip(reason)
    return cuda.Device()


def told(shape: Shape, seed: int = 1) -> tuple[Problem, np.ndarray, np.ndarray, np.ndarray]:
    """A problem with response and background, its amplitudes, an object on their scale and a support."""
    amplitude, obj, support = crystal(shape, seed)
    known = amplitude >= 0
    rng = np.random.default_rng(seed)
    response = rng.uniform(0.8, 1.2, shape).astype(np.float32)
    counts = rng.poisson(response * np.square(np.maximum(amplitude, 0))).astype(np.float32)
    power = np.sum(np.square(amplitude), where=known) / amplitude.size / np.sum(np.abs(obj[support]) ** 2)
    scaled = (obj * np.sqrt(power)).astype(np.complex64)
    return Problem(counts, known, ~known & False, response, 0.01), amplitude, scaled, support


def agree(kernel: Kernel, reference: Kernel, algorithm: Algorithm, iterations: int, within: float = 1e-5) -> None:
    """Do the same with both, and find the same."""
    found = kernel.iterate(algorithm, 0.9, iterations)
    wanted = reference.iterate(algorithm, 0.9, iterations)
    assert far(kernel.obj(), reference.obj()) < within
    np.testing.assert_allclose(found, wanted, rtol=10 * within)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_algorithm_equals_the_reference(device: cuda.Device, shape: Shape) -> None:
    """One step and five, object and sums, for even and odd axes, an odd number of voxels, unknown ones and zeros."""
    amplitude, obj, support = crystal(shape)
    kernel, reference = CudaKernel(device), ReferenceKernel()
    for each in (kernel, reference):
        each.load(amplitude)
    assert kernel.shape == reference.shape == shape
    for algorithm in PROJECTING:
        for iterations in (1, 5):
            for each in (kernel, reference):
                each.put(obj, support)
            agree(kernel, reference, algorithm, iterations)


def test_a_chain_equals_the_reference(device: cuda.Device) -> None:
    """Algorithms, supports and data one after another: nothing stale comes back."""
    kernel, reference = CudaKernel(device), ReferenceKernel()
    for shape in (SHAPES[0], SHAPES[1], SHAPES[0]):
        amplitude, obj, support = crystal(shape)
        for each in (kernel, reference):
            each.load(amplitude)
            each.put(obj, support)
        agree(kernel, reference, "RAAR", 2)
        found, wanted = (each.shrink(1.0, 0.2, (1e-4, 0.7)) for each in (kernel, reference))
        assert abs(found.voxels - wanted.voxels) <= 2
        for each in (kernel, reference):
            each.restrict(reference.support())
        agree(kernel, reference, "ER", 2)
        agree(kernel, reference, "CF", 1)
        agree(kernel, reference, "DM", 1)


@pytest.mark.parametrize("algorithm", ["ER", "CF", "DM"])
def test_partial_coherence_equals_the_reference(device: cuda.Device, algorithm: Algorithm) -> None:
    """A lopsided psf with unequal sides, then full coherence again."""
    shape: Shape = (17, 15, 20)
    amplitude, obj, support = crystal(shape)
    psf = coherence.pseudo_voigt(2, 1.5)[:, 1:4] * np.linspace(1, 2, 5, dtype=np.float32)
    kernel, reference = CudaKernel(device), ReferenceKernel()
    for each in (kernel, reference):
        each.load(amplitude)
        each.blur((psf / psf.sum()).astype(np.float32))
        each.put(obj, support)
    agree(kernel, reference, algorithm, 3)
    for each in (kernel, reference):
        each.blur(None)
    agree(kernel, reference, algorithm, 1)


@pytest.mark.parametrize("blurred", [False, True])
def test_maximum_likelihood_equals_the_reference(device: cuda.Device, blurred: bool) -> None:
    """With response, background and unknown voxels, coherent or not: the same object after a few iterations."""
    problem, amplitude, obj, support = told((15, 28, 20))
    kernel, reference = CudaKernel(device), ReferenceKernel()
    for each in (kernel, reference):
        each.load(amplitude, problem)
        each.blur(coherence.pseudo_voigt(1, 1.0) if blurred else None)
        each.put(obj, support)
    # a line search that stops one evaluation earlier or later tells rounding apart
    agree(kernel, reference, "ML", 3, within=1e-4)


def test_maximum_likelihood_asks_for_counts_and_memory(emulate: Callable[..., Emulated]) -> None:
    """Without counts, and without memory for what it needs on the way, ML is refused."""
    problem, amplitude, obj, support = told((32, 32, 32))
    emulated = emulate()
    kernel = CudaKernel()
    kernel.load(amplitude)
    kernel.put(obj, support)
    with pytest.raises(PhasingError, match="ML without raw counts; wanted a kernel that was given the problem"):
        kernel.iterate("ML", 0.9, 1)
    kernel.load(amplitude, problem)
    emulated.free_bytes = 1000
    with pytest.raises(PhasingError, match=r"ML takes .* more of the device's memory, where 0\.00 GiB are free"):
        kernel.iterate("ML", 0.9, 1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shrinkwrap_equals_the_reference(device: cuda.Device, shape: Shape) -> None:
    """Supports, their count, the threshold used and the snapshot; by RMS, mean and maximum, growing or not, with a
    threshold that has to give way up or down."""
    amplitude, obj, support = crystal(shape)
    kernel, reference = CudaKernel(device), ReferenceKernel()
    for each in (kernel, reference):
        each.load(amplitude)
    for asked in (
        (2.0, 0.2, (1e-4, 0.7), "rms", True),
        (0.5, 0.6, (1e-4, 0.7), "mean", True),
        (1.0, 3.0, (0.02, 0.7), "rms", True),
        (1.0, 0.4, (0.01, 0.05), "mean", True),
        (1.5, 0.1, (1e-4, 0.7), "max", False),
    ):
        for each in (kernel, reference):
            each.put(obj, support)
        found, wanted = (each.shrink(*asked) for each in (kernel, reference))
        assert found.threshold == pytest.approx(wanted.threshold)
        assert (kernel.support() != reference.support()).sum() <= 2  # rounding may put a voxel on either side
        assert found.voxels == kernel.support().sum()
        inside = np.zeros(shape, np.complex64)
        corner, block, _ = kernel.snapshot()
        inside[tuple(slice(c, c + n) for c, n in zip(corner, block.shape, strict=True))] = block
        assert (inside == np.where(kernel.support(), obj, 0)).all()


def test_a_support_that_vanishes_is_told_as_by_the_reference(device: cuda.Device) -> None:
    """The same error from both kernels, and the same for NaN in the object, by every level; supports stay."""
    amplitude, obj, support = crystal((16, 16, 16))
    bad = obj.copy()
    bad[8, 8, 8] = np.nan
    for each in (CudaKernel(device), ReferenceKernel()):
        each.load(amplitude)
        each.put(obj, support)
        with pytest.raises(PhasingError, match=r"the support is \d+ of 4096 voxels .* wanted a share of 0\.9 to 1"):
            each.shrink(1.0, 0.3, (0.9, 1.0))
        assert (each.support() == support).all()
        with pytest.raises(PhasingError, match="the support is empty: 0 of 4096 voxels; wanted at least one"):
            each.put(obj, support & False)
        each.put(bad, support)
        for by in ("rms", "mean", "max"):
            with pytest.raises(PhasingError, match="inside its support is nan; wanted a finite number above 0"):
                each.shrink(1.0, 0.3, (1e-4, 0.7), by)
        assert not np.isfinite(each.iterate("HIO", 0.9, 1).total)


def test_wrong_shapes_are_told(device: cuda.Device) -> None:
    """Object, support and problem must have the shape of the data, and there must be data."""
    amplitude, obj, support = crystal((16, 16, 16))
    kernel = CudaKernel(device)
    with pytest.raises(PhasingError, match="the kernel has no data; wanted load"):
        kernel.put(obj, support)
    with pytest.raises(PhasingError, match=r"the problem has shape \(16, 16, 16\); wanted that of the data"):
        kernel.load(amplitude[:8], told((16, 16, 16))[0])
    kernel.load(amplitude)
    with pytest.raises(PhasingError, match=r"the object has shape \(16, 16, 8\); wanted that of the data"):
        kernel.put(obj[:, :, :8], support)
    with pytest.raises(PhasingError, match=r"the support has shape \(16, 16, 8\); wanted that of the object"):
        kernel.restrict(support[:, :, :8])
    with pytest.raises(PhasingError, match=r"the psf has shape \(2, 3, 3\); wanted three odd sizes"):
        kernel.blur(np.full((2, 3, 3), 1 / 18, np.float32))


def test_a_whole_run_equals_the_reference(device: cuda.Device) -> None:
    """The engine goes through low resolution, support updates, twin removal, partial coherence and likelihood alike."""
    problem, *_ = told((32, 32, 32), seed=3)
    settings = "Sup(every=5) * Twin(at=0.2, iterations=2) * Coherent(at=0.6, every=5, reach=1, iterations=2)"
    recipe = parse(f"Crop(0.5) * ER**4 | {settings} * HIO**10 * ER**5 * ML**3", "short")
    ends = []
    for kernel in (CudaKernel(device), ReferenceKernel()):
        *_, last = engine.run(recipe, problem, None, kernel, seed=1)
        assert last.last
        ends.append(last)
    assert overlap(ends[0].obj, ends[1].obj) > 0.999
    assert ends[0].misfit.llk == pytest.approx(ends[1].misfit.llk, rel=0.02)
