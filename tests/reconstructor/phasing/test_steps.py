"""The algorithms' algebra, written out again from the literature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.kernels.blocked import BlockedKernel
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.problem import amplitude
from reconstructor.phasing.projections import project_modulus, project_support
from reconstructor.phasing.steps import LINEAR, Algorithm, difference_map, update

BETA = 0.7


def far(a: np.ndarray, b: np.ndarray) -> float:
    """‖a − b‖ / ‖b‖"""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def textbook(algorithm: Algorithm, beta: float, g: np.ndarray, p_m: Callable, p_s: Callable) -> np.ndarray:
    """One iteration with projections only: ER, Fienup's HIO, Luke's RAAR, Elser's difference map, solvent flipping."""
    p = p_m(g)
    match algorithm:
        case "ER":
            return p_s(p)
        case "HIO":
            return p_s(p) + (g - beta * p) - p_s(g - beta * p)
        case "RAAR":
            r_s_r_m = 2 * p_s(2 * p - g) - (2 * p - g)
            return beta / 2 * (r_s_r_m + g) + (1 - beta) * p
        case "SF":
            return 2 * p_s(p) - p
    f_m = (1 + 1 / beta) * p - g / beta
    f_s = (1 - 1 / beta) * p_s(g) + g / beta
    return g + beta * (p_s(f_m) - p_m(f_s))


@pytest.mark.parametrize("algorithm", LINEAR)
def test_each_algorithm_is_the_textbook_one(algorithm: Algorithm, small, kernel: Kernel) -> None:
    """One iteration of the kernel equals the formula made of the two projections, in double precision."""
    rng = np.random.default_rng(1)
    g = (rng.standard_normal(small.truth.shape) + 1j * rng.standard_normal(small.truth.shape)).astype(np.complex64)
    data = amplitude(small.problem)
    shifted = np.fft.ifftshift(data)

    def p_m(obj: np.ndarray) -> np.ndarray:
        return np.fft.ifftn(project_modulus(np.fft.fftn(obj), shifted))

    wanted = textbook(algorithm, BETA, g.astype(np.complex128), p_m, lambda obj: np.where(small.core, obj, 0))
    kernel.load(data)
    kernel.put(g, small.core)
    kernel.iterate(algorithm, BETA, 1)
    assert far(kernel.obj(), wanted) < 1e-5


def test_hio_raar_and_dm_are_one_map_at_beta_one(small, kernel: Kernel) -> None:
    """With a support constraint alone the three algorithms make the same iterations."""
    kernel.load(amplitude(small.problem))
    rng = np.random.default_rng(2)
    g = small.truth * (1 + rng.random(small.truth.shape, np.float32))
    found = []
    for algorithm in ("HIO", "RAAR", "DM"):
        kernel.put(g, small.core)
        kernel.iterate(algorithm, 1.0, 3)
        found.append(kernel.obj())
    assert far(found[0], g) > 0.01
    assert far(found[1], found[0]) < 1e-5
    assert far(found[2], found[0]) < 1e-5


@pytest.mark.parametrize("algorithm", LINEAR)
def test_an_object_that_satisfies_both_constraints_stays(algorithm: Algorithm, small, kernel: Kernel) -> None:
    """What lies in the support and has the measured amplitudes is a fixed point, also with unknown voxels."""
    obj = project_support(small.truth, small.core)
    data = np.abs(np.fft.fftshift(np.fft.fftn(obj))).astype(np.float32)
    data[:3] = -1
    kernel.load(data)
    kernel.put(obj, small.core)
    sums = kernel.iterate(algorithm, 0.9, 5)
    assert far(kernel.obj(), obj) < 1e-5
    assert sums.misfit < 1e-8 * float(np.sum(data**2))
    assert sums.inside == pytest.approx(sums.total, rel=1e-5)


def test_the_error_never_rises_under_er(small, kernel: Kernel) -> None:
    """With a fixed support, unknown voxels and noise, Σ(|F| − A)² falls or stays at each iteration of ER."""
    data = amplitude(small.problem)
    data[:, :4] = -1
    rng = np.random.default_rng(3)
    kernel.load(data)
    kernel.put(np.where(small.core, np.exp(6j * rng.random(small.core.shape)), 0).astype(np.complex64), small.core)
    # the first iterate has the energy of nothing measured
    errors = np.array([kernel.iterate("ER", 0.9, 1).misfit for _ in range(40)])
    assert (np.diff(errors) <= 1e-5 * errors[:-1]).all()
    assert errors[-1] < 0.5 * errors[1]


def test_charge_flipping_is_the_textbook_one(small) -> None:
    """One iteration is the modulus projection with its low voxels' signs changed; its sums are the projection's."""
    rng = np.random.default_rng(4)
    shape, data = small.truth.shape, amplitude(small.problem)
    g = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    p = np.fft.ifftn(project_modulus(np.fft.fftn(g), np.fft.ifftshift(data)))
    level = 0.5 * np.sqrt(np.mean(np.abs(p[small.core]) ** 2))
    wanted = np.where(np.abs(p) < level, -p, p)
    for each in (ReferenceKernel(), BlockedKernel(), cpu.choose(shape)):
        each.load(data)
        each.put(g, small.core)
        sums = each.iterate("CF", 0.5, 1)
        # a voxel on the threshold may fall to either side
        assert np.count_nonzero(np.abs(each.obj() - wanted) > 1e-4 * level) <= 1
        assert sums.total == pytest.approx(np.sum(np.abs(p) ** 2), rel=1e-4)
        assert sums.inside == pytest.approx(np.sum(np.abs(p[small.core]) ** 2), rel=1e-4)


def test_charge_flipping_keeps_the_energy_of_the_data(small) -> None:
    """With every voxel known, each iterate has the data's energy, whatever is flipped."""
    data = amplitude(small.problem)
    data[data < 0] = 0
    kernel = ReferenceKernel()
    kernel.load(data)
    kernel.put(small.truth, small.core)
    energy = float(np.sum(data.astype(float) ** 2)) / data.size
    for threshold in (0.1, 0.3, 1.0):
        kernel.iterate("CF", threshold, 2)
        assert np.sum(np.abs(kernel.obj()) ** 2) == pytest.approx(energy, rel=1e-4)


def test_some_algorithms_are_no_single_update() -> None:
    """Asking for one of them says what to ask for, and the difference map's halves add up to Elser's weights."""
    with pytest.raises(ValueError, match=r"wanted difference_map\(beta\)"):
        update("DM", 0.9)
    for other in ("CF", "ML"):
        with pytest.raises(ValueError, match=f"{other} is no linear update; wanted one of ER, HIO, RAAR, SF"):
            update(other, 0.9)
    kept, probe, last = difference_map(0.5)
    assert (kept.in_g, kept.in_p, kept.out_g, kept.out_p) == (0.0, 1.5, 1.0, 0.0)
    assert (probe.in_g, probe.out_g) == (1.0, 2.0)
    assert (last.in_p, last.out_p) == (-0.5, -0.5)
