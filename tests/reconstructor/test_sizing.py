"""How large a job may be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Scan
from reconstructor import sizing
from reconstructor.forecast.warm import WARM
from reconstructor.jobs import Begins, Outlook
from reconstructor.sizing import LEAST_SHARE, PUBLISH_S, Machine
from reconstructor.speed import Speed
from tests.reconstructor.histories import LARGE, OFFERS, SHOWN, SMALL


def machine(speed: float = 1.0) -> Machine:
    """Two cores of 2022, or some times as fast."""
    return Machine(2, Speed({SMALL: 0.002 / speed, LARGE: 0.02 / speed}, {SMALL: 0.2 / speed, LARGE: 0.8 / speed}))


SEEN = Outlook(Scan("a"), 1, 0.0, 100, 100, True, True, True, 10.0, 0.1, None, provisional=SHOWN, refined=OFFERS)


@given(st.floats(0.1, 10.0), st.floats(0.1, 200.0))
def test_a_job_that_fits_is_published_in_time(speed: float, left: float) -> None:
    """Its estimate and the publication end by the time given, and its runs before; else it says it does not fit."""
    found = sizing.refined(machine(speed), SEEN, 10.0, 10.0 + left)
    assert found is not None
    assert found.fits == (sizing.least_s(machine(speed), SEEN) <= left - PUBLISH_S)  # type: ignore[operator]
    assert found.job.runs >= 3
    if found.fits:
        assert found.estimate_s + PUBLISH_S <= left + 1e-9
        assert found.job.finish_by is not None
        assert found.job.finish_by < 10.0 + left - PUBLISH_S
    else:
        assert found.job.finish_by is None


@given(st.floats(0.1, 10.0), st.floats(1.0, 200.0))
def test_no_job_is_cut_to_nothing(speed: float, left: float) -> None:
    """A recipe keeps a fifth of its iterations, however short the time."""
    found = sizing.refined(machine(speed), SEEN, 0.0, left)
    assert found is not None
    whole = next(
        o for o in OFFERS if (o.window, o.recipe.name) == (found.job.offer.window, found.job.offer.recipe.name)
    )
    assert found.job.offer.recipe.iterations >= 0.99 * LEAST_SHARE * whole.recipe.iterations


def test_most_is_an_upper_bound_while_something_fits_it() -> None:
    """A job that shall hold up others no longer than some seconds does not, where a good part of an offer allows."""
    for most in (3.0, 8.0, 20.0):
        found = sizing.refined(machine(), SEEN, 0.0, 200.0, most)
        assert found is not None
        assert found.estimate_s <= most + 0.1


@pytest.mark.parametrize(("begins", "runs"), [("last hold", 0), ("warm", 1), ("cold", 2), ("cold and warm", 2)])
def test_a_provisional_job_has_few_runs_while_frames_come(begins: Begins, runs: int) -> None:
    """As many as there are workers; one if it is warm only; none for the last hold's object."""
    found = sizing.provisional(machine(), replace(SEEN, over=False), begins, 2.0)
    assert found.job.runs == runs


def test_the_whole_curve_is_shown_by_more_runs_if_there_is_time() -> None:
    """Up to the number the recipe asks for, the warm one included."""
    assert [sizing.provisional(machine(), SEEN, "cold", within).job.runs for within in (1.0, 1.5)] == [2, 3]
    assert sizing.provisional(machine(), SEEN, "cold and warm", 1.5).job.runs == 4


def test_a_slow_machine_shortens_a_provisional_recipe_to_half() -> None:
    """The cheapest window's recipe loses iterations, half of them at most, so that volumes keep coming."""
    iterations = [
        sizing.provisional(machine(speed), SEEN, "cold", 2.0).job.offer.recipe.iterations for speed in (1, 0.35, 0.1)
    ]
    assert iterations[0] == 300
    assert 150 < iterations[1] < 300
    assert iterations[2] == 150


def test_nothing_better_than_the_best_in_full_with_all_its_runs() -> None:
    """The revisions of a volume come to an end."""
    done = replace(SEEN, refined_frames=100, refined_offer=OFFERS[0], refined_runs=20, next_seed=20)
    assert sizing.better(machine(), done, 0.0, None) is None
    assert sizing.better(machine(), replace(done, refined_runs=18), 0.0, None) is not None


def test_a_warm_provisional_run_goes_through_the_quick_warm_recipe() -> None:
    """One run of it, or a part of it where the machine is slow; cold ones keep the recipe that was asked for."""
    warm, cold = (sizing.provisional(machine(), SEEN, begins, 60.0) for begins in ("warm", "cold"))
    assert (warm.job.offer.recipe, warm.job.runs) == (WARM, 1)
    assert cold.job.offer.recipe == SHOWN[0].recipe
    slow = sizing.provisional(machine(0.1), SEEN, "warm", 1.0).job.offer.recipe
    assert slow.iterations < WARM.iterations


def test_a_provisional_of_the_whole_curve_is_cut_in_time_but_not_to_nothing() -> None:
    """Its runs end when the rest of the job still fits before the time given, or behind half of the shortest recipe."""
    in_time, late = (sizing.cut_at(machine(), SEEN, 10.1, until) for until in (12.0, 10.3))
    assert in_time == pytest.approx(12.0 - sizing.SHOW_S - machine().speed.around(SHOWN[-1].window.shape))
    assert 10.1 < late < 10.1 + machine().speed.run(SHOWN[-1].recipe, SHOWN[-1].window.shape)
    found = sizing.provisional(machine(), SEEN, "cold", 1.3, in_time)
    assert found.job.finish_by == in_time
    assert 10.1 + found.estimate_s < in_time + machine().speed.around(SHOWN[-1].window.shape)
