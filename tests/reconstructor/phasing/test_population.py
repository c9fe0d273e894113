"""What a population of runs has in common, whatever each run was free to choose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reconstructor.phasing.alignment import moved, overlap, twin
from reconstructor.phasing.population import Member, choose, eigenmode, first_mode
from reconstructor.phasing.problem import Estimate, Misfit, PhasingError


def member(obj: np.ndarray, free: float | None, seed: int, outside: float = 0.01, warm: bool = False) -> Member:
    """A finished run of this object."""
    everywhere = np.ones(obj.shape, np.bool_)
    misfit = Misfit(0.01, 1.0, 1.0, free, free)
    estimate = Estimate(
        obj.shape, (0, 0, 0), obj.astype(np.complex64), everywhere, 9, 9, "ER", 0, 0.01, outside, misfit
    )
    return Member(estimate, seed, warm)


def changed(of: Member, obj: np.ndarray) -> Member:
    """The same run with another object."""
    return replace(of, estimate=replace(of.estimate, block=obj.astype(np.complex64)))


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """A lopsided, strained body on 18 × 20 × 21 voxels."""
    z, y, x = np.meshgrid(*[np.arange(n) - n // 2 for n in (18, 20, 21)], indexing="ij")
    body = (np.abs(z) < 5) & (np.abs(y) < 4) & (x > -5) & (x + 0.6 * z + 0.4 * y < 4)
    return (body * np.exp(1j * (0.03 * x * z + 0.02 * y**2))).astype(np.complex64)


@pytest.fixture(scope="module")
def population(truth: np.ndarray) -> list[Member]:
    """Twelve runs near the truth, each with an error of its own, and not the first one the best."""
    rng = np.random.default_rng(1)
    members = []
    for seed in range(12):
        error = rng.standard_normal((2, *truth.shape)).astype(np.float32)
        obj = truth * (1 + np.float32(0.2) * (error[0] + 1j * error[1]))
        members.append(member(obj, 1.0 + abs(seed - 4), seed))
    return members


def test_mode_and_choice_do_not_see_twin_shift_and_phase(population: list[Member]) -> None:
    """With some members inverted, moved and turned in phase, choice, mode, weight and overlaps stay."""
    shifts = [(0.0, 0.0, 0.0), (1.3, -2.6, 0.4), (-3.0, 0.25, 1.0)]
    other = list(population)
    for place in (0, 1, 2, 7, 9):
        obj = population[place].estimate.obj
        obj = twin(obj) if place % 2 else obj
        obj = moved(obj, shifts[place % 3]) * np.complex64(np.exp(1j * place))
        other[place] = changed(population[place], obj)
    choice = choose(population)
    assert choose(other) == choice
    before, after = first_mode(population, choice), first_mode(other, choice)
    assert before.weight is not None
    assert 0.8 < before.weight < 0.99
    assert after.weight == pytest.approx(before.weight, abs=2e-3)
    assert np.linalg.norm(after.obj - before.obj) < 0.01 * np.linalg.norm(before.obj)
    np.testing.assert_allclose(after.overlaps, before.overlaps, atol=2e-3)


def test_the_mode_follows_the_best_ones_hand_and_place(population: list[Member]) -> None:
    """When the best itself is inverted and moved, the mode is inverted and moved, and no less alike."""
    best = choose(population).best
    turned = list(population)
    turned[best] = changed(population[best], moved(twin(population[best].estimate.obj), (2.0, 0.0, -1.5)))
    before, after = (first_mode(p, choose(p)) for p in (population, turned))
    assert overlap(before.obj, after.obj) == pytest.approx(1.0, abs=2e-3)
    assert after.weight == pytest.approx(before.weight, abs=2e-3)
    assert abs(np.vdot(after.obj, turned[best].estimate.obj)) > 0.95 * np.linalg.norm(after.obj) * np.linalg.norm(
        turned[best].estimate.obj
    )


def test_the_mode_is_nearer_the_truth_than_any_member(population: list[Member], truth: np.ndarray) -> None:
    """Errors of independent runs cancel."""
    mode = first_mode(population, choose(population))
    assert mode.members == 12
    single = max(overlap(m.estimate.obj, truth) for m in population)
    assert overlap(mode.obj, truth) > single + 0.005


def test_below_ten_cold_runs_the_weight_is_not_determined(population: list[Member]) -> None:
    """Nine cold runs, or ten with a warm one among them, have no weight; ten cold ones have one."""
    for members in (population[:9], [*population[:9], replace(population[9], warm=True)]):
        assert first_mode(members, choose(members)).weight is None
    assert first_mode(population[:10], choose(population[:10])).weight is not None


def test_warm_runs_do_not_enter_the_weight(population: list[Member]) -> None:
    """Warm copies of one another would make it look better: it is that of the cold members alone."""
    cold = population[:10]
    warm = [replace(population[11], warm=True)] * 5
    choice, more = choose(cold), choose([*cold, *warm])
    wanted = first_mode(cold, choice).weight
    assert first_mode([*cold, *warm], more).weight == pytest.approx(wanted, rel=1e-3)


def test_the_lowest_free_llk_is_the_best(population: list[Member]) -> None:
    """Cold or warm; kept in rising order, nothing rejected."""
    choice = choose(population)
    assert choice.best == choice.kept[0] == 4
    values = [population[place].free_llk for place in choice.kept]
    assert values == sorted(values)
    assert choice.rejected == ()


def test_energy_outside_the_support_rejects(population: list[Member]) -> None:
    """More than 10 % outside is rejected, however good the free LLK; where that holds for all, all are kept."""
    loud = [replace(m, estimate=replace(m.estimate, energy_outside=0.11)) for m in population]
    some = [*population[:4], loud[4], *population[5:]]
    choice = choose(some)
    assert choice.rejected == (4,)
    assert choice.best in (3, 5)
    assert 4 not in choice.kept
    assert choose(loud).rejected == ()
    assert choose(loud).best == 4


def test_an_empty_population_is_told() -> None:
    """No runs, no objects, or objects without energy: each error names what was found and wanted."""
    with pytest.raises(PhasingError, match="a population of 0 runs; wanted at least one"):
        choose([])
    with pytest.raises(PhasingError, match="an eigenmode of 0 objects; wanted at least one"):
        eigenmode([])
    for value in (0, np.nan):
        with pytest.raises((PhasingError, np.linalg.LinAlgError), match=r"the energy of 2 objects is .*; wanted"):
            eigenmode([np.full((2, 2, 2), value, np.complex64)] * 2)


def test_the_eigenmode_is_that_of_the_whole_stack() -> None:
    """As a singular value decomposition has it: the vector up to a phase, λ₁/Σλ, and the energy λ₁/K."""
    rng = np.random.default_rng(3)
    stack = (rng.standard_normal((5, 4, 4, 4)) + 1j * rng.standard_normal((5, 4, 4, 4))).astype(np.complex64)
    mode, weight = eigenmode(list(stack))
    _, values, vectors = np.linalg.svd(stack.reshape(5, -1), full_matrices=False)
    assert weight == pytest.approx(values[0] ** 2 / np.sum(values**2), rel=1e-4)
    assert np.vdot(mode, mode).real == pytest.approx(values[0] ** 2 / 5, rel=1e-4)
    assert abs(np.vdot(vectors[0], mode)) == pytest.approx(np.linalg.norm(mode), rel=1e-4)
    same, one = eigenmode([stack[0]] * 3)
    assert one == pytest.approx(1.0)
    assert np.linalg.norm(same) == pytest.approx(np.linalg.norm(stack[0]), rel=1e-5)
