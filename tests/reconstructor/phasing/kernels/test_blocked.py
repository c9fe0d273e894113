"""The kernel of the base installation equals the reference."""

from __future__ import annotations

import numpy as np
import pytest

from reconstructor.phasing.kernels.blocked import BlockedKernel
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import PhasingError, Shape
from reconstructor.phasing.steps import LINEAR


def data(shape: Shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise for amplitudes (some zero, some unknown) and object, and a box for support."""
    rng = np.random.default_rng(2)
    amplitude = np.abs(rng.standard_normal(shape)).astype(np.float32) * (rng.random(shape) < 0.8)
    amplitude[rng.random(shape) < 0.1] = -1
    obj = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    support = np.zeros(shape, np.bool_)
    support[tuple(slice(n // 4, n - n // 4) for n in shape)] = True
    return amplitude.astype(np.float32), obj, support


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(32, 32, 32), (33, 20, 47), (48, 64, 16)], ids=str)
def test_each_algorithm_equals_the_reference(shape: Shape, threads: int) -> None:
    """One step and five, alone and in a row, object and sums."""
    amplitude, obj, support = data(shape)
    kernel, reference = BlockedKernel(threads), ReferenceKernel()
    for each in (kernel, reference):
        each.load(amplitude)
    for algorithm in (*LINEAR, "CF", "HIO"):
        for iterations in (1, 5):
            for each in (kernel, reference):
                each.put(obj, support)
            found = kernel.iterate(algorithm, 0.8, iterations)
            np.testing.assert_allclose(found, reference.iterate(algorithm, 0.8, iterations), rtol=1e-4)
            assert np.linalg.norm(kernel.obj() - reference.obj()) < 1e-5 * np.linalg.norm(reference.obj())
            assert kernel.iterate("RAAR", 0.9, 1).misfit == pytest.approx(
                reference.iterate("RAAR", 0.9, 1).misfit, rel=1e-4
            )


def test_what_was_put_in_is_not_written_to() -> None:
    """The kernel works in memory of its own, also after it took another shape."""
    kernel = BlockedKernel()
    for shape in ((32, 32, 32), (16, 32, 48)):
        amplitude, obj, support = data(shape)
        before = obj.copy()
        kernel.load(amplitude)
        kernel.put(obj, support)
        kernel.iterate("HIO", 0.9, 3)
        assert (obj == before).all()
        assert kernel.obj().shape == shape


def test_no_threads_are_refused() -> None:
    """A kernel needs at least one."""
    with pytest.raises(PhasingError, match="0 threads"):
        BlockedKernel(0)
