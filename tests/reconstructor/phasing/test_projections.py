"""The two projections are projections."""

from __future__ import annotations

import numpy as np
import pytest

from reconstructor.phasing.projections import flip, misfit_sum, project_modulus, project_support

SHAPE = (9, 10, 11)


def wave(seed: int) -> np.ndarray:
    """Random complex numbers."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE)).astype(np.complex64)


@pytest.fixture
def amplitude() -> np.ndarray:
    """Amplitudes with zeros and unknown voxels among them."""
    out = np.abs(wave(5)).astype(np.float32)
    out[:2] = 0
    out[-2:] = -1
    return out


def test_the_modulus_projection_is_idempotent(amplitude: np.ndarray) -> None:
    """Projecting twice is projecting once."""
    once = project_modulus(wave(1), amplitude)
    np.testing.assert_allclose(project_modulus(once, amplitude), once, rtol=1e-6)


def test_the_support_projection_is_idempotent_and_linear() -> None:
    """Projecting twice is projecting once, and a sum is projected as its parts."""
    support = np.abs(wave(2)) > 1
    once = project_support(wave(1), support)
    assert (project_support(once, support) == once).all()
    assert (once[~support] == 0).all()
    assert (once[support] == wave(1)[support]).all()
    both = project_support(wave(1) + wave(3), support)
    np.testing.assert_allclose(both, once + project_support(wave(3), support))


def test_known_voxels_get_their_amplitude_and_keep_their_phase(amplitude: np.ndarray) -> None:
    """Known zeros become zero, other known voxels their amplitude with the old phase."""
    before, after = wave(1), project_modulus(wave(1), amplitude)
    known = amplitude > 0
    assert (after[amplitude == 0] == 0).all()
    np.testing.assert_allclose(np.abs(after[known]), amplitude[known], rtol=1e-6)
    np.testing.assert_allclose(np.angle(after[known] / before[known]), 0, atol=1e-5)


def test_unknown_voxels_stay(amplitude: np.ndarray) -> None:
    """Where the amplitude is negative nothing is changed, bit for bit."""
    unknown = amplitude < 0
    assert unknown.any()
    assert (project_modulus(wave(1), amplitude)[unknown] == wave(1)[unknown]).all()


def test_no_amplitude_has_no_phase(amplitude: np.ndarray) -> None:
    """A voxel of exactly zero stays zero instead of becoming NaN."""
    assert (project_modulus(np.zeros(SHAPE, np.complex64), amplitude) == 0).all()


def test_the_modulus_projection_is_the_nearest_point(amplitude: np.ndarray) -> None:
    """No other wave with the measured amplitudes lies nearer, and the distance is the misfit."""
    before, known = wave(1), amplitude >= 0
    nearest = float(np.sum(np.abs(project_modulus(before, amplitude) - before) ** 2))
    other = np.where(known, amplitude * np.exp(1j * np.angle(wave(4))), before)
    assert nearest < float(np.sum(np.abs(other - before) ** 2))
    assert misfit_sum(before, amplitude) == pytest.approx(nearest, rel=1e-5)


def test_the_misfit_reads_known_voxels_only(amplitude: np.ndarray) -> None:
    """Σ(|F| − A)² does not see what stands in unknown voxels."""
    other = wave(1)
    other[amplitude < 0] *= 100
    assert misfit_sum(other, amplitude) == misfit_sum(wave(1), amplitude)


def test_a_size_told_takes_the_place_of_the_own_one(amplitude: np.ndarray) -> None:
    """Under partial coherence the ratio to the blurred size scales the wave, phases kept, and makes the misfit."""
    before, size = wave(1), np.float32(1.5) * np.abs(wave(4))
    after, known = project_modulus(before, amplitude, size), amplitude >= 0
    np.testing.assert_allclose(after[known], (before * amplitude / size)[known], rtol=1e-5)
    assert (after[~known] == before[~known]).all()
    assert misfit_sum(before, amplitude, size) == pytest.approx(np.sum((size - amplitude)[known] ** 2), rel=1e-5)


def test_flipping_changes_signs_and_nothing_else() -> None:
    """Every amplitude stays; voxels below the threshold × RMS inside the support turn by π, the others stay."""
    obj, support = wave(1), np.abs(wave(2)) > 1
    after = flip(obj, support, 0.6)
    level = 0.6 * np.sqrt(np.mean(np.abs(obj[support]) ** 2, dtype=np.float64))
    low = np.abs(obj) < level
    assert 0.1 < low.mean() < 0.9
    assert (after[low] == -obj[low]).all()
    assert (after[~low] == obj[~low]).all()
    assert np.sum(np.abs(after) ** 2) == np.sum(np.abs(obj) ** 2)


def test_flipping_twice_is_nothing() -> None:
    """It is its own inverse, whatever the scale; below all amplitudes it is nothing, above all it is a sign."""
    obj, support = wave(1), np.abs(wave(2)) > 1
    assert (flip(flip(obj, support, 0.5), support, 0.5) == obj).all()
    assert (flip(4 * obj, support, 0.5) == 4 * flip(obj, support, 0.5)).all()
    assert (flip(obj, support, 1e-9) == obj).all()
    assert (flip(obj, support, 99.0) == -obj).all()
