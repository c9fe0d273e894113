"""The agenda case by case; what holds for every history is in test_histories."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.messages import Scan
from reconstructor.agenda import PATIENCE_S, Agenda
from reconstructor.jobs import Begun, Drop, Job, Outlook, Rest, Start, finished
from reconstructor.sizing import PUBLISH_S
from reconstructor.speed import Speed
from tests.reconstructor.histories import LARGE, OFFERS, SHOWN, SMALL

SPEED = Speed({SMALL: 0.002, LARGE: 0.02}, {SMALL: 0.2, LARGE: 0.8})


def outlook(**fields: object) -> Outlook:
    """A scan of 100 frames, 0.1 s each, that is half measured with its peak behind it."""
    plain: dict[str, object] = {
        "scan": Scan("a"),
        "window_revision": 1,
        "began_at": 0.0,
        "frames": 60,
        "expected": 100,
        "located": True,
        "peak_passed": True,
        "over": False,
        "last_frame_at": 6.0,
        "frame_time_s": 0.1,
        "hold_ends_at": 70.0,
        "provisional": SHOWN,
        "refined": OFFERS,
    }
    return Outlook(**{**plain, **fields})  # type: ignore[arg-type]


AGENDA = Agenda(2, SPEED)
OVER = outlook(frames=100, over=True, last_frame_at=10.0, shown_frames=100)


def begun(decision: object) -> Job:
    """The job of a decision to start one."""
    return plan(decision).job


def plan(decision: object) -> Start:
    """A decision to start a job."""
    assert isinstance(decision, Start)
    return decision


def test_nothing_is_begun_before_the_peak_has_passed() -> None:
    """A cold volume before the peak is worth nothing."""
    assert AGENDA.decide(6.0, [outlook(peak_passed=False)], []) == Rest()
    assert begun(AGENDA.decide(6.0, [outlook()], [])).stage == "provisional"


def test_nothing_is_begun_without_geometry_or_angles() -> None:
    """A scan that cannot be placed waits, also when it is over."""
    assert AGENDA.decide(6.0, [outlook(located=False), replace(OVER, located=False)], []) == Rest()


def test_the_same_frames_are_not_shown_twice() -> None:
    """A provisional job needs newer data than the last one had."""
    assert AGENDA.decide(6.0, [outlook(shown_frames=60)], []) == Rest()
    assert begun(AGENDA.decide(6.0, [outlook(shown_frames=59)], [])).frames == 60


def test_a_provisional_that_would_end_after_the_last_frame_waits_for_it() -> None:
    """With the last frame due sooner than a job would end, the full curve is waited for; unless frames stay away."""
    nearly = outlook(frames=98, last_frame_at=9.8)
    assert AGENDA.decide(9.85, [nearly], []) == Rest()
    assert begun(AGENDA.decide(11.5, [nearly], [])).frames == 98


def test_a_provisional_is_shortened_on_a_slow_machine() -> None:
    """The cheapest window's recipe loses iterations, half of them at most, so that volumes keep coming."""
    iterations = []
    for iteration_s in (0.002, 0.008, 0.1):
        slow = Agenda(2, Speed({SMALL: iteration_s}, {SMALL: 0.2}))
        job = begun(slow.decide(6.0, [outlook(expected=1000)], []))
        iterations.append(job.offer.recipe.iterations)
    assert iterations[0] == 300
    assert iterations[1] == pytest.approx(225, abs=2)
    assert iterations[2] == 150


def test_the_full_curve_is_shown_first_and_then_refined() -> None:
    """After the last frame: one provisional on all frames, then the refined job."""
    over = replace(OVER, shown_frames=60)
    job = begun(AGENDA.decide(10.1, [over], []))
    assert (job.stage, job.frames) == ("provisional", 100)
    refined = begun(AGENDA.decide(11.0, [finished(over, job, True, 12.0)], []))
    assert refined.stage == "refined"
    assert refined.runs >= 3
    assert not refined.more


