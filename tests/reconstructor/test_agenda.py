"""The agenda over histories of arrivals: nothing stale, nothing late that need not be, one job at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.messages import Scan
from reconstructor.agenda import PUBLISH_S, Agenda
from reconstructor.jobs import Drop, Job, Offer, Outlook, Rest, Start, finished
from reconstructor.phasing.notation import parse
from reconstructor.speed import Speed
from reconstructor.window import Window3

SMALL, LARGE = (64, 64, 64), (128, 128, 128)
SPEED = Speed({SMALL: 0.002, LARGE: 0.02}, {SMALL: 0.2, LARGE: 0.8})
REFINED = parse("Runs(cold=20, least=3) * HIO**300 * RAAR**500 * ER**200", "refined")
SWIFT = parse("Runs(cold=20, least=3) * HIO**100 * ER**50", "swift")
PROVISIONAL = parse("Runs(cold=3) * HIO**250 * ER**50", "provisional")
TICK_S = 0.1


def window(shape: tuple[int, int, int]) -> Window3:
    """A window of a shape."""
    return Window3((0, 0, 0), (1, 1, 1), shape)


OFFERS = (Offer(window(LARGE), REFINED), Offer(window(LARGE), SWIFT), Offer(window(SMALL), REFINED))


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
        "provisional": (Offer(window(SMALL), PROVISIONAL),),
        "refined": OFFERS,
    }
    return Outlook(**{**plain, **fields})  # type: ignore[arg-type]


AGENDA = Agenda(2, SPEED)
OVER = outlook(frames=100, over=True, last_frame_at=10.0, shown_frames=100)


def begun(decision: object) -> Job:
    """The job of a decision to start one."""
    assert isinstance(decision, Start)
    return decision.job


def test_nothing_is_begun_before_the_peak_has_passed() -> None:
    """A cold volume before the peak is worth nothing."""
    assert AGENDA.decide(6.0, [outlook(peak_passed=False)], None) == Rest()
    assert begun(AGENDA.decide(6.0, [outlook()], None)).stage == "provisional"


def test_nothing_is_begun_without_geometry_or_angles() -> None:
    """A scan that cannot be placed waits, also when it is over."""
    assert AGENDA.decide(6.0, [outlook(located=False), replace(OVER, located=False)], None) == Rest()


def test_the_same_frames_are_not_shown_twice() -> None:
    """A provisional job needs newer data than the last one had."""
    assert AGENDA.decide(6.0, [outlook(shown_frames=60)], None) == Rest()
    assert begun(AGENDA.decide(6.0, [outlook(shown_frames=59)], None)).frames == 60


def test_a_provisional_that_would_end_after_the_last_frame_waits_for_it() -> None:
    """With the last frame due sooner than a job would end, the full curve is waited for; unless frames stay away."""
    nearly = outlook(frames=98, last_frame_at=9.8)
    assert AGENDA.decide(9.85, [nearly], None) == Rest()
    assert begun(AGENDA.decide(11.5, [nearly], None)).frames == 98


def test_a_provisional_is_shortened_on_a_slow_machine() -> None:
    """The cheapest window's recipe loses iterations, half of them at most, so that volumes keep coming."""
    iterations = []
    for iteration_s in (0.002, 0.008, 0.1):
        slow = Agenda(2, Speed({SMALL: iteration_s}, {SMALL: 0.2}))
        job = begun(slow.decide(6.0, [outlook(expected=1000)], None))
        iterations.append(job.offer.recipe.iterations)
    assert iterations[0] == 300
    assert iterations[1] == pytest.approx(225, abs=2)
    assert iterations[2] == 150


def test_the_full_curve_is_shown_first_and_then_refined() -> None:
    """After the last frame: one provisional on all frames, then the refined job."""
    over = replace(OVER, shown_frames=60)
    job = begun(AGENDA.decide(10.1, [over], None))
    assert (job.stage, job.frames) == ("provisional", 100)
    refined = begun(AGENDA.decide(11.0, [finished(over, job, True)], None))
    assert refined.stage == "refined"
    assert refined.runs >= 3
    assert not refined.more


def test_the_full_curve_provisional_is_left_out_when_there_is_no_time_for_both() -> None:
    """A refined volume in time comes before a provisional one on the full curve."""
    tight = replace(OVER, shown_frames=60, hold_ends_at=12.2)
    now = 10.0
    while AGENDA.refined(now, tight) is not None and AGENDA.refined(now + 0.8, tight).fits:  # type: ignore[union-attr]
        now += 0.01
    assert begun(AGENDA.decide(now, [tight], None)).stage == "refined"


