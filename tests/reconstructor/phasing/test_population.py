"""What a population of runs has in common, whatever each run was free to choose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reconstructor.phasing.alignment import moved, overlap, twin
from reconstructor.phasing.population import Choice, Member, choose, eigenmode, first_mode
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
        members.append(member(obj, 1.0 + 0.05 * abs(seed - 4), seed))
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


@pytest.mark.parametrize("dependent", [{"warm": True}, {"generation": 1}])
def test_only_independent_runs_enter_weight_and_mean(population: list[Member], dependent: dict[str, Any]) -> None:
    """Warm or bred copies of one another would make them look better: they are those of the cold members alone."""
    cold = population[:10]
    others = [replace(population[11], **dependent)] * 5
    alone, more = (first_mode(members, choose(members)) for members in (cold, [*cold, *others]))
    assert alone.mean is not None
    assert more.members == 15
    assert more.weight == pytest.approx(alone.weight, rel=1e-3)
    np.testing.assert_array_equal(more.mean, alone.mean)
    assert first_mode([*cold[:9], *others], choose([*cold[:9], *others])).mean is None


def test_the_mean_of_members_that_are_one_object_is_that_object(population: list[Member], truth: np.ndarray) -> None:
    """Twin, shift and constant phase of the members do not lower it; independent errors do."""
    same = [changed(m, moved(truth, (0.3 * k, -k, 0)) * np.exp(1j * k)) for k, m in enumerate(population)]
    same = [changed(m, twin(m.estimate.obj)) if k % 2 else m for k, m in enumerate(same)]
    mean = first_mode(same, choose(same)).mean
    assert mean is not None
    assert np.linalg.norm(mean) == pytest.approx(np.linalg.norm(truth), rel=1e-3)
    mean = first_mode(population, choose(population)).mean
    assert mean is not None
    assert np.linalg.norm(mean) < 0.995 * np.mean([np.linalg.norm(m.estimate.obj) for m in population])


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
    assert choice.rejected == ((4, "11 % of its energy is outside the support, above 10 %"),)
    assert choice.best in (3, 5)
    assert 4 not in choice.kept
    assert choose(loud).rejected == ()
    assert choose(loud).best == 4


def test_a_free_llk_far_above_the_best_ones_rejects(population: list[Member], truth: np.ndarray) -> None:
    """Above 1.5 times the best's a run has stagnated; the best is that of the quiet runs, cold or warm."""
    quiet = [member(truth, 1.2 * free, k, warm=k == 0) for k, free in enumerate((1.0, 1.5, 1.51, 1.0))]
    loud = member(truth, 0.1, 9, outside=0.5)
    choice = choose([loud, *quiet])
    assert (choice.best, choice.kept) == (1, (1, 4, 2))
    assert [rejected.place for rejected in choice.rejected] == [0, 3]
    assert choice.rejected[1].reason == "its free LLK of 1.81 is above 1.8, 1.5 times the best's"


def test_all_places_are_kept_or_rejected(truth: np.ndarray) -> None:
    """Each place stands in one of the two, the best is kept, whatever is infinite or loud."""
    rng = np.random.default_rng(5)
    for _ in range(50):
        values = rng.choice([0.5, 0.8, 1.0, 9.0, np.inf], 6)
        members = [member(truth[:2], float(v), k, outside=rng.choice([0.01, 0.3])) for k, v in enumerate(values)]
        choice: Choice = choose(members)
        assert sorted([*choice.kept, *(rejected.place for rejected in choice.rejected)]) == list(range(6))
        assert choice.best == choice.kept[0]


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