def test_the_full_curve_provisional_is_reckoned_from_the_last_frame() -> None:
    """What passed since leaves less for its runs, which end in time; a last frame of long ago asks for no hurry."""
    over = replace(OVER, shown_frames=60)
    jobs = [begun(AGENDA.decide(now, [over], [])) for now in (10.1, 10.7, 20.0)]
    cuts = [job.finish_by for job in jobs]
    assert cuts[0] == cuts[1]
    assert cuts[0] is not None
    assert 10.7 < cuts[0] < over.last_frame_at + AGENDA.provisional_s
    assert cuts[2] is not None
    assert 20.0 + AGENDA.provisional_s / 2 < cuts[2] < 20.0 + AGENDA.provisional_s


def test_the_full_curve_provisional_is_left_out_when_there_is_no_time_for_both() -> None:
    """A refined volume in time comes before a provisional one on the full curve."""
    tight = replace(OVER, shown_frames=60, hold_ends_at=12.2)
    now = 10.0
    while AGENDA.refined(now, tight) is not None and AGENDA.refined(now + 0.8, tight).fits:  # type: ignore[union-attr]
        now += 0.01
    assert begun(AGENDA.decide(now, [tight], [])).stage == "refined"


def test_a_long_hold_gets_the_best_offer_in_full_and_a_short_one_a_smaller_one() -> None:
    """Iterations, recipe and window give way in this order as the hold gets shorter."""
    seen = []
    for left in (500.0, 60.0, 15.0, 4.0):
        found = plan(AGENDA.refined(10.0, replace(OVER, hold_ends_at=10.0 + left)))
        assert found.fits
        assert found.estimate_s + PUBLISH_S <= left
        seen.append(found.job.offer)
    assert seen[0] == OFFERS[0]
    assert seen[1].window == OFFERS[0].window
    assert seen[1].recipe.iterations < 1000
    assert seen[2].recipe.name == "swift"
    assert seen[3].window == OFFERS[2].window or seen[3].recipe.iterations < 150


def test_an_impossible_hold_is_announced_and_the_volume_done_properly() -> None:
    """Where nothing fits the plan says so, with when it would be ready; the volume that comes late is a good one."""
    tight = replace(OVER, hold_ends_at=10.5)
    late = AGENDA.too_late(10.0, [tight], [])
    assert late.keys() == {OVER.scan}
    assert 11.0 < late[OVER.scan] < 13.0
    job = plan(AGENDA.decide(10.0, [tight], []))
    assert not job.fits
    assert job.job.finish_by is None
    assert job.job.offer == OFFERS[0] or job.job.offer.recipe.iterations > 500
    assert AGENDA.too_late(10.0, [OVER], []) == {}


def test_a_hold_is_known_to_be_impossible_before_the_peak() -> None:
    """What the offers will probably be is enough to tell that no refined volume can be in time."""
    early = outlook(located=False, peak_passed=False, provisional=(), refined=(), likely=OFFERS, hold_ends_at=9.0)
    assert AGENDA.too_late(6.0, [early], []).keys() == {OVER.scan}
    assert AGENDA.too_late(6.0, [replace(early, hold_ends_at=70.0)], []) == {}
    assert AGENDA.too_late(6.0, [replace(early, likely=())], []) == {}


def test_the_last_hold_is_shown_before_the_peak_and_warm_runs_from_it_on() -> None:
    """First the last hold's object as it was, again after a tenth of the curve; warm at the peak; cold only past it."""
    early = outlook(frames=15, peak_passed=False, forecast="fitted", last_frame_at=1.5)
    first = begun(AGENDA.decide(1.5, [early], []))
    assert (first.begins, first.runs) == ("last hold", 0)
    shown = finished(early, first, True, 1.7)
    assert AGENDA.decide(2.0, [replace(shown, frames=20)], []) == Rest()
    assert begun(AGENDA.decide(2.5, [replace(shown, frames=25)], [])).begins == "last hold"
    warm = begun(AGENDA.decide(5.0, [replace(shown, frames=50, peak_reached=True, last_frame_at=5.0)], []))
    assert (warm.begins, warm.runs) == ("warm", 1)
    past = replace(shown, frames=60, peak_reached=True, peak_passed=True, last_frame_at=6.0)
    assert begun(AGENDA.decide(6.0, [past], [])).begins == "cold and warm"
    assert begun(AGENDA.decide(6.0, [replace(past, forecast="abandoned")], [])).begins == "cold"
    assert AGENDA.decide(1.5, [replace(early, forecast="none")], []) == Rest()