def test_a_long_hold_gets_the_best_offer_in_full_and_a_short_one_a_smaller_one() -> None:
    """Iterations, recipe and window give way in this order as the hold gets shorter."""
    seen = []
    for left in (500.0, 60.0, 15.0, 4.0):
        plan = AGENDA.refined(10.0, replace(OVER, hold_ends_at=10.0 + left))
        assert plan is not None
        assert plan.fits
        assert plan.estimate_s + PUBLISH_S <= left
        seen.append(plan.job.offer)
    assert seen[0] == OFFERS[0]
    assert seen[1].window == OFFERS[0].window
    assert seen[1].recipe.iterations < 1000
    assert seen[2].recipe.name == "swift"
    assert seen[3].window == OFFERS[2].window or seen[3].recipe.iterations < 150


def test_an_impossible_hold_is_announced_and_the_quickest_job_done() -> None:
    """Where nothing fits the plan says so, and is the cheapest there is."""
    plan = AGENDA.refined(10.0, replace(OVER, hold_ends_at=10.5))
    assert plan is not None
    assert not plan.fits
    assert isinstance(AGENDA.decide(10.0, [replace(OVER, hold_ends_at=10.5)], None), Start)


def test_better_revisions_follow_while_time_remains() -> None:
    """More runs join while they can be ready, up to the recipe's number, with seeds not used before."""
    seen, now = replace(OVER, hold_ends_at=400.0), 11.0
    seeds: list[int] = []
    while isinstance(plan := AGENDA.decide(now, [seen], None), Start):
        seeds += range(plan.job.first_seed, plan.job.first_seed + plan.job.runs)
        now += plan.estimate_s
        assert now + PUBLISH_S <= 400.0
        seen = finished(seen, plan.job, True)
    assert seeds == list(range(20))
    assert AGENDA.decide(399.0, [finished(seen, begun(AGENDA.refined(11.0, OVER)), True)], None) == Rest()


def test_a_stale_job_is_dropped() -> None:
    """A provisional is dropped when the last frame comes, a refined one when frames come late, any when replaced."""
    provisional = begun(AGENDA.decide(6.0, [outlook()], None))
    refined = begun(AGENDA.decide(11.0, [OVER], None))
    assert isinstance(AGENDA.decide(10.0, [replace(OVER, shown_frames=0)], provisional), Drop)
    assert isinstance(AGENDA.decide(12.0, [replace(OVER, frames=101)], refined), Drop)
    assert isinstance(AGENDA.decide(12.0, [replace(OVER, window_revision=2)], refined), Drop)
    assert isinstance(AGENDA.decide(12.0, [], refined), Drop)
    assert AGENDA.decide(6.5, [outlook(frames=66)], provisional) == Rest()
    assert AGENDA.decide(12.0, [OVER], refined) == Rest()


def test_a_better_revision_gives_way_to_a_newer_scan() -> None:
    """More runs for an old scan stop as soon as another scan's volume is due; its first refined volume does not."""
    done = finished(OVER, begun(AGENDA.decide(11.0, [OVER], None)), True)
    more = begun(AGENDA.decide(15.0, [done], None))
    assert more.more
    newer = outlook(scan=Scan("b"), began_at=12.0)
    assert isinstance(AGENDA.decide(16.0, [done, newer], more), Drop)
    assert AGENDA.decide(16.0, [OVER, newer], begun(AGENDA.decide(11.0, [OVER], None))) == Rest()


def test_a_failing_job_is_not_tried_for_ever() -> None:
    """A refined job that failed twice on the same frames waits for new ones; a provisional for the next frame."""
    seen = OVER
    for _ in range(2):
        seen = finished(seen, begun(AGENDA.decide(11.0, [seen], None)), False)
    assert AGENDA.decide(11.0, [seen], None) == Rest()
    failed = finished(outlook(), begun(AGENDA.decide(6.0, [outlook()], None)), False)
    assert AGENDA.decide(6.0, [failed], None) == Rest()
    assert isinstance(AGENDA.decide(6.1, [replace(failed, frames=61)], None), Start)


def test_the_refined_volume_is_expected_after_the_last_frame() -> None:
    """What is told to the control desk is the rest of the scan, the full-curve provisional and the refined job."""
    plan = AGENDA.refined(10.8, outlook(frames=100, over=True))
    expected = AGENDA.expected_refined_s(6.0, outlook(), None)
    assert plan is not None
    assert expected == pytest.approx(4.0 + 0.8 + plan.estimate_s, rel=0.05)
    done = finished(OVER, begun(AGENDA.decide(11.0, [OVER], None)), True)
    assert AGENDA.expected_refined_s(20.0, done, None) is None


