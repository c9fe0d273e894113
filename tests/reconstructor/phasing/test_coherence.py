"""Partial coherence: the blur, what finds it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.fft
from scipy import ndimage

from reconstructor.phasing import engine, quality
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.coherence import blurred, convolved, pseudo_voigt, transfer, updated
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels.blocked import BlockedKernel
from reconstructor.phasing.notation import parse
from reconstructor.phasing.problem import Estimate, PhasingError, Problem, Real, Start, amplitude

SIGMA = (0.5, 0.7, 0.6)


def gaussian(sigma: tuple[float, float, float] = SIGMA, reach: int = 3) -> Real:
    """A Gaussian psf."""
    psf = np.zeros((2 * reach + 1,) * 3)
    psf[reach, reach, reach] = 1
    psf = ndimage.gaussian_filter(psf, sigma)
    return (psf / psf.sum()).astype(np.float32)


def widths(psf: Real) -> np.ndarray:
    """Standard deviation along each axis."""
    x = np.arange(psf.shape[0]) - psf.shape[0] // 2
    others = ((1, 2), (0, 2), (0, 1))
    return np.array([np.sqrt(np.sum(psf.sum(axis=axes) * x**2)) for axes in others])


@pytest.fixture(scope="module")
def hazy(small) -> Problem:
    """The small crystal in partially coherent light, unmeasured frames and a response included."""
    wide = blurred(quality.intensity(small.truth), transfer(gaussian(), small.truth.shape))
    response = np.linspace(0.8, 1.2, 32, dtype=np.float32)[:, None, None] * np.ones((1, 32, 32), np.float32)
    known, free = small.problem.known.copy(), small.problem.free.copy()
    known[10], free[10] = False, False
    return Problem(np.random.default_rng(1).poisson(response * wide).astype(np.float32), known, free, response)


def test_a_known_gaussian_is_found(small, hazy: Problem) -> None:
    """With the true object its widths come out within 6 %, and the blurred pattern within 2 %, at any scale."""
    light = quality.intensity(small.truth)
    found = updated(pseudo_voigt(3), 7 * light, hazy, 200)
    np.testing.assert_allclose(widths(found), widths(gaussian()), rtol=0.06)
    made, wanted = (blurred(light, transfer(psf, light.shape)) for psf in (found, gaussian()))
    assert np.abs(made - wanted).sum() < 0.02 * wanted.sum()
    assert np.abs(light - wanted).sum() > 0.1 * wanted.sum()
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, rel=1e-5)


def test_full_coherence_is_found(small) -> None:
    """From data that are not blurred, hardly anything is left beside the origin."""
    found = updated(pseudo_voigt(2), quality.intensity(small.truth), small.problem, 200)
    assert found[2, 2, 2] > 0.97


def test_the_likelihood_never_falls(small, hazy: Problem) -> None:
    """Each Richardson–Lucy iteration tells the counts at least as well."""
    light = quality.intensity(small.truth)
    psf, levels = pseudo_voigt(3), []
    for _ in range(8):
        levels.append(quality.misfit(hazy, small.truth, 1, psf).llk)
        psf = updated(psf, light, hazy, 3)
    assert all(after <= before * 1.001 for before, after in pairwise(levels))
    assert levels[-1] < 0.7 * levels[0]


def test_the_true_psf_is_nearly_stationary(small, hazy: Problem) -> None:
    """A few updates move it by what noise explains."""
    found = updated(gaussian(), quality.intensity(small.truth), hazy, 5)
    assert np.abs(found - gaussian()).sum() < 0.05


def test_the_beginning_is_narrow_positive_and_sums_to_one() -> None:
    """A pseudo-Voigt falls to half at half its width, between Gaussian and Lorentzian."""
    psf = pseudo_voigt(4, fwhm_voxels=2.0, mixing=0.3)
    assert psf.shape == (9, 9, 9)
    assert psf.min() > 0
    assert psf.sum() == pytest.approx(1, rel=1e-5)
    assert psf[4, 4, 5] / psf[4, 4, 4] == pytest.approx(0.5, rel=1e-5)
    assert psf[4, 4, 6] / psf[4, 4, 4] == pytest.approx(0.7 / 16 + 0.3 / 5, rel=1e-5)
    assert pseudo_voigt(3)[3, 3, 3] > 0.2


def test_blurring_is_a_convolution() -> None:
    """A spike becomes the psf, the sum stays, and the adjoint moves over to the other side of a product."""
    rng = np.random.default_rng(2)
    psf = rng.random((3, 5, 1)).astype(np.float32)
    psf /= psf.sum()
    spectrum = transfer(psf, (12, 9, 8))
    spike = np.zeros((12, 9, 8), np.float32)
    spike[5, 4, 3] = 2
    np.testing.assert_allclose(blurred(spike, spectrum)[4:7, 2:7, 3:4], 2 * psf, atol=1e-6)
    a, b = rng.random((2, 12, 9, 8)).astype(np.float32)
    assert blurred(a, spectrum).sum() == pytest.approx(a.sum(), rel=1e-5)
    assert np.sum(convolved(a, spectrum) * b) == pytest.approx(np.sum(a * convolved(b, np.conj(spectrum))))


def test_a_blur_of_a_point_is_no_blur(small, kernel: Kernel) -> None:
    """The kernel with a psf of one voxel makes the fully coherent kernel's iterations, all algorithms alike."""
    point = np.zeros((3, 3, 3), np.float32)
    point[1, 1, 1] = 1
    for algorithm in ("ER", "HIO", "DM", "CF"):
        found = []
        for psf in (None, point):
            kernel.load(amplitude(small.problem))
            kernel.blur(psf)
            kernel.put(small.truth, small.core)
            found.append((kernel.iterate(algorithm, 0.4, 3), kernel.obj()))
        assert np.linalg.norm(found[1][1] - found[0][1]) < 1e-4 * np.linalg.norm(found[0][1])
        np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-3)


