"""The likelihood of the raw counts, its gradient, and the way down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.fft
from scipy import ndimage

from reconstructor.phasing import coherence
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.kernels.blocked import BlockedKernel
from reconstructor.phasing.kernels.reference import ReferenceKernel
from reconstructor.phasing.poisson import Model, Optics, descend, gradient, llk, model
from reconstructor.phasing.problem import PhasingError, Problem, amplitude
from reconstructor.phasing.quality import deviance

COHERENT = Optics(scipy.fft.fftn, scipy.fft.ifftn)


def blurring(shape: tuple[int, ...]) -> Optics:
    """With a lopsided psf, so that it is not its own adjoint."""
    psf = np.random.default_rng(1).random((3, 5, 3)).astype(np.float32)
    spectrum = coherence.transfer(psf / psf.sum(), shape)
    return COHERENT._replace(
        blur=lambda intensity: coherence.convolved(intensity, spectrum),
        unblur=lambda weight: coherence.convolved(weight, np.conj(spectrum)),
    )


@pytest.fixture(params=["coherent", "partially coherent"])
def optics(request: pytest.FixtureRequest, small) -> Optics:
    """Full and partial coherence."""
    return COHERENT if request.param == "coherent" else blurring(small.truth.shape)


def through(small: Any) -> Problem:
    """The small crystal with unknown voxels, a response and a background."""
    rng = np.random.default_rng(3)
    known = small.problem.known & (rng.random(small.core.shape) > 0.1)
    response = rng.uniform(0.5, 1.5, small.core.shape).astype(np.float32)
    return replace(small.problem, known=known, response=response, background=0.5)


def start(small: Any, noise: float = 0.3) -> np.ndarray:
    """The truth in its core, with relative noise."""
    rng = np.random.default_rng(2)
    factor = 1 + noise * (rng.standard_normal(small.core.shape) + 1j * rng.standard_normal(small.core.shape))
    return (small.truth * small.core * factor).astype(np.complex64)


def test_the_likelihood_is_half_the_deviance_of_the_known_voxels(small) -> None:
    """Summed over known voxels, response and background in the model, counts as they are."""
    problem = through(small)
    wave = scipy.fft.fftn(small.truth.astype(np.complex128))
    power = scipy.fft.fftshift(np.abs(wave) ** 2)
    assert problem.response is not None
    modelled = problem.response * (power + problem.background)
    wanted = 0.5 * deviance(modelled, problem.counts.astype(float))[problem.known].sum()
    assert llk(wave, model(problem), COHERENT) == pytest.approx(wanted, rel=1e-5)


def test_the_gradient_is_the_finite_difference(small, optics: Optics) -> None:
    """Along any direction inside the support the likelihood changes by 2N Re⟨gradient, direction⟩; outside it is 0."""
    told, obj = model(through(small)), start(small).astype(np.complex128)
    rng = np.random.default_rng(4)
    found = gradient(scipy.fft.fftn(obj), small.core, told, optics)
    assert (found[~small.core] == 0).all()
    for _ in range(3):
        along = small.core * (rng.standard_normal(obj.shape) + 1j * rng.standard_normal(obj.shape)) * np.abs(obj).max()
        step = 1e-5
        high, low = (llk(scipy.fft.fftn(obj + s * along), told, optics) for s in (step, -step))
        slope = 2 * obj.size * float(np.vdot(found, along).real)
        assert (high - low) / (2 * step) == pytest.approx(slope, rel=1e-4, abs=1e-6 * abs(high) / step)


def test_the_likelihood_never_rises(small, optics: Optics) -> None:
    """Each iteration lowers it or ends the descent, in single precision and with everything in the model."""
    told, obj = model(through(small)), start(small)
    levels = [
        llk(scipy.fft.fftn(descend(obj, small.core, told, optics, n).astype(np.complex128)), told, optics)
        for n in (0, 1, 2, 3, 5, 8, 13, 21, 34)
    ]
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(levels))
    assert levels[-1] < 0.7 * levels[0]


def test_a_noiseless_object_is_found_again(small) -> None:
    """From noise about it, with the counts of its own diffraction, it comes back, and lies in the support."""
    truth = (small.truth * small.core).astype(np.complex64)
    counts = scipy.fft.fftshift(np.abs(scipy.fft.fftn(truth)) ** 2).astype(np.float32)
    everywhere = np.ones(counts.shape, np.bool_)
    told = model(Problem(counts, everywhere, ~everywhere))
    found = descend(start(small), small.core, told, COHERENT, 60)
    assert (found[~small.core] == 0).all()
    assert overlap(truth, start(small)) < 0.97
    assert overlap(truth, found) > 0.998
    levels = [llk(scipy.fft.fftn(obj), told, COHERENT) for obj in (start(small), found)]
    assert levels[1] < 0.01 * levels[0]


def test_the_truth_is_nearly_stationary(small) -> None:
    """With Poisson noise on its counts the most likely object lies within the noise of the truth."""
    truth = (small.truth * small.core).astype(np.complex64)
    rng = np.random.default_rng(5)
    counts = rng.poisson(scipy.fft.fftshift(np.abs(scipy.fft.fftn(truth)) ** 2)).astype(np.float32)
    everywhere = np.ones(counts.shape, np.bool_)
    found = descend(truth, small.core, model(Problem(counts, everywhere, ~everywhere)), COHERENT, 40)
    # a million photons tell two thousand numbers
    assert np.linalg.norm(found - truth) < 2 * np.sqrt(2 * small.core.sum() / 1e6) * np.linalg.norm(truth)
    assert overlap(truth, found) > 0.998


def test_what_is_not_known_is_not_read(small) -> None:
    """Counts of free and unmeasured voxels may be anything."""
    counts = small.problem.counts.copy()
    counts[small.problem.free] = 1e6
    found, wanted = (
        descend(start(small), small.core, model(problem), COHERENT, 5)
        for problem in (replace(small.problem, counts=counts), small.problem)
    )
    assert (found == wanted).all()


def test_what_is_put_in_is_not_written_to(small) -> None:
    """Object and model stay as they are."""
    told, obj = model(small.problem), start(small)
    before = [array.copy() for array in (obj, told.counts, told.response)]
    descend(obj, small.core, told, COHERENT, 3)
    for array, copy in zip((obj, told.counts, told.response), before, strict=True):
        assert (array == copy).all()


def test_nothing_to_learn_changes_nothing() -> None:
    """Without a known voxel, or an object, there is no way down and no NaN."""
    rng = np.random.default_rng(6)
    obj = (rng.standard_normal((8, 8, 8)) + 0j).astype(np.complex64)
    nothing = np.zeros(obj.shape, np.float32)
    support = np.ones(obj.shape, np.bool_)
    assert (descend(obj, support, Model(nothing, nothing, 1e-4), COHERENT, 3) == obj).all()
    assert not descend(obj * 0, support, Model(nothing + 3, nothing + 1, 1e-4), COHERENT, 3).any()


@pytest.mark.parametrize(
    "make",
    [ReferenceKernel, lambda: BlockedKernel(2), lambda: cpu.choose((32, 32, 32))],
    ids=["reference", "blocked", "chosen"],
)
def test_a_kernel_descends_on_its_support(small, make: Callable[[], Kernel]) -> None:
    """ML on a kernel is `descend` on what lies inside the support; its sums are a modulus projection's."""
    kernel, problem = make(), small.problem
    kernel.load(amplitude(problem), problem)
    everywhere = start(small) + np.complex64(1)
    kernel.put(everywhere, small.core)
    sums = kernel.iterate("ML", 0.9, 6)
    wanted = descend(everywhere * small.core, small.core, model(problem), COHERENT, 6)
    assert np.linalg.norm(kernel.obj() - wanted) < 1e-3 * np.linalg.norm(wanted)
    kernel.put(wanted, small.core)
    after = kernel.iterate("HIO", 0.9, 1)
    np.testing.assert_allclose(sums, after, rtol=1e-3)
    assert 0 < sums.inside < sums.total


