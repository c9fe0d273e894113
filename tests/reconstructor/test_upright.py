"""What intensities leave open is settled the same way whatever the object was before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reconstructor.upright import sided, signature, twin, upright, without_ramp

STEPS = np.array([[12.0, 1.0, 0.0], [0.0, 10.0, 2.0], [-3.0, 0.0, 9.0]])
N = 32


def body(seed: int = 0) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
    """A lopsided, strained body with |phase| below 2 rad, about n // 2."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*[np.arange(N) - N // 2] * 3, indexing="ij")
    inside = (np.abs(z) < 7) & (y > -5) & (y < 6) & (x > -8) & (x + 0.6 * z + 0.4 * y < 5)
    phase = 0.02 * z * y - 0.01 * x**2 + 0.001 * x**3
    density = 1 + 0.1 * rng.standard_normal((N, N, N))
    return (inside * density * np.exp(1j * phase)).astype(np.complex64), inside


@settings(deadline=None, max_examples=25)
@given(
    shift=st.tuples(*[st.integers(-16, 16)] * 3),
    turn=st.floats(-3.1, 3.1),
    ramp=st.tuples(*[st.integers(-3, 3)] * 3),
    inverted=st.booleans(),
)
def test_twin_shift_phase_and_ramp_make_no_difference(
    shift: tuple[int, int, int], turn: float, ramp: tuple[int, int, int], inverted: bool
) -> None:
    """The settled object is the same after any of what the intensities leave open."""
    obj, inside = body()
    wanted = upright(obj, inside, STEPS)
    k = sum(
        np.expand_dims(r * np.arange(N) / N, tuple(a for a in range(3) if a != axis)) for axis, r in enumerate(ramp)
    )
    other = (obj * np.exp(1j * turn + 2j * np.pi * k)).astype(np.complex64)
    if inverted:
        other, inside = twin(other), twin(inside)
    found = upright(np.roll(other, shift, (0, 1, 2)), np.roll(inside, shift, (0, 1, 2)), STEPS)
    assert found.twinned != (wanted.twinned == inverted)
    assert found.obj.shape == wanted.obj.shape
    assert np.allclose(found.obj, wanted.obj, atol=2e-3)
    assert np.array_equal(found.support, wanted.support)


def test_the_hand_of_an_earlier_volume_is_kept() -> None:
    """Given the signature of either hand, that hand comes out."""
    obj, inside = body()
    for given_obj, given_inside in ((obj, inside), (twin(obj), twin(inside))):
        like = signature(without_ramp(given_obj), given_inside, STEPS)
        for start, mask in ((obj, inside), (twin(obj), twin(inside))):
            assert sided(upright(start, mask, STEPS, like).signature, like) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("n", [8, 9])
def test_a_twin_is_inverted_about_the_middle_and_its_own_inverse(n: int) -> None:
    """Twice the twin is the object; voxel n // 2 stays where it is; the intensities are the same."""
    rng = np.random.default_rng(1)
    obj = (rng.standard_normal((n, n, n)) + 1j * rng.standard_normal((n, n, n))).astype(np.complex64)
    assert np.array_equal(twin(twin(obj)), obj)
    middle = (n // 2,) * 3
    assert twin(obj)[middle] == np.conj(obj[middle])
    assert np.allclose(np.abs(np.fft.fftn(twin(obj))), np.abs(np.fft.fftn(obj)), atol=1e-3)


def test_a_signature_does_not_depend_on_the_voxels() -> None:
    """The same body on finer voxels has the same signature within a few per cent."""
    coarse = []
    for finer in (1, 2):
        side = 24 * finer
        z, y, x = np.meshgrid(*[(np.arange(side) - side // 2) / finer] * 3, indexing="ij")
        inside = (np.abs(z) < 6.2) & (y > -5.2) & (x > -7.2) & (x + 0.8 * y < 5.2) & (y < 8.2)
        coarse.append(signature(np.where(inside, np.exp(0.01j * x * y), 0).astype(np.complex64), inside, STEPS / finer))
    assert sided(coarse[0], coarse[1]) > 0.95
