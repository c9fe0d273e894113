"""Recipes are data that refuse nonsense."""

from __future__ import annotations

import pytest

from reconstructor.phasing import recipe_file
from reconstructor.phasing.notation import parse
from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.recipe import (
    Beginning,
    Coherence,
    Guided,
    Recipe,
    Runs,
    Shrinkwrap,
    Stage,
    Step,
    TwinRemoval,
    scaled,
)

LONG = "Crop(0.5) * Tries(4) * Sup(every=20) * HIO**500 * RAAR**80 * ER**20 | Tries(3) * Sup(every=20) * RAAR**80 * ER"


def test_nonsense_is_refused_with_found_and_wanted() -> None:
    """Each part names the value it found and the one it wants."""
    step = Step("ER", 1)
    for make, text in (
        (lambda: Step("XYZ", 1), "algorithm 'XYZ'; wanted one of ER, HIO"),  # type: ignore[arg-type]
        (lambda: Step("ER", 0), "ER has 0 iterations; wanted at least 1"),
        (lambda: Step("HIO", 1, 0.0), "β of HIO is 0.0; wanted 0 < β ≤ 2"),
        (lambda: Step("HIO", 1, float("nan")), "β of HIO is nan"),
        (lambda: Shrinkwrap(every=0), "shrinkwrap every 0 iterations; wanted every 1 or more"),
        (lambda: Shrinkwrap(threshold=(0.4, 0.1)), r"threshold 0.4..0.1; wanted 0 < low ≤ high"),
        (lambda: Shrinkwrap(sigma_voxels=(2.0, 0.0)), "sigma .*; wanted 0 < σ < 1000 voxels"),
        (lambda: Shrinkwrap(fraction=(0.7, 0.1)), "support fraction 0.7..0.1; wanted"),
        (lambda: Shrinkwrap(by="sum"), "shrinkwrap by 'sum'; wanted one of rms, mean, max"),  # type: ignore[arg-type]
        (lambda: Coherence(at=1.0), "coherence at 1.0; wanted 0 ≤ at < 1"),
        (lambda: Coherence(every=0), "coherence every 0 iterations; wanted every 1 or more"),
        (lambda: Coherence(reach_voxels=0), "a coherence reach of 0 voxels; wanted 1 to 15"),
        (lambda: Coherence(iterations=0), "coherence with 0 iterations an update; wanted at least 1"),
        (lambda: Beginning(shape="ball"), "a support of shape 'ball'; wanted one of"),  # type: ignore[arg-type]
        (lambda: Beginning(size=(0.5, 1.5)), "a support of size 0.5..1.5; wanted 0 < small"),
        (lambda: Guided(generations=1), "1 generations; wanted at least 2"),
        (lambda: Guided(breeding="best"), "breeding 'best'; wanted one of geometric"),  # type: ignore[arg-type]
        (lambda: Guided(keep=0.0), "a share kept of 0.0; wanted 0 < keep ≤ 1"),
        (lambda: TwinRemoval(at=1.0), "twin removal at 1.0; wanted 0 ≤ at < 1"),
        (lambda: Stage(()), "a stage without steps; wanted at least one"),
        (lambda: Stage((step,), crop=0.0), "crop 0.0; wanted 0 < crop ≤ 1"),
        (lambda: Stage((step,), tries=0), "0 tries; wanted at least 1"),
        (lambda: Runs(0), "wanted at least one run"),
        (lambda: Recipe("none", ()), "recipe 'none' without stages; wanted at least one"),
    ):
        with pytest.raises(PhasingError, match=text):
            make()


def test_iterations_and_cost_count_tries_and_voxels() -> None:
    """Iterations add up over stages and tries; at half the resolution one costs an eighth."""
    recipe = parse("Crop(0.5) * Tries(4) * HIO**70 * ER**10 | ER**60")
    assert recipe.iterations == 4 * 80 + 60
    assert recipe.cost == pytest.approx(4 * 80 / 8 + 60)


def test_what_takes_twice_as_long_costs_twice() -> None:
    """Difference map, likelihood, and all that follows once there is partial coherence."""
    assert parse("HIO**70 * DM**20 * ER**10").cost == pytest.approx(120)
    assert parse("HIO**90 * ML**10").cost == pytest.approx(110)
    assert parse("Coherent(at=0.5) * HIO**80 * ER**20").cost == pytest.approx(40 + 2 * 60)
    assert parse("Coherent(at=0) * HIO**80 * ER**20").cost == pytest.approx(200)


def test_the_search_lasts_until_the_closing_er() -> None:
    """ER and ML between other steps belong to the search, and they alone are all search."""
    assert parse("ML**5 * HIO**10 * ER**7 * ML**3").stages[0].searching == 15
    assert parse("ER**5 * HIO**10 * ER**7").stages[0].searching == 15
    assert parse("ER**5 * ER**7").stages[0].searching == 12


@pytest.mark.parametrize("iterations", [1, 3, 10, 100, 1000, 2000, 10_000])
def test_a_scaled_recipe_keeps_an_iteration_a_step(iterations: int) -> None:
    """However few are asked for, each step stays with one at least, in the same order and with the same β."""
    for recipe in (parse(LONG), recipe_file.default("refined"), recipe_file.default("provisional")):
        found = scaled(recipe, iterations)
        assert len(found.stages) == len(recipe.stages)
        for before, after in zip(recipe.stages, found.stages, strict=True):
            assert [(s.algorithm, s.beta) for s in after.steps] == [(s.algorithm, s.beta) for s in before.steps]
            assert min(step.iterations for step in after.steps) >= 1
            assert 1 <= after.tries <= before.tries
        assert (found.name, found.beginning, found.runs) == (recipe.name, recipe.beginning, recipe.runs)


@pytest.mark.parametrize("iterations", [300, 1000, 2643, 6000])
def test_a_scaled_recipe_has_about_so_many_iterations(iterations: int) -> None:
    """Within a fifth of what was asked for, and more asked for never gives fewer."""
    recipe = parse(LONG)
    assert scaled(recipe, iterations).iterations == pytest.approx(iterations, rel=0.2)
    assert scaled(recipe, 2 * iterations).iterations > scaled(recipe, iterations).iterations


def test_shrinkwrap_is_no_denser_than_every_fifth() -> None:
    """A shortened recipe keeps its number of updates as long as 5 iterations lie between them."""
    recipe = parse("Sup(every=20) * HIO**400")
    assert scaled(recipe, 200).stages[0].shrinkwrap == Shrinkwrap(every=10)
    assert scaled(recipe, 20).stages[0].shrinkwrap == Shrinkwrap(every=5)
    assert scaled(recipe, 800).stages[0].shrinkwrap == Shrinkwrap(every=20)
    assert scaled(parse("Coherent(every=30) * HIO**400"), 200).stages[0].coherence == Coherence(every=15)


def test_no_iterations_are_refused() -> None:
    """A recipe cannot be scaled to nothing."""
    with pytest.raises(PhasingError, match="a recipe scaled to 0 iterations; wanted at least 1"):
        scaled(parse(LONG), 0)
