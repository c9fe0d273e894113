"""The fused kernel equals the reference, on every shape and with any number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import PhasingError, Shape
from reconstructor.phasing.steps import LINEAR, Algorithm
from reconstructor.phasing.support import smoothed

pytestmark = pytest.mark.skipif(not cpu.FUSED, reason="needs the extra cpu")

SHAPES: list[Shape] = [(32, 32, 32), (64, 64, 64), (33, 27, 45), (48, 32, 80), (17, 30, 19), (20, 128, 24)]


@contextmanager
def fused(threads: int) -> Iterator[Kernel]:
    """A fused kernel whose threads, if it has any, end with the test."""
    from reconstructor.phasing.kernels.fused import FusedKernel

    kernel = FusedKernel(threads)
    try:
        yield kernel
    finally:
        if kernel._pool is not None:
            kernel._pool.shutdown()


def crystal(shape: Shape, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amplitudes with zeros, noise and unknown voxels among them, an object unlike them, and a support."""
    rng = np.random.default_rng(seed)
    axes = [(np.arange(n) - n // 2) / n for n in shape]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    support = (np.abs(z) < 0.23) & (np.abs(y + 0.3 * z) < 0.2) & (x * x + z * y < 0.04) & (x < 0.17)
    body = support * np.exp(1j * (3 * x + 20 * y * z))
    wave = np.fft.fftshift(np.fft.fftn(body))
    wave *= np.sqrt(60.0 * wave.size / np.sum(np.abs(wave) ** 2))
    amplitude = np.sqrt(rng.poisson(np.abs(wave) ** 2)).astype(np.float32)
    amplitude[-3:] = -1
    amplitude[:, 4:6, 2:7] = -1
    start = body * rng.random(shape) + 0.05 * rng.standard_normal(shape)
    return amplitude, start.astype(np.complex64), support


def far(a: np.ndarray, b: np.ndarray) -> float:
    """‖a − b‖ / ‖b‖"""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def agree(kernel: Kernel, reference: Kernel, algorithm: Algorithm, iterations: int) -> None:
    """Do the same with both, and find the same."""
    found = kernel.iterate(algorithm, 0.9, iterations)
    wanted = reference.iterate(algorithm, 0.9, iterations)
    assert far(kernel.obj(), reference.obj()) < 1e-5
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_algorithm_equals_the_reference(shape: Shape, threads: int) -> None:
    """One step and five, object and sums, for even, odd, prime and unequal axes."""
    amplitude, obj, support = crystal(shape)
    reference = ReferenceKernel()
    with fused(threads) as kernel:
        for each in (kernel, reference):
            each.load(amplitude)
        assert kernel.shape == reference.shape == shape
        for algorithm in LINEAR:
            for iterations in (1, 5):
                for each in (kernel, reference):
                    each.put(obj, support)
                agree(kernel, reference, algorithm, iterations)


@pytest.mark.parametrize(("shape", "threads"), [((96, 96, 96), 1), ((128, 64, 96), 2)], ids=str)
def test_large_windows_equal_the_reference(shape: Shape, threads: int) -> None:
    """From 96³ on, where planes and rows are cut into other pieces: all algorithms in a row."""
    amplitude, obj, support = crystal(shape)
    reference = ReferenceKernel()
    with fused(threads) as kernel:
        for each in (kernel, reference):
            each.load(amplitude)
            each.put(obj, support)
        for algorithm in LINEAR:
            agree(kernel, reference, algorithm, 1)


def test_a_chain_with_shrinkwrap_equals_the_reference(small) -> None:
    """ER, where empty planes are left out, then other algorithms and supports: nothing stale comes back."""
    amplitude, obj, support = crystal((48, 32, 80))
    reference = ReferenceKernel()
    with fused(1) as kernel:
        for each in (kernel, reference):
            each.load(amplitude)
            each.put(obj, support)
        agree(kernel, reference, "ER", 3)
        for each in (kernel, reference):
            each.restrict(np.roll(support, 4, axis=0))
        agree(kernel, reference, "HIO", 1)
        found, wanted = (each.shrink(1.0, 0.2, (1e-4, 0.7)) for each in (kernel, reference))
        assert abs(found.voxels - wanted.voxels) <= 2
        assert found.threshold == pytest.approx(wanted.threshold)
        for each in (kernel, reference):
            each.restrict(reference.support())
        agree(kernel, reference, "ER", 4)
        agree(kernel, reference, "RAAR", 1)
        agree(kernel, reference, "ER", 1)


@pytest.mark.parametrize("algorithm", ["HIO", "DM", "RAAR"])
def test_the_object_and_its_transform_stay_together(algorithm: Algorithm) -> None:
    """Both are carried along by sums of their own: after hundreds of iterations they still tell of one object, and
    what a support grows into is fetched from the transform."""
    amplitude, obj, support = crystal((32, 32, 32))
    with fused(1) as kernel:
        kernel.load(amplitude)
        kernel.put(obj, support)
        kernel.iterate(algorithm, 0.9, 400)
        corner, block, inside = kernel.snapshot()
        box = tuple(slice(c, c + n) for c, n in zip(corner, block.shape, strict=True))
        whole = kernel.obj()
        assert far(block[inside], whole[box][inside]) < 1e-4
        kernel.restrict(np.ones_like(support))
        assert far(kernel.snapshot().block, whole) < 1e-5


@pytest.mark.parametrize("how", ["shrink", "restrict"])
def test_er_forgets_what_a_smaller_support_leaves_out(how: str) -> None:
    """Planes without support are skipped: when an update drops a part of the object, that part is still transformed
    once, as by the reference."""
    rng = np.random.default_rng(2)
    shape = (48, 96, 96)
    support = np.zeros(shape, np.bool_)
    support[6:14, 40:60, 40:60] = support[24:40, 40:60, 40:60] = True
    obj = (support * np.exp(3j * rng.random(shape))).astype(np.complex64)
    obj[:20] *= np.float32(0.1)
    amplitude = (np.abs(np.fft.fftshift(np.fft.fftn(obj))) * rng.uniform(0.8, 1.2, shape)).astype(np.float32)
    reference = ReferenceKernel()
    with fused(1) as kernel:
        for each in (kernel, reference):
            each.load(amplitude)
            each.put(obj, support)
        agree(kernel, reference, "ER", 2)
        for each in (kernel, reference):
            if how == "shrink":
                each.shrink(0.5, 0.4, (1e-4, 0.7))
            else:
                each.restrict(support & (np.arange(48) > 20)[:, None, None])
        assert not kernel.support()[:20].any()
        assert (kernel.support() == reference.support()).all()
        agree(kernel, reference, "ER", 3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shrinkwrap_equals_the_reference(shape: Shape) -> None:
    """Supports, their count, the threshold used and the snapshot, over the widths a recipe goes through."""
    amplitude, obj, support = crystal(shape)
    reference = ReferenceKernel()
    with fused(1) as kernel:
        for each in (kernel, reference):
            each.load(amplitude)
        for sigma, threshold, fraction in ((2.0, 0.2, (1e-4, 0.7)), (0.5, 0.6, (1e-4, 0.7)), (1.0, 3.0, (0.02, 0.7))):
            for each in (kernel, reference):
                each.put(obj, support)
            found, wanted = (each.shrink(sigma, threshold, fraction) for each in (kernel, reference))
            assert found.threshold == pytest.approx(wanted.threshold)
            assert (kernel.support() != reference.support()).sum() <= 2  # rounding may put a voxel on either side
            assert found.voxels == kernel.support().sum()
            inside = np.zeros(shape, np.complex64)
            corner, block, _ = kernel.snapshot()
            inside[tuple(slice(c, c + n) for c, n in zip(corner, block.shape, strict=True))] = block
            assert (inside == np.where(kernel.support(), obj, 0)).all()


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 3.3])
def test_the_fast_smoothing_equals_the_plain_one(sigma: float) -> None:
    """The whole block and a part of it, for odd and short blocks too."""
    from reconstructor.phasing.kernels.smoothing import smooth

    rng = np.random.default_rng(1)
    for shape in ((20, 21, 37), (5, 40, 3)):
        obj = (rng.random(shape, np.float32) * np.exp(6j * rng.random(shape, np.float32))).astype(np.complex64)
        support = (rng.random(shape) < 0.7).astype(np.uint8)
        for part in ((slice(None),) * 3, (slice(1, 4), slice(7, 19), slice(1, 3))):
            found = smooth(obj[part], support[part], sigma)
            np.testing.assert_allclose(found, smoothed(obj[part], support[part], sigma), atol=2e-6)


def test_a_support_that_vanishes_is_told_as_by_the_reference() -> None:
    """The same error from both kernels, and the same for NaN in the object, in spite of fast arithmetic."""
    amplitude, obj, support = crystal((32, 32, 32))
    bad = obj.copy()
    bad[16, 16, 16] = np.nan
    with fused(1) as kernel:
        for each in (kernel, ReferenceKernel()):
            each.load(amplitude)
            each.put(obj, support)
            with pytest.raises(PhasingError, match=r"the support is .* wanted a share of 0\.9 to 1"):
                each.shrink(1.0, 0.3, (0.9, 1.0))
            with pytest.raises(PhasingError, match="the support is empty: 0 of 32768 voxels; wanted at least one"):
                each.put(obj, support & False)
            each.put(bad, support)
            with pytest.raises(PhasingError, match="RMS inside its support is nan; wanted a finite number"):
                each.shrink(1.0, 0.3, (1e-4, 0.7))
            assert not np.isfinite(each.iterate("HIO", 0.9, 1).total)


def test_wrong_shapes_are_told() -> None:
    """Object and support must have the shape of the data; a kernel has a thread."""
    amplitude, obj, support = crystal((32, 32, 32))
    with fused(1) as kernel:
        kernel.load(amplitude)
        with pytest.raises(PhasingError, match=r"the object has shape \(32, 32, 16\); wanted that of the data"):
            kernel.put(obj[:, :, :16], support)
        with pytest.raises(PhasingError, match=r"the support has shape \(32, 32, 16\); wanted that of the data"):
            kernel.put(obj, support[:, :, :16])
    with pytest.raises(PhasingError, match="a kernel with 0 threads; wanted at least 1"), fused(0):
        pass


def test_a_kernel_takes_other_data_and_other_shapes() -> None:
    """After another shape and back, and beside another instance, it gives what a new one gives."""
    small, large = crystal((32, 32, 32)), crystal((48, 32, 80))
    with fused(1) as kernel, fused(1) as beside, fused(1) as new:
        for amplitude, obj, support in (large, small, large, small):
            kernel.load(amplitude)
            kernel.put(obj, support)
            beside.load(large[0])
            beside.put(large[1], large[2])
            kernel.iterate("HIO", 0.9, 2)
            beside.iterate("ER", 0.9, 1)
            kernel.iterate("RAAR", 0.9, 1)
        new.load(small[0])
        new.put(small[1], small[2])
        new.iterate("HIO", 0.9, 2)
        new.iterate("RAAR", 0.9, 1)
        assert (kernel.obj() == new.obj()).all()


@pytest.mark.parametrize(("algorithm", "calls"), [("HIO", 2), ("ER", 2), ("DM", 4)])
def test_an_iteration_is_a_call_a_sweep(algorithm: Algorithm, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter is asked twice an iteration, however many pieces there are: runs in other threads wait for it."""
    from reconstructor.phasing.kernels import sweeps

    made: list[str] = []

    def counted(name: str) -> None:
        sweep = getattr(sweeps, name)
        monkeypatch.setattr(sweeps, name, lambda *arguments: made.append(name) or sweep(*arguments))

    for name in ("modulus_sweep", "update_sweep", "split_sweep", "rejoin_sweep", "gather_sweep", "forward_sweep"):
        counted(name)
    amplitude, obj, support = crystal((64, 64, 64))
    with fused(1) as kernel:
        kernel.load(amplitude)
        kernel.put(obj, support)
        made.clear()
        kernel.iterate(algorithm, 0.9, 3)
    assert len(made) == 3 * calls


def test_wisdom_is_learnt_and_kept() -> None:
    """What FFTW measured comes out as bytes and is taken again; rubbish is refused without an error."""
    from reconstructor.phasing.kernels import plans

    with fused(1) as kernel:
        kernel.load(crystal((32, 32, 32))[0])
    kept = plans.wisdom()
    assert b"fftw" in kept
    assert plans.learn(kept)
    assert not plans.learn(b"(nonsense)")