def test_better_revisions_follow_while_time_remains() -> None:
    """More runs join while they can be ready, up to the recipe's number, with seeds not used before."""
    seen, now = replace(OVER, hold_ends_at=400.0), 11.0
    seeds: list[int] = []
    while isinstance(found := AGENDA.decide(now, [seen], []), Start):
        seeds += range(found.job.first_seed, found.job.first_seed + found.job.runs)
        now += found.estimate_s
        assert now + PUBLISH_S <= 400.0
        seen = finished(seen, found.job, True, now)
    assert seeds == list(range(20))
    assert AGENDA.decide(399.0, [finished(seen, begun(AGENDA.refined(11.0, OVER)), True, 399.0)], []) == Rest()


def test_a_hasty_volume_is_made_anew_when_there_is_time() -> None:
    """A refined volume on a small window, or of a cut recipe, is followed by the best one that fits, in full."""
    hasty = replace(OVER, refined_frames=100, refined_runs=4, next_seed=4, hold_ends_at=200.0)
    better = begun(AGENDA.decide(11.0, [replace(hasty, refined_offer=OFFERS[2])], []))
    assert (better.offer, better.more, better.first_seed) == (OFFERS[0], False, 4)
    little = replace(hasty, refined_offer=OFFERS[2], hold_ends_at=30.0)
    assert begun(AGENDA.decide(11.0, [little], [])).offer == OFFERS[1]
    assert begun(AGENDA.decide(11.0, [replace(hasty, refined_offer=OFFERS[0])], [])).more


def flying(job: Start, at: float) -> list[Begun]:
    """A job in flight."""
    return [Begun(job, at)]


def test_a_stale_job_is_dropped() -> None:
    """A provisional is dropped when the last frame comes, a refined one when frames come late, any when replaced."""
    provisional = flying(plan(AGENDA.decide(6.0, [outlook()], [])), 6.0)
    refined = flying(plan(AGENDA.decide(11.0, [OVER], [])), 11.0)
    assert isinstance(AGENDA.decide(10.0, [replace(OVER, shown_frames=0)], provisional), Drop)
    assert isinstance(AGENDA.decide(12.0, [replace(OVER, frames=101)], refined), Drop)
    assert isinstance(AGENDA.decide(12.0, [replace(OVER, window_revision=2)], refined), Drop)
    assert isinstance(AGENDA.decide(12.0, [], refined), Drop)
    assert AGENDA.decide(6.5, [outlook(frames=66)], provisional) == Rest()
    assert AGENDA.decide(12.0, [OVER], refined) == Rest()


def test_late_frames_do_not_cost_the_deadline() -> None:
    """A refined job that could not be begun anew in time is let finish; the late frames come after it."""
    refined = flying(plan(AGENDA.decide(11.0, [OVER], [])), 11.0)
    late = replace(OVER, frames=101)
    assert isinstance(AGENDA.decide(20.0, [late], refined), Drop)
    assert AGENDA.decide(60.0, [late], refined) == Rest()


def test_a_refined_job_gives_way_to_a_newer_scan() -> None:
    """More runs stop as soon as another scan's volume is due; a first refined job if it has long to go and can wait."""
    done = finished(OVER, begun(AGENDA.decide(11.0, [OVER], [])), True, 14.0)
    more = plan(AGENDA.decide(15.0, [done], []))
    assert more.job.more
    newer = outlook(scan=Scan("b"), began_at=12.0)
    assert isinstance(AGENDA.decide(16.0, [done, newer], flying(more, 15.0)), Drop)
    first = plan(AGENDA.decide(11.0, [OVER], []))
    assert isinstance(AGENDA.decide(16.0, [OVER, newer], flying(first, 11.0)), Drop)
    assert AGENDA.decide(11.0 + first.estimate_s - PATIENCE_S, [OVER, newer], flying(first, 11.0)) == Rest()
    assert AGENDA.decide(16.0, [OVER, replace(newer, shown_frames=50)], flying(first, 11.0)) == Rest()


