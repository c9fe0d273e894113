"""What a job that ended leaves in the outlook of its scan."""

from __future__ import annotations

from dataclasses import replace

from contract.messages import Scan
from reconstructor.jobs import Job, Outlook, finished
from tests.reconstructor.histories import OFFERS, SHOWN

SEEN = Outlook(Scan("a"), 1, 0.0, 100, 100, True, True, True, 10.0, 0.1, 70.0, provisional=SHOWN, refined=OFFERS)
REFINED = Job(Scan("a"), 1, "refined", 100, OFFERS[0], 4, 0, over=True)


def test_more_runs_join_and_a_volume_made_anew_starts_over() -> None:
    """Runs add up where they join; seeds go on in either case."""
    first = finished(SEEN, REFINED, True, 20.0)
    assert (first.refined_frames, first.refined_runs, first.next_seed, first.served_at) == (100, 4, 4, 20.0)
    more = finished(first, replace(REFINED, runs=2, first_seed=4, more=True), True, 30.0)
    assert (more.refined_runs, more.next_seed) == (6, 6)
    anew = finished(more, replace(REFINED, first_seed=6), True, 40.0)
    assert (anew.refined_runs, anew.next_seed) == (4, 10)


def test_failures_are_counted_on_the_same_frames() -> None:
    """Two on the same frames are two; on other frames counting begins again; a success forgets them."""
    failed = finished(finished(SEEN, REFINED, False, 20.0), REFINED, False, 30.0)
    assert (failed.failures, failed.failed_frames) == (2, 100)
    other = finished(failed, replace(REFINED, frames=101), False, 40.0)
    assert (other.failures, other.failed_frames) == (1, 101)
    assert finished(other, replace(REFINED, frames=101), True, 50.0).failures == 0


def test_a_provisional_volume_of_the_whole_curve_is_remembered_as_that() -> None:
    """Whether it succeeded or not: the same is not tried again."""
    shown = replace(REFINED, stage="provisional", offer=SHOWN[0])
    assert finished(SEEN, shown, False, 12.0).shown_over
    assert not finished(SEEN, replace(shown, over=False), True, 12.0).shown_over
    assert finished(SEEN, shown, True, 12.0).refined_frames == 0


def test_a_job_on_another_window_changes_nothing() -> None:
    """Its scan was replaced while it ran."""
    assert finished(SEEN, replace(REFINED, window_revision=0), True, 20.0) is SEEN


def test_a_scan_may_begin_warm_where_its_last_object_is_laid_over_it() -> None:
    """Not while nothing is known, and not after the crystal has changed too much."""
    states = {state: replace(SEEN, forecast=state).warm for state in ("none", "fitted", "beaten", "abandoned")}
    assert states == {"none": False, "fitted": True, "beaten": True, "abandoned": False}
