"""The agenda over random histories: nothing stale, nothing lost, nothing late that need not be, nobody left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise

from hypothesis import event, given, settings

from reconstructor import sizing
from reconstructor.deadlines import Claim, met
from reconstructor.jobs import Job
from reconstructor.situation import ATTEMPTS, given_up
from reconstructor.sizing import PUBLISH_S, Machine
from tests.reconstructor.beamtime import Beamtime
from tests.reconstructor.histories import TICK_S, History, Played, histories

EXAMPLES = int(os.environ.get("BRAGGLIVE_HISTORIES", "30"))
SAME = "BRAGGLIVE_HISTORIES" not in os.environ
"""The same histories each time, unless more of them are asked for."""
LOOK_S = 1.5
"""A hold that ends sooner than this after it became known may pass between two looks."""
SLACK_S = 1.0
"""Ticks, and a dropped job that has to leave."""


def could(history: History, scan: Played) -> bool:
    """Whether the deadline of a scan could be met, by somebody who knows what came before but not what comes.

    That is: all ends were known when their scans began; and at the machine's true speed (or the estimates, if those
    are slower), with two looks of the service a job, its quickest refined job fits beside those of all scans whose
    holds end no later. The job of a scan that was over when this one began counts as if it had to be begun anew then,
    and has to fit as well.
    """
    told = all(other.told_at <= other.begins_at for other in history.scans)
    if scan.hold_ends_at is None or not told or history.failing:
        return False
    agenda = history.agenda
    least = sizing.least_s(Machine(agenda.workers, agenda.speed), scan.outlook(scan.over_at, None))
    assert least is not None
    slow = least * max(1.0, history.slower) + 2 * TICK_S
    # the others take the machine soon and long, or late and shortly: whatever they do leaves room for this one
    return all(_fits(history, scan, slow, slack, other_s) for slack in (0.0, SLACK_S) for other_s in (least, slow))


def _fits(history: History, scan: Played, own_s: float, slack_s: float, other_s: float) -> bool:
    """Whether the scan's job fits beside those of the others, if they take so long and begin so long after they can."""
    claims, anew = [], set()
    for other in history.scans:
        if other.hold_ends_at is None:
            continue
        own, ready_at = other is scan, other.over_at
        if other.over_at < scan.begins_at < other.hold_ends_at:
            ready_at = scan.begins_at
            anew.add(other.scan)
        wait, length = (SLACK_S, own_s) if own else (slack_s, other_s)
        claims.append(Claim(other.scan, ready_at + wait, other.hold_ends_at - PUBLISH_S, length))
    return {scan.scan, *anew} <= met(claims, [0.0] * history.devices).keys()


def nothing_stale(play: Beamtime, scan: Played) -> None:
    """No stale job ends after a newer one was begun: the volumes of a scan grow by frames."""
    frames = [volume.job.frames for volume in play.volumes if volume.job.scan == scan.scan]
    assert frames == sorted(frames), "a stale job ended after a newer one"


def nothing_lost(play: Beamtime, scan: Played) -> None:
    """Whether frames come late, twice or never: in the end all there are have their refined volume."""
    outlook, jobs = play.outlooks[scan.scan], refined_jobs(play, scan)
    assert outlook.frames == scan.frames - len(scan.lost)
    assert given_up(outlook) or jobs[-1].frames == outlook.frames, "frames were lost"


def deadline_met(play: Beamtime, scan: Played) -> None:
    """A first refined volume that could be in time is, whatever else goes on; see `could`."""
    if could(play.history, scan):
        event("a deadline that could be met")
        first = min(v.at for v in play.volumes if v.job.scan == scan.scan and v.job.stage == "refined")
        assert first <= (scan.hold_ends_at or 0.0), "a deadline that could be met was missed"


def lateness_said(play: Beamtime, scan: Played) -> None:
    """A scan in a hold with a known end has its refined volume in time, or it was said in time that it will not."""
    seen_at = max(scan.told_at, scan.begins_at + 2 * scan.frame_time_s)
    failures = sum(job.scan == scan.scan and job.stage == "refined" for job in play.failed)
    if scan.hold_ends_at is None or seen_at > scan.hold_ends_at - LOOK_S or failures >= ATTEMPTS:
        return
    out = [v.at for v in play.volumes if v.job.scan == scan.scan and v.job.stage == "refined"]
    if not any(at <= scan.hold_ends_at for at in out):
        event("a volume that came too late")
        assert play.late[scan.scan] < scan.hold_ends_at, "nobody said that the volume would be late"


