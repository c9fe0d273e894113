"""Figures of merit against their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from reconstructor.phasing.problem import Problem
from reconstructor.phasing.quality import deviance, expected_deviance, intensity, mean_to_max, misfit, prtf, scale

STEPS = 0.01 * np.eye(3)


@pytest.fixture
def noiseless(small) -> Problem:
    """The small crystal's intensities themselves."""
    free = small.problem.free
    return Problem(intensity(small.truth), ~free, free)


def test_the_intensity_is_the_diffraction_in_natural_order(small) -> None:
    """|Fρ|² with the peak at n // 2 and Parseval's sum, wherever the object stands."""
    power = intensity(small.truth)
    assert np.unravel_index(power.argmax(), power.shape) == (16, 16, 16)
    assert power.sum() == pytest.approx(32**3 * np.sum(np.abs(small.truth) ** 2), rel=1e-4)
    np.testing.assert_allclose(intensity(np.roll(small.truth, 5, 0)), power, atol=1e-3 * power.max())


def summed(mean: float) -> float:
    """The expected deviance, term by term."""
    k = np.arange(800)
    return float(np.sum(scipy.stats.poisson.pmf(k, mean) * deviance(np.full(k.size, mean), k.astype(float))))


@pytest.mark.parametrize("mean", [1e-5, 1e-3])
def test_the_expected_deviance_holds_for_faint_voxels(mean: float) -> None:
    """Also where hardly any count is expected, as in most of a window: within 0.1 %."""
    assert expected_deviance(np.array([mean]))[0] == pytest.approx(summed(mean), rel=1e-3)


def test_the_expected_deviance_is_that_of_poisson_counts() -> None:
    """E[2(Ic − Io + Io ln(Io/Ic))] summed over the distribution, within 0.1 %; 0.38 at 0.07 counts, 1 at many."""
    means = np.array([0.07, 0.5, 1.0, 3.0, 11.9, 12.1, 50.0, 400.0])
    np.testing.assert_allclose(expected_deviance(means), [summed(mean) for mean in means], rtol=1e-3)
    assert expected_deviance(np.array([0.07]))[0] == pytest.approx(0.38, abs=0.01)
    assert expected_deviance(np.array([1e6]))[0] == pytest.approx(1.0, abs=1e-5)


def test_the_deviance_is_never_negative_and_zero_at_equality() -> None:
    """Both sides of the model cost, counts of zero cost twice the model, and a model of zero stays finite."""
    counts = np.array([0.0, 1.0, 5.0, 100.0])
    assert (deviance(counts, counts) < 1e-8).all()
    assert (deviance(counts + 1, counts) > 0).all()
    assert deviance(np.array([3.0]), np.array([0.0]))[0] == pytest.approx(6.0)
    assert np.isfinite(deviance(np.array([0.0]), np.array([4.0])))[0]


def test_the_truth_has_an_ideal_misfit(small) -> None:
    """For Poisson counts of the very object LLK over its expectation is 1, on known and on free voxels."""
    found = misfit(small.problem, small.truth, 0)
    assert found.llk_ratio == pytest.approx(1.0, abs=0.03)
    assert found.free_llk_ratio == pytest.approx(1.0, abs=0.1)
    worse = misfit(small.problem, np.abs(small.truth).astype(np.complex64), 0)
    assert worse.r_factor > 3 * found.r_factor
    assert worse.free_llk > 3 * found.free_llk


def test_the_misfit_is_its_definition(small) -> None:
    """R, LLK over N_known − N_support and free LLK over N_free, written out."""
    problem, obj = small.problem, small.truth * np.float32(0.3)
    power = np.abs(np.fft.fftshift(np.fft.fftn(obj.astype(np.complex128)))) ** 2
    known, free = problem.known, problem.free
    power *= problem.counts[known].sum() / power[known].sum()
    found = misfit(problem, obj, 500)
    r = np.sum((np.sqrt(power) - np.sqrt(problem.counts))[known] ** 2) / problem.counts[known].sum()
    assert found.r_factor == pytest.approx(r, rel=1e-3)
    counts = problem.counts.astype(float)
    assert found.llk == pytest.approx(deviance(power[known], counts[known]).sum() / (known.sum() - 500), rel=1e-3)
    assert found.free_llk == pytest.approx(deviance(power[free], counts[free]).mean(), rel=1e-3)


def test_what_cannot_be_determined_is_none(small) -> None:
    """No free voxel, or a support as large as the known voxels: not determined, rather than a number."""
    blind = replace(small.problem, free=small.problem.free & False)
    found = misfit(blind, small.truth, int(blind.known.sum()))
    assert (found.llk, found.llk_ratio, found.free_llk, found.free_llk_ratio) == (None, None, None, None)
    assert np.isfinite(found.r_factor)


