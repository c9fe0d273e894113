"""What happens to the simulated crystals from hold to hold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.simulator.campaign import STRAIN_CHANGE, state
from streamer.simulator.crystals import CrystalState, Triple, extents_nm, inside, sample

FIRST_Q: Triple = (1.3185, 0.0, -0.1581)


def exit_wave(crystal: CrystalState) -> NDArray[np.complex128]:
    axis = np.arange(-300.0, 301.0, 15.0)
    density, displacement = sample(crystal, np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1))
    wave: NDArray[np.complex128] = density * np.exp(-1j * np.linalg.norm(crystal.q_inv_a) * displacement)
    return wave


def overlap(a: NDArray[np.complex128], b: NDArray[np.complex128]) -> float:
    """Largest |⟨a, b⟩| over all phase ramps: a moved peak is a recentred window."""
    product = np.abs(np.fft.fftn(a.conj() * b, (96, 96, 96))).max()
    return float(product / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("seed", [1, 2, 6])
def test_consecutive_states_of_crystal_iv_are_alike(seed: int) -> None:
    """From hold to hold the overlap is about 0.85 to 0.95, so a warm start helps and a change shows."""
    waves = [exit_wave(state("IV", voltage, FIRST_Q, seed)) for voltage in (4.1, 4.0, 3.9)]
    for before, after in itertools.pairwise(waves):
        assert 0.84 < overlap(before, after) < 0.965


def test_the_reflection_moves_as_published() -> None:
    """From 4.1 to 3.9 V |Q| grows by 7.4e-4, the peak moves 20 raw pixels along the ring, and the intensity falls."""
    first, last = state("IV", 4.1, FIRST_Q, 1), state("IV", 3.9, FIRST_Q, 1)
    lengths = [np.linalg.norm(s.q_inv_a) for s in (first, last)]
    assert lengths[1] / lengths[0] - 1 == pytest.approx(-STRAIN_CHANGE, rel=2e-3)
    assert abs(last.q_inv_a[1] - first.q_inv_a[1]) == pytest.approx(20 * 1.0572e-4, rel=0.02)
    assert first.brightness == 1.0
    assert last.brightness < state("IV", 4.0, FIRST_Q, 1).brightness < 1.0


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_dislocation_appears_inside_at_the_last_voltage(seed: int) -> None:
    """Only at 3.9 V one screw line along Q, its Burgers vector one d spacing, has its core inside the crystal."""
    assert not state("IV", 4.1, FIRST_Q, seed).dislocations
    assert not state("IV", 4.0, FIRST_Q, seed).dislocations
    last = state("IV", 3.9, FIRST_Q, seed)
    (dislocation,) = last.dislocations
    assert inside(last.shape, np.array(dislocation.through_nm)) == 1.0
    assert dislocation.image_nm is not None
    assert inside(last.shape, np.array(dislocation.image_nm)) == 0.0
    assert np.cross(dislocation.line, FIRST_Q) == pytest.approx([0, 0, 0], abs=1e-12)
    assert dislocation.burgers_a == pytest.approx(4.731, abs=0.01)


def test_domains_rotate_against_each_other() -> None:
    """The tilt between the two domains grows with the discharge and lies across Q, where one reflection sees it."""
    tilts = []
    for voltage in (4.1, 4.0, 3.9):
        domain = state("IV", voltage, FIRST_Q, 1).second_domain
        assert domain is not None
        tilts.append(np.linalg.norm(domain.tilt_deg))
        assert np.dot(domain.tilt_deg, FIRST_Q) == pytest.approx(0.0, abs=1e-12)
    assert tilts[0] < tilts[1] < tilts[2]


def test_crystal_v_is_the_control() -> None:
    """Nothing about crystal V depends on the voltage."""
    first, last = state("V", 4.1, FIRST_Q, 1), state("V", 3.9, FIRST_Q, 1)
    assert first.q_inv_a == pytest.approx(last.q_inv_a)
    np.testing.assert_allclose(exit_wave(first), exit_wave(last))


def test_the_seed_makes_the_crystal() -> None:
    """The same seed gives the same crystal, another seed another shape; extents are 455 to 545 nm."""
    assert state("IV", 4.0, FIRST_Q, 5) == state("IV", 4.0, FIRST_Q, 5)
    assert state("IV", 4.0, FIRST_Q, 5).shape != state("IV", 4.0, FIRST_Q, 6).shape
    for seed in range(5):
        extents = extents_nm(state("IV", 4.1, FIRST_Q, seed).shape)
        assert ((extents > 450) & (extents < 550)).all()


def test_an_unknown_crystal_is_refused() -> None:
    """The error names the crystals there are."""
    with pytest.raises(ValueError, match="no crystal 'IX' to simulate, only IV, V"):
        state("IX", 4.1, FIRST_Q, 1)