def lateness_said_at_once(play: Beamtime, scan: Played) -> None:
    """A hold too short for its scan and the quickest refined job is called so at the look at which that is known."""
    if scan.scan in play.hopeless:
        event("a hold that was hopeless from the start")
        assert play.late[scan.scan] == play.hopeless[scan.scan], "that a hold is too short was said late"


def lateness_taken_back(play: Beamtime, scan: Played) -> None:
    """What was said to be late and is out in time all the same is not called late any more."""
    out = [v.at for v in play.volumes if v.job.scan == scan.scan and v.job.stage == "refined"]
    if scan.scan in play.told and min(out, default=float("inf")) + PUBLISH_S <= (scan.hold_ends_at or 0.0):
        event("a volume that was in time after all")
        assert play.told[scan.scan].met, "a volume in time stayed called late"


def best_so_far_shown(play: Beamtime, scan: Played) -> None:
    """A scan alone shows a volume before its hold ends if there is time for one after its peak, however short."""
    own = [begun.plan.estimate_s for begun in play.begun if begun.job.stage == "provisional"]
    if len(play.history.scans) > 1 or scan.hold_ends_at is None or not own or play.history.failing:
        return
    time = 2 * max(1.0, play.history.slower) * max(own) + 2 * SLACK_S
    if scan.begins_at + scan.peak_at * scan.frames * scan.frame_time_s + time < scan.hold_ends_at:
        assert min(volume.at for volume in play.volumes) <= scan.hold_ends_at, "nothing was shown in time"


def revisions_get_better(play: Beamtime, scan: Played) -> None:
    """Each refined volume has more frames, more runs, more iterations or more voxels, and seeds of its own."""
    jobs = refined_jobs(play, scan)
    for one, other in pairwise(jobs):
        larger = other.offer.window.voxels > one.offer.window.voxels
        longer = other.offer.recipe.iterations > one.offer.recipe.iterations
        assert other.frames > one.frames or other.more or larger or longer, "a revision was no better"
    seeds = [seed for job in jobs for seed in range(job.first_seed, job.first_seed + job.runs)]
    assert len(seeds) == len(set(seeds)), "a seed was used twice"


LAWS: tuple[Callable[[Beamtime, Played], None], ...] = (
    nothing_stale,
    nothing_lost,
    deadline_met,
    lateness_said,
    lateness_said_at_once,
    lateness_taken_back,
    best_so_far_shown,
    revisions_get_better,
)


def refined_jobs(play: Beamtime, scan: Played) -> list[Job]:
    """Those that gave a volume, in the order they ended."""
    return [v.job for v in play.volumes if v.job.scan == scan.scan and v.job.stage == "refined"]


@settings(deadline=None, max_examples=EXAMPLES, derandomize=SAME)
@given(histories())
def test_no_history_leads_astray(history: History) -> None:
    """One job in flight, of the newest frames; every law above; nobody who waits is passed by another twice."""
    play = Beamtime(history).play()
    for scan in history.scans:
        for law in LAWS:
            law(play, scan)
    assert play.most_passed <= 1


@settings(deadline=None, max_examples=EXAMPLES, derandomize=SAME)
@given(histories(crowded=True))
def test_a_crowded_hold_is_shared(history: History) -> None:
    """The same laws where several crystals are measured in one hold and little time is left."""
    play = Beamtime(history).play()
    for scan in history.scans:
        for law in LAWS:
            law(play, scan)
    assert play.most_passed <= 1


@settings(deadline=None, max_examples=EXAMPLES // 2, derandomize=SAME)
@given(histories(devices=2))
def test_two_devices_are_led_as_well(history: History) -> None:
    """The same laws where two jobs may be in flight, of different scans."""
    play = Beamtime(history).play()
    for scan in history.scans:
        for law in LAWS:
            law(play, scan)


@settings(deadline=None, max_examples=EXAMPLES, derandomize=SAME)
@given(histories(most_scans=3, short=True))
def test_holds_too_short_are_called_so_at_once(history: History) -> None:
    """The same laws where most holds leave no time for a refined volume."""
    play = Beamtime(history).play()
    for scan in history.scans:
        for law in LAWS:
            law(play, scan)
