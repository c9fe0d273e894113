"""What a recipe becomes on a problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reconstructor.phasing.notation import parse
from reconstructor.phasing.problem import PhasingError, Problem, Start
from reconstructor.phasing.program import cost, iterations, program

TWO = parse("Crop(0.5) * Tries(4) * HIO**80 | Tries(2) * ER**10")


@pytest.fixture(scope="module")
def wide(grown_crystal: Callable[..., Any]) -> Problem:
    """A crystal 24 voxels wide on 64³."""
    problem: Problem = grown_crystal(3, n=64, extent=24, kind="gentle").problem
    return problem


def test_a_wide_crystal_is_searched_at_the_resolution_asked_for(wide: Problem) -> None:
    """Every crop and every try is allowed, so the run costs what the recipe says."""
    legs = program(TWO, wide, Start())
    assert [(leg.number, leg.shape, leg.stage.tries) for leg in legs] == [(0, (32, 32, 32), 4), (1, (64, 64, 64), 2)]
    assert iterations(legs) == TWO.iterations == 340
    assert cost(TWO, wide) == pytest.approx(TWO.cost)


def test_a_small_crystal_costs_fewer_tries(grown_crystal: Callable[..., Any]) -> None:
    """A crystal 8 voxels wide keeps the whole window, and the stage costs no more than twice what it should."""
    legs = program(TWO, grown_crystal(3, n=64, extent=8, kind="gentle").problem, Start())
    assert legs[0].shape == (64, 64, 64)
    assert legs[0].stage.tries == 1


def test_an_object_to_start_from_needs_no_search(wide: Problem) -> None:
    """A start with an object enters at full resolution; one with a support alone does not."""
    assert [leg.number for leg in program(TWO, wide, Start(obj=np.ones(wide.shape, np.complex64)))] == [1]
    assert [leg.number for leg in program(TWO, wide, Start(support=np.ones(wide.shape, np.bool_)))] == [0, 1]


def test_nothing_to_phase_is_told(wide: Problem) -> None:
    """All-zero data have no crystal to be measured by."""
    empty = Problem(np.zeros_like(wide.counts), wide.known, wide.free)
    with pytest.raises(PhasingError, match="zero counts"):
        program(TWO, empty, Start())