def test_the_scale_makes_the_known_counts_agree(small) -> None:
    """Also through a response and above a background; without power on known voxels it is 0."""
    problem, power = small.problem, intensity(small.truth)
    assert scale(problem, power * np.float32(0.25)) == pytest.approx(4 * scale(problem, power), rel=1e-5)
    response = np.full(problem.shape, 3.0, np.float32)
    through = replace(problem, counts=3 * (problem.counts + 2), response=response, background=2.0)
    assert scale(through, power) == pytest.approx(scale(problem, power), rel=1e-3)
    assert scale(problem, power * 0) == 0


def test_mean_over_maximum(small) -> None:
    """1 for a homogeneous crystal, lower with one bright voxel, 0 for nothing; outside the support nothing counts."""
    obj = np.exp(1j * np.angle(small.truth)).astype(np.complex64)
    assert mean_to_max(obj, small.core) == pytest.approx(1.0)
    obj[~small.core] = 9
    assert mean_to_max(obj, small.core) == pytest.approx(1.0)
    obj[16, 16, 16] = 4
    assert mean_to_max(obj, small.core) == pytest.approx(0.25, abs=0.01)
    assert mean_to_max(obj * 0, small.core) == 0
    assert mean_to_max(obj, small.core & False) == 0


def test_the_truth_transfers_everything(small, noiseless: Problem) -> None:
    """Of the object itself the PRTF is 1 in each shell and never falls below 1/e."""
    found = prtf(small.truth, noiseless, STEPS)
    assert np.nanmin(found.ratio) == pytest.approx(1.0, abs=1e-3)
    assert np.nanmax(found.ratio) == pytest.approx(1.0, abs=1e-3)
    assert found.resolution_nm is None


def test_a_blurred_mean_has_a_resolution(small, noiseless: Problem) -> None:
    """Where the mean loses its diffraction beyond a radius, 2π over that radius is the resolution."""
    axis = (np.arange(32) - 16) * 0.01
    q = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    wave = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(small.truth))) * (q < 0.08)
    blurred = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(wave))).astype(np.complex64)
    assert prtf(blurred, noiseless, STEPS).resolution_nm == pytest.approx(2 * np.pi / 0.08, rel=0.06)
    halved = prtf(blurred, noiseless, 2 * STEPS).resolution_nm
    assert halved == pytest.approx(2 * np.pi / 0.16, rel=0.06)


@pytest.mark.parametrize("runs", [3, 12])
def test_runs_of_random_phases_transfer_by_their_number(small, noiseless: Problem, runs: int) -> None:
    """K runs with the data's amplitudes and nothing else in common have a PRTF of 1/√K: three are above 1/e, which is
    why so few tell nothing."""
    rng = np.random.default_rng(2)
    phases = 2 * np.pi * rng.random((runs, 32, 32, 32))
    wave = np.sqrt(noiseless.counts) * np.exp(1j * phases).mean(axis=0)
    mean = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(wave))).astype(np.complex64)
    found = prtf(mean, noiseless, STEPS)
    assert np.nanmedian(found.ratio) == pytest.approx(runs**-0.5, rel=0.05)
    assert (found.resolution_nm is None) == (runs == 3)


def test_the_transfer_is_not_raised_by_faint_counts(small, noiseless: Problem) -> None:
    """At a hundredth of the photons, most voxels empty, the truth still transfers 1; response and background are told
    apart from the crystal."""
    rng = np.random.default_rng(4)
    faint = noiseless.counts / 100
    problem = replace(noiseless, counts=rng.poisson(faint).astype(np.float32))
    found = prtf(small.truth / 10, problem, STEPS, shells=10)
    np.testing.assert_allclose(found.ratio, 1.0, atol=0.2)
    seen = 3 * (faint + np.float32(0.2))
    other = replace(problem, counts=seen, response=np.full(problem.shape, 3, np.float32), background=0.2)
    np.testing.assert_allclose(prtf(small.truth / 10, other, STEPS, shells=10).ratio, 1.0, atol=0.01)


def test_the_resolution_lies_where_the_curve_crosses(small, noiseless: Problem) -> None:
    """Between two shells, not at the middle of one: a mean that falls evenly with q crosses 1/e where it should."""
    axis = (np.arange(32) - 16) * 0.01
    q = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    wave = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(small.truth))) * np.maximum(1 - q / 0.15, 0)
    mean = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(wave))).astype(np.complex64)
    wanted = 2 * np.pi / (0.15 * (1 - np.exp(-1)))
    assert prtf(mean, noiseless, STEPS, shells=40).resolution_nm == pytest.approx(wanted, rel=0.03)
