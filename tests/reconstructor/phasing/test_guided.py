"""The laws of breeding, whatever the members were free to choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reconstructor.phasing import engine
from reconstructor.phasing.alignment import moved, overlap, twin
from reconstructor.phasing.guided import bred, children, low_passed, sigma, sizes
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.notation import parse
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Complex, Estimate, Misfit
from reconstructor.phasing.recipe import BREEDINGS, Breeding, Guided


def member(obj: Complex, free: float, seed: int, generation: int = 0, warm: bool = False) -> Member:
    """A finished run of this object."""
    misfit = Misfit(0.01, 1.0, 1.0, free, free)
    block = obj.astype(np.complex64)
    estimate = Estimate(block.shape, (0, 0, 0), block, np.abs(block) > 0, 9, 9, "ER", 0, 0.01, 0.01, misfit)
    return Member(estimate, seed, warm, generation)


@pytest.fixture(scope="module")
def body() -> Complex:
    """A lopsided, strained body on 24 × 24 × 25 voxels, well inside."""
    z, y, x = np.meshgrid(*[np.arange(n) - n // 2 for n in (24, 24, 25)], indexing="ij")
    inside = (np.abs(z) < 5) & (np.abs(y) < 4) & (x > -5) & (x + 0.6 * z + 0.4 * y < 4)
    return (inside * (1 + 0.05 * z) * np.exp(1j * (0.03 * x * z + 0.02 * y**2))).astype(np.complex64)


def noisy(obj: Complex, seed: int) -> Complex:
    """The body with an error of its own in each voxel."""
    rng = np.random.default_rng(seed)
    error = rng.standard_normal((2, *obj.shape))
    return (obj * (1 + 0.3 * (error[0] + 1j * error[1]))).astype(np.complex64)


@pytest.mark.parametrize("rule", BREEDINGS)
def test_an_object_bred_with_itself_is_itself(body: Complex, rule: Breeding) -> None:
    """By every rule, before the low-pass."""
    np.testing.assert_allclose(bred(body, body, rule), body, atol=2e-6)


@pytest.mark.parametrize("rule", BREEDINGS)
def test_energy_and_phase_are_the_best_ones(body: Complex, rule: Breeding) -> None:
    """Whatever the other is: another object, one of another scale, or nothing at all."""
    for other in (noisy(body, 1), 7 * noisy(body, 2), 0 * body):
        child = bred(body, other, rule)
        assert np.linalg.norm(child) == pytest.approx(np.linalg.norm(body), rel=1e-5)
        there = (np.abs(child) > 0) & (np.abs(body) > 0)
        np.testing.assert_allclose(np.angle(child[there] * np.conj(body[there])), 0, atol=1e-5)
        assert np.linalg.norm(low_passed(child, 2.0)) == pytest.approx(np.linalg.norm(body), rel=1e-5)


def test_amplitudes_go_by_the_rule() -> None:
    """Of 1 and 4: their geometric mean 2, mean 2.5, maximum 4, minimum 1, as ratios to where both are 1."""
    best, other = np.ones((2, 2, 2), np.complex64), np.ones((2, 2, 2), np.complex64)
    other[0, 0, 0] = 4j
    for rule, wanted in (("geometric", 2.0), ("mean", 2.5), ("maximum", 4.0), ("minimum", 1.0)):
        child = bred(best, other, rule)  # type: ignore[arg-type]
        assert child[0, 0, 0] / child[1, 1, 1] == pytest.approx(wanted, rel=1e-5)


def test_the_low_pass_falls_from_generation_to_generation() -> None:
    """From the first bred generation to the last; a smooth object passes, a rough one does not."""
    rules = Guided(generations=4, sigma_voxels=(2.0, 1.0))
    assert [sigma(rules, g) for g in (1, 2, 3)] == [2.0, 1.5, 1.0]
    assert sigma(Guided(generations=2, sigma_voxels=(2.0, 1.0)), 1) == 2.0
    z = np.arange(32) - 16
    smooth = np.exp(-np.add.outer(np.add.outer(z**2, z**2), z**2) / 128).astype(np.complex64)
    rough = smooth * (-1.0) ** z
    assert overlap(low_passed(smooth, 1.5), smooth) > 0.99
    assert abs(np.vdot(low_passed(rough.astype(np.complex64), 1.5), smooth)) < 0.1 * np.linalg.norm(smooth) ** 2
    assert low_passed(smooth, 0.0) is smooth


@pytest.mark.parametrize("rule", BREEDINGS)
def test_twin_shift_and_phase_of_the_members_do_not_matter(body: Complex, rule: Breeding) -> None:
    """Children of members that were inverted, moved and turned are the same children."""
    objs = [noisy(body, k) for k in range(4)]
    changed = [objs[0]]
    for k, obj in enumerate(objs[1:], 1):
        other = twin(obj) if k % 2 else obj
        changed.append((moved(other, (k, -1.0, 2.0 - k)) * np.exp(1j * k)).astype(np.complex64))
    rules = Guided(breeding=rule, keep=1.0, sigma_voxels=(1.0, 1.0))
    plain, other = (
        children([member(o, 1 + 0.1 * k, k) for k, o in enumerate(some)], rules) for some in (objs, changed)
    )
    for one, two in zip(plain, other, strict=True):
        assert one.start.obj is not None
        assert two.start.obj is not None
        assert np.linalg.norm(one.start.obj - two.start.obj) < 0.02 * np.linalg.norm(body)


def test_the_better_share_lives_on(body: Complex) -> None:
    """Half of the newest generation by free LLK, rounded up, each under its parent's seed, in the best one's support;
    stagnated runs do not live; the best may be of an earlier generation."""
    values = (1.2, 1.0, 9.0, 1.1, 1.3)
    first = [member(noisy(body, k), v, 10 + k) for k, v in enumerate(values)]
    born = children(first, Guided(keep=0.5))
    assert [(child.seed, child.generation) for child in born] == [(11, 1), (13, 1), (10, 1)]
    assert all(child.start.support is not None for child in born)
    assert np.array_equal(born[2].start.support, first[1].estimate.support)
    assert [child.seed for child in children(first, Guided(keep=1.0))] == [11, 13, 10, 14]
    second = [member(noisy(body, 9), v, s, generation=1) for v, s in ((1.05, 11), (1.04, 13))]
    later = children([*first, *second], Guided(keep=0.5))
    assert [(child.seed, child.generation) for child in later] == [(13, 2)]
    assert np.array_equal(later[0].start.support, first[1].estimate.support)
    third = [member(body, 1.0, 13, generation=2)]
    assert children([*first, *second, *third], Guided(keep=0.5)) == []


def test_what_descends_from_a_warm_run_is_warm(body: Complex) -> None:
    """By its parent or by the best."""
    members = [member(noisy(body, k), 1 + 0.1 * k, k, warm=k == 1) for k in range(3)]
    assert [child.warm for child in children(members, Guided(keep=1.0))] == [False, True, False]
    members[0] = member(noisy(body, 0), 1.0, 0, warm=True)
    assert all(child.warm for child in children(members, Guided(keep=1.0)))


def test_generations_are_counted_beforehand() -> None:
    """What each can have at most; without guidance there is one generation."""
    assert sizes(None, 20) == (20,)
    assert sizes(Guided(generations=3, keep=0.5), 21) == (21, 11, 6)
    assert sizes(Guided(generations=4, keep=0.1), 3) == (3, 1, 1, 1)


def test_a_poor_run_bred_with_a_good_one_becomes_good(small: Any) -> None:
    """Its child begins near the crystal, and ends there."""
    rng = np.random.default_rng(6)
    poor = np.where(small.core, rng.random(small.truth.shape) * np.exp(9j * rng.random(small.truth.shape)), 0)
    good = np.where(small.core, small.truth, 0)
    assert overlap(small.truth, poor.astype(np.complex64)) < 0.6
    born = children([member(good, 1.0, 0), member(poor, 1.2, 1)], Guided(keep=1.0, sigma_voxels=(1.0, 1.0)))[1]
    assert born.start.obj is not None
    assert overlap(small.truth, born.start.obj) > 0.85
    *_, end = engine.run(
        parse("RAAR**30 * ER**20"), small.problem, born.start, cpu.choose(small.problem.shape), born.seed
    )
    assert overlap(small.truth, end.obj) > 0.95
