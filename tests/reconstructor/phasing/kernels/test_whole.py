"""The kernel of whole transforms, and the one that moves between it and the fused kernel, equal the reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reconstructor.phasing import coherence
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import PhasingError, amplitude
from reconstructor.phasing.steps import ALGORITHMS, Algorithm

pytestmark = pytest.mark.skipif(not cpu.FUSED, reason="needs the extra cpu")


def whole() -> Kernel:
    """Whole transforms on one thread."""
    from reconstructor.phasing.kernels.whole import WholeKernel

    return WholeKernel()


def fastest() -> Kernel:
    """What the reconstructor uses."""
    return cpu.choose((32, 32, 32))


def far(a: np.ndarray, b: np.ndarray) -> float:
    """‖a − b‖ / ‖b‖"""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.fixture(params=[whole, fastest])
def pair(request: pytest.FixtureRequest, small) -> tuple[Kernel, Kernel]:
    """A kernel and the reference, with the same data, object and support."""
    make: Callable[[], Kernel] = request.param
    both = make(), ReferenceKernel()
    rng = np.random.default_rng(4)
    noise = 0.1 * np.abs(small.truth).max() * rng.standard_normal(small.truth.shape)
    for each in both:
        each.load(amplitude(small.problem), small.problem)
        each.put((small.truth + noise).astype(np.complex64), small.core)
    return both


def agree(pair: tuple[Kernel, Kernel], algorithm: Algorithm, iterations: int) -> None:
    """Do the same with both, and find the same."""
    found, wanted = (each.iterate(algorithm, 0.9, iterations) for each in pair)
    assert far(pair[0].obj(), pair[1].obj()) < 1e-5
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("blurred", [False, True], ids=["coherent", "blurred"])
def test_each_algorithm_equals_the_reference(pair: tuple[Kernel, Kernel], algorithm: Algorithm, blurred: bool) -> None:
    """One step and three more, fully and partially coherent."""
    for each in pair:
        each.blur(coherence.pseudo_voigt(2) if blurred else None)
    agree(pair, algorithm, 1)
    agree(pair, algorithm, 3)


def test_a_chain_of_all_algorithms_equals_the_reference(pair: tuple[Kernel, Kernel]) -> None:
    """Linear steps, charge flipping, polish, partial coherence and support updates follow each other: object and
    support go along."""
    agree(pair, "HIO", 1)
    agree(pair, "CF", 1)
    agree(pair, "RAAR", 1)
    for each in pair:
        each.blur(coherence.pseudo_voigt(1))
    agree(pair, "ER", 2)
    for each in pair:
        each.shrink(1.0, 0.2, (1e-4, 0.7))
    assert (pair[0].support() != pair[1].support()).sum() <= 2  # rounding may put a voxel on either side
    for each in pair:
        each.restrict(pair[1].support())
        each.blur(None)
    agree(pair, "DM", 1)
    agree(pair, "ML", 2)
    agree(pair, "CF", 2)
    agree(pair, "ML", 1)
    snapshots = [each.snapshot() for each in pair]
    assert snapshots[0].corner == snapshots[1].corner
    assert far(snapshots[0].block, snapshots[1].block) < 1e-5


def test_new_data_are_fully_coherent_again(pair: tuple[Kernel, Kernel], small) -> None:
    """Neither the blur nor the problem of earlier data is kept."""
    for each in pair:
        each.blur(coherence.pseudo_voigt(2))
        each.iterate("ER", 0.9, 1)
        each.load(amplitude(small.problem))
        each.put(small.truth, small.core)
    agree(pair, "HIO", 1)
    for each in pair:
        with pytest.raises(PhasingError, match="ML without raw counts"):
            each.iterate("ML", 0.9, 1)