def test_an_object_that_tells_blurred_data_stays(small, kernel: Kernel) -> None:
    """With the psf told it is a fixed point; without, and after data are loaded anew, it is not."""
    obj = np.where(small.core, small.truth, 0).astype(np.complex64)
    data = np.sqrt(quality.intensity(obj, gaussian()))
    moved = []
    for psf in (gaussian(), None):
        kernel.load(data)
        if psf is not None:
            kernel.blur(psf)
        kernel.put(obj, small.core)
        kernel.iterate("HIO", 0.9, 3)
        moved.append(np.linalg.norm(kernel.obj() - obj) / np.linalg.norm(obj))
    assert moved[0] < 1e-4
    assert moved[1] > 0.02


def last(problem: Problem, line: str) -> Estimate:
    """The result of a recipe in one line."""
    return list(engine.run(parse(line), problem, None, BlockedKernel(), 1))[-1]


def test_a_run_finds_object_and_coherence(small, hazy: Problem) -> None:
    """With `Coherent` a cold run in hazy light comes nearer to the truth and the counts, and tells its psf."""
    line = "Sup(every=10, threshold=0.2, sigma=2..1) * {}HIO**120 * RAAR**60 | {}ER**15 * HIO**5 * ER**10"
    told, plain = (
        last(hazy, line.format("Coherent(at=0.3, every=10) * ", "Coherent(at=0) * ")),
        last(hazy, line.format("", "")),
    )
    assert plain.psf is None
    assert told.psf is not None
    np.testing.assert_allclose(widths(told.psf), widths(gaussian()), atol=0.2)
    assert overlap(small.truth, told.obj) > overlap(small.truth, plain.obj) + 0.03
    assert told.misfit is not None
    assert plain.misfit is not None
    assert told.misfit.r_factor < 0.9 * plain.misfit.r_factor


def test_what_has_been_found_holds(small, hazy: Problem) -> None:
    """A psf given with the start, or found by an earlier stage, is used by stages that do not look for it."""
    line, obj = "Start(grow=0) * ER**10", np.where(small.core, small.truth, 0).astype(np.complex64)
    told, plain = (
        list(engine.run(parse(line), hazy, Start(obj, small.core, psf), BlockedKernel(), 1))[-1]
        for psf in (gaussian(), None)
    )
    assert told.psf is not None
    assert (told.psf == gaussian()).all()
    assert overlap(small.truth, told.obj) > overlap(small.truth, plain.obj) + 0.01
    found = list(engine.run(parse("Coherent(at=0.5) * HIO**30 | ER**30"), hazy, None, BlockedKernel(), 1))
    ends = [each.psf for each in found if each.misfit]
    assert ends[0] is not None
    assert ends[1] is ends[0]


@pytest.mark.parametrize(
    ("psf", "text"),
    [
        (np.ones((3, 3, 4)) / 36, r"the psf has shape \(3, 3, 4\); wanted three odd sizes up to \(16, 16, 16\)"),
        (np.ones((3, 3)) / 9, r"the psf has shape \(3, 3\); wanted three odd sizes"),
        (np.ones((17, 3, 3)) / 153, r"the psf has shape \(17, 3, 3\)"),
        (np.ones((3, 3, 3)), "the psf has the sum 27 and the minimum 1; wanted 1, and no less than 0"),
        (np.full((3, 3, 3), np.nan), "the psf has the sum nan"),
        (np.where(np.eye(3)[None], -1, 1) * np.ones((3, 1, 1)) / 9, "the minimum -0.11"),
    ],
)
def test_what_is_no_psf_is_told(psf: Any, text: str) -> None:
    """Even, too large, not normal, not finite, negative."""
    with pytest.raises(PhasingError, match=text):
        transfer(psf.astype(np.float32), (16, 16, 16))


def test_nothing_to_find_coherence_from_is_told(small, hazy: Problem) -> None:
    """An object that is nothing or not finite, and data without counts, are refused with what was found."""
    light = quality.intensity(small.truth)
    for bad, problem in (
        (light * 0, hazy),
        (light * np.float32(np.nan), hazy),
        (light, replace(hazy, counts=hazy.counts * 0)),
    ):
        with pytest.raises(PhasingError, match=r"the object has the intensity .* wanted finite numbers above 0"):
            updated(pseudo_voigt(2), bad, problem, 1)


def test_the_shifts_of_the_window_do_not_matter() -> None:
    """Blurring and shifting the origin to the first voxel may be done in any order."""
    rng = np.random.default_rng(3)
    a = rng.random((8, 9, 10)).astype(np.float32)
    spectrum = transfer(pseudo_voigt(1), a.shape)
    np.testing.assert_allclose(
        blurred(scipy.fft.ifftshift(a), spectrum), scipy.fft.ifftshift(blurred(a, spectrum)), rtol=1e-5
    )