def test_a_kernel_without_counts_says_so(small) -> None:
    """ML needs the problem that amplitudes alone do not tell, of the same shape."""
    kernel = ReferenceKernel()
    kernel.load(amplitude(small.problem))
    kernel.put(small.truth, small.core)
    with pytest.raises(PhasingError, match="ML without raw counts; wanted a kernel that was given the problem"):
        kernel.iterate("ML", 0.9, 1)
    with pytest.raises(PhasingError, match=r"the problem has shape \(32, 32, 32\); wanted that of the data, \(32, 32"):
        kernel.load(amplitude(small.problem)[:, :, :16], small.problem)


def test_a_partially_coherent_kernel_descends_in_its_model(small) -> None:
    """With a psf told, ML finds an object that tells blurred counts better than it does without."""
    wide = ndimage.gaussian_filter(scipy.fft.fftshift(np.abs(scipy.fft.fftn(small.truth)) ** 2), 0.6, mode="wrap")
    counts = np.random.default_rng(7).poisson(wide).astype(np.float32)
    problem = replace(small.problem, counts=counts)
    psf = np.zeros((7, 7, 7))
    psf[3, 3, 3] = 1
    psf = ndimage.gaussian_filter(psf, 0.6).astype(np.float32)
    found = []
    for told in (None, psf / psf.sum()):
        kernel = ReferenceKernel()
        kernel.load(amplitude(problem), problem)
        kernel.blur(told)
        kernel.put(start(small, 0.1), small.core)
        kernel.iterate("ML", 0.9, 30)
        found.append(overlap(small.truth * small.core, kernel.obj()))
    assert found[1] > 0.98
    assert found[1] > found[0] + 0.01