def test_a_job_is_dropped_for_a_deadline() -> None:
    """A provisional job stops where a hold would end before another scan's refined volume is ready; others do not."""
    provisional = flying(plan(AGENDA.decide(6.0, [outlook()], [])), 6.0)
    least = AGENDA.too_late(6.0, [replace(OVER, hold_ends_at=6.1)], [])[OVER.scan] - 6.0
    other = replace(OVER, scan=Scan("b"), began_at=-5.0, hold_ends_at=6.0 + least + 0.5)
    assert isinstance(AGENDA.decide(6.1, [outlook(), other], provisional), Drop)
    assert AGENDA.decide(6.1, [outlook(), replace(other, hold_ends_at=40.0)], provisional) == Rest()
    assert AGENDA.decide(6.1, [outlook(), replace(other, hold_ends_at=6.0 + 0.5 * least)], provisional) == Rest()


def test_scans_that_grow_together_take_turns() -> None:
    """The newest scan's first volume comes first; after that the one that was served least recently."""
    old, new = outlook(scan=Scan("old"), began_at=0.0), outlook(scan=Scan("new"), began_at=1.0)
    scans, order = {old.scan: old, new.scan: new}, []
    for turn in range(6):
        seen = [replace(o, frames=60 + turn) for o in scans.values()]
        job = begun(AGENDA.decide(6.0 + 0.1 * turn, seen, []))
        scans = {o.scan: o for o in seen}
        scans[job.scan] = finished(scans[job.scan], job, True, 6.1 + 0.1 * turn)
        order.append(job.scan)
    assert order == ["new", "old"] * 3


def test_a_growing_scan_passes_nobody_who_waits_longer() -> None:
    """Its next volume comes after the refined one of whoever was served less recently, hold or no hold."""
    ends = {"hold_ends_at": 500.0, "shown_over": True}
    hurried = replace(OVER, scan=Scan("hurried"), served_at=9.0, **ends)
    patient = replace(OVER, scan=Scan("patient"), hold_ends_at=None, shown_over=True, served_at=1.0)
    growing = outlook(scan=Scan("growing"), shown_frames=30, served_at=5.0, hold_ends_at=None)
    assert begun(AGENDA.decide(10.0, [growing, hurried], [])).scan == "growing"
    assert begun(AGENDA.decide(10.0, [growing, hurried, patient], [])).stage == "refined"


def test_each_device_has_a_job_of_its_own_scan() -> None:
    """Two devices take two scans; a single scan takes one, and the other rests."""
    two = Agenda(2, SPEED, devices=2)
    one, other = outlook(), outlook(scan=Scan("b"), began_at=1.0)
    first = plan(two.decide(6.0, [one, other], []))
    second = plan(two.decide(6.0, [one, other], flying(first, 6.0)))
    assert {first.job.scan, second.job.scan} == {one.scan, other.scan}
    assert two.decide(6.0, [one], flying(plan(two.decide(6.0, [one], [])), 6.0)) == Rest()
    assert two.decide(6.0, [one, other], [*flying(first, 6.0), *flying(second, 6.0)]) == Rest()


def test_a_failing_job_is_not_tried_for_ever() -> None:
    """A refined job that failed twice on the same frames waits for new ones; a provisional for the next frame."""
    seen = OVER
    for _ in range(2):
        seen = finished(seen, begun(AGENDA.decide(11.0, [seen], [])), False, 12.0)
    assert AGENDA.decide(11.0, [seen], []) == Rest()
    assert begun(AGENDA.decide(11.0, [replace(seen, frames=101)], [])).stage == "refined"
    failed = finished(outlook(), begun(AGENDA.decide(6.0, [outlook()], [])), False, 7.0)
    assert AGENDA.decide(6.0, [failed], []) == Rest()
    assert isinstance(AGENDA.decide(6.1, [replace(failed, frames=61)], []), Start)


def test_the_refined_volume_is_expected_after_the_last_frame() -> None:
    """What is told to the control desk is the rest of the scan, the full-curve provisional and the refined job."""
    found = AGENDA.refined(11.4, outlook(frames=100, over=True))
    expected = AGENDA.expected_refined_s(6.0, outlook(), None)
    assert found is not None
    assert expected == pytest.approx(4.0 + 0.8 + found.estimate_s, rel=0.05)
    done = finished(OVER, begun(AGENDA.decide(11.0, [OVER], [])), True, 12.0)
    assert AGENDA.expected_refined_s(20.0, done, None) is None