@dataclass
class Beamtime:
    """Plays arrivals to an agenda, with jobs that take what they were estimated to take (times `slower`)."""

    agenda: Agenda
    outlooks: dict[Scan, Outlook] = field(default_factory=dict)
    running: tuple[Start, float] | None = None
    ended: list[tuple[Job, float]] = field(default_factory=list)
    begun: list[Job] = field(default_factory=list)

    def tick(self, now: float, slower: float) -> None:
        if self.running is not None and now >= self.running[1]:
            job = self.running[0].job
            self.outlooks[job.scan] = finished(self.outlooks[job.scan], job, True)
            self.ended.append((job, now))
            self.running = None
        flying = None if self.running is None else self.running[0].job
        match self.agenda.decide(now, list(self.outlooks.values()), flying):
            case Start() as plan:
                assert flying is None, "a second job was begun"
                self.begun.append(plan.job)
                self.running = (plan, now + slower * plan.estimate_s)
            case Drop():
                assert flying is not None, "a job was dropped that was not there"
                self.running = None
            case Rest():
                pass


@settings(deadline=None, max_examples=60)
@given(
    expected=st.integers(20, 120),
    period=st.floats(0.02, 0.3),
    order=st.randoms(use_true_random=False),
    peak_at=st.floats(0.2, 0.9),
    hold_s=st.floats(1.0, 90.0),
    lost=st.integers(0, 5),
    late=st.booleans(),
    slower=st.floats(0.5, 1.0),
)
def test_no_history_of_arrivals_leads_astray(
    expected: int, period: float, order: object, peak_at: float, hold_s: float, lost: int, late: bool, slower: float
) -> None:
    """Frames that stay away or come late: one job at a time, none stale, every deadline that can be met is met."""
    play = Beamtime(AGENDA)
    last_at = expected * period
    end_at = last_at + hold_s
    state = outlook(frames=0, expected=expected, peak_passed=False, frame_time_s=period, hold_ends_at=end_at)
    now, could, over_at = 0.0, False, last_at + 0.1
    late_at = over_at + hold_s / 2
    while now < end_at + 30.0:
        frames = max(0, min(expected, int(now / period)) - lost)
        if late and lost and now >= late_at:
            frames = expected
        known = play.outlooks.get(Scan("a"), state)
        play.outlooks[Scan("a")] = replace(
            known,
            frames=max(known.frames, frames),
            peak_passed=frames > peak_at * expected,
            over=now >= over_at,
            last_frame_at=min(now, last_at),
        )
        if over_at <= now < over_at + TICK_S - 1e-9:
            fitting = AGENDA.refined(now, play.outlooks[Scan("a")])
            could = fitting is not None and fitting.fits and not late
        play.tick(now, slower)
        now += TICK_S
    frames_of = [job.frames for job, _ in play.ended]
    assert frames_of == sorted(frames_of), "a stale job ended after a newer one"
    assert all(job.frames <= expected for job in play.begun)
    refined = [(job, at) for job, at in play.ended if job.stage == "refined"]
    assert refined, "nothing was refined"
    assert refined[-1][0].frames == (expected if late or not lost else expected - lost), "frames were lost"
    if could:
        assert refined[0][1] + PUBLISH_S / 2 <= end_at, "a deadline that could be met was missed"


@settings(deadline=None, max_examples=12)
@given(
    starts=st.lists(st.floats(0.0, 8.0), min_size=2, max_size=4),
    hold_s=st.floats(6.0, 60.0),
    gap_s=st.floats(0.0, 20.0),
)
def test_scans_in_a_row_are_each_refined(starts: list[float], hold_s: float, gap_s: float) -> None:
    """Hold after hold, each scan is refined, before its own hold ends where that can be done."""
    play, begins, at = Beamtime(AGENDA), {}, 0.0
    for number, _ in enumerate(starts):
        begins[Scan(f"s{number}")] = at
        at += 10.0 + hold_s + gap_s
    could: dict[Scan, bool] = {}
    now = 0.0
    while now < at + 60.0:
        for scan, begin in begins.items():
            if now >= begin:
                known = play.outlooks.get(scan) or outlook(
                    scan=scan, began_at=begin, frames=0, hold_ends_at=begin + 10.0 + hold_s
                )
                frames = min(100, int((now - begin) * 10))
                over = now >= begin + 10.1
                play.outlooks[scan] = replace(
                    known,
                    frames=frames,
                    peak_passed=frames > 52,
                    over=over,
                    last_frame_at=min(now, begin + 10.0),
                )
                if over and scan not in could:
                    plan = AGENDA.refined(now, play.outlooks[scan])
                    could[scan] = plan is not None and plan.fits
        play.tick(now, 1.0)
        now += TICK_S
    for scan, begin in begins.items():
        first = next((t for job, t in play.ended if job.scan == scan and job.stage == "refined"), None)
        assert first is not None, f"{scan} was never refined"
        if could[scan]:
            assert first <= begin + 10.0 + hold_s, f"{scan} was refined too late"
