"""What to compute next: pure, time is an argument, one job in flight.

While a scan grows: provisional volumes, none before its peak has passed, always on the newest frames. After its last
frame: one provisional volume of the full curve, then a refined one sized to be ready before the hold ends, then
better revisions while time remains. A job whose data are stale, or that keeps a due one waiting, is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconstructor.jobs import Decision, Drop, Job, Offer, Outlook, Rest, Start
from reconstructor.phasing.recipe import scaled
from reconstructor.speed import Speed

PUBLISH_S = 0.6
"""Kept free before the hold's end: archive and publication."""
FIRST_SHARE = 0.6
"""The first refined volume may take this share of the time left; machines are not always as fast as they were."""
RESERVE = 0.1
"""Of the time left, kept free for what follows the runs beyond what that took before."""
LEAST_SHARE = 0.2
"""A recipe cut to less than this share of its iterations is no longer that recipe."""
GOOD_SHARE = 0.25
"""A cheaper offer is preferred to one that would have to be cut below this share."""
SAFETY = 0.8
"""Better revisions are begun only if their estimate takes at most this share of the time left."""
LEAST_PROVISIONAL = 0.5
"""A provisional recipe is not cut below this share of its iterations, however slow the machine."""
FIRST_VOLUME_RISK = 1.5
"""A scan's first provisional volume is begun though its estimate is longer than the rest of the scan by this."""
UNKNOWN_HOLD_S = 60.0
"""Time a refined volume may take when nobody said when the hold ends."""
ATTEMPTS = 2
"""A refined job that failed so often is not tried again on the same frames."""


@dataclass(frozen=True)
class Agenda:
    """The rules and the machine they are applied on."""

    workers: int
    speed: Speed
    provisional_s: float = 2.0
    """A provisional volume should take no longer."""

    def decide(self, now: float, outlooks: Sequence[Outlook], running: Job | None) -> Decision:
        """What to do now. With a job in flight only Drop or Rest."""
        due = self._due(now, outlooks)
        if running is None:
            return due or Rest()
        reason = self._stale(now, outlooks, running, due)
        return Drop(reason) if reason else Rest()

    def refined(self, now: float, outlook: Outlook) -> Start | None:
        """The first refined job of a scan, sized for the time left from `now` on; None without an offer."""
        if not outlook.refined:
            return None
        end = outlook.hold_ends_at
        left = UNKNOWN_HOLD_S if end is None else end - now - PUBLISH_S
        plans = [self._sized(now, outlook, offer, left) for offer in outlook.refined]
        good = [plan for plan in plans if plan.fits and _share(plan, outlook) >= GOOD_SHARE]
        fitting = [plan for plan in plans if plan.fits]
        if good:
            return good[0]
        if fitting:
            return max(fitting, key=lambda plan: _share(plan, outlook))
        return min(plans, key=lambda plan: plan.estimate_s)

    def expected_refined_s(self, now: float, outlook: Outlook, running: tuple[Start, float] | None) -> float | None:
        """Seconds from now until the scan's first refined volume is expected; None if there is one, or none to come.

        `running` is the job in flight for this scan and when it began.
        """
        if outlook.refined_frames or not outlook.refined:
            return None
        if running is not None and running[0].job.stage == "refined":
            return max(0.0, running[1] + running[0].estimate_s - now)
        last = outlook.last_frame_expected_at
        if last is None and not outlook.over:
            return None
        begin = max(now, last or now)
        shown = outlook.provisional and outlook.shown_frames < outlook.expected
        begin += self._provisional(outlook).estimate_s if shown else 0.0
        plan = self.refined(begin, outlook)
        return None if plan is None else begin + plan.estimate_s - now

    def _due(self, now: float, outlooks: Sequence[Outlook]) -> Start | None:
        """The most urgent job: the newest scan's provisional, first refined by their holds' ends, then better ones."""
        alive = [outlook for outlook in outlooks if outlook.located]
        newest_first = sorted(alive, key=lambda o: -o.began_at)
        provisional = next((self._provisional(o) for o in newest_first if self._wants_provisional(now, o)), None)
        waiting = [o for o in alive if _wants_refined(o)]
        first = min(waiting, key=lambda o: (_too_late(now, o), _end(o)), default=None)
        refined = None if first is None else self.refined(now, first)
        if provisional is not None and not self._presses(now + provisional.estimate_s, refined, first):
            return provisional
        if refined is not None:
            return refined
        growing = any(o.peak_passed and not o.over for o in alive)
        for outlook in newest_first:
            better = None if growing else self._better(now, outlook)
            if better is not None:
                return better
        return None

    def _presses(self, later: float, refined: Start | None, outlook: Outlook | None) -> bool:
        """Whether a refined job that fits now would not any more if it were begun later."""
        if refined is None or outlook is None or not refined.fits:
            return False
        then = self.refined(later, outlook)
        return then is None or not then.fits

    def _wants_provisional(self, now: float, outlook: Outlook) -> bool:
        if not (outlook.provisional and outlook.peak_passed and outlook.frames > outlook.shown_frames):
            return False
        if outlook.refined_frames >= outlook.frames:
            return False
        estimate = self._provisional(outlook).estimate_s
        if outlook.over:
            return True
        last = outlook.last_frame_expected_at
        overdue = now - outlook.last_frame_at > max(1.0, 3 * (outlook.frame_time_s or 0.0))
        # The first volume of a scan is worth the risk that the last frame overtakes it.
        share = 1.0 if outlook.shown_frames else FIRST_VOLUME_RISK
        return last is None or overdue or now + estimate / share < last

    def _provisional(self, outlook: Outlook) -> Start:
        """The first offer that is quick enough; if none is, the cheapest, its recipe shortened."""
        runs = max(2, self.workers)
        for offer in outlook.provisional:
            estimate = self.speed.job(offer.recipe, offer.window.shape, runs, self.workers)
            if estimate <= self.provisional_s:
                break
        else:
            around = self.speed.around(offer.window.shape)
            share = max(LEAST_PROVISIONAL, (self.provisional_s - around) / max(estimate - around, 1e-9))
            offer = Offer(offer.window, scaled(offer.recipe, max(1, round(offer.recipe.iterations * share))))
            estimate = self.speed.job(offer.recipe, offer.window.shape, runs, self.workers)
        job = Job(
            scan=outlook.scan,
            window_revision=outlook.window_revision,
            stage="provisional",
            frames=outlook.frames,
            offer=offer,
            runs=runs,
            first_seed=1000 * outlook.frames,
        )
        return Start(job, estimate, fits=True)

    def _sized(self, now: float, outlook: Outlook, offer: Offer, left_s: float) -> Start:
        """A first refined job by one offer: as many iterations as fit, three runs or more."""
        runs = self.workers * -(-offer.recipe.runs.least // self.workers)
        shape = offer.window.shape
        rounds = runs // self.workers
        room = FIRST_SHARE * left_s - self.speed.around(shape)
        share = room / (rounds * self.speed.run(offer.recipe, shape))
        if share < LEAST_SHARE:
            room = left_s - self.speed.around(shape)
            share = min(LEAST_SHARE, room / (rounds * self.speed.run(offer.recipe, shape)))
        fits = share >= LEAST_SHARE
        cut = scaled(offer.recipe, max(1, round(offer.recipe.iterations * min(1.0, max(share, LEAST_SHARE)))))
        job = Job(
            scan=outlook.scan,
            window_revision=outlook.window_revision,
            stage="refined",
            frames=outlook.frames,
            offer=Offer(offer.window, cut),
            runs=runs,
            first_seed=outlook.refined_runs,
            finish_by=self._finish_by(now, outlook, offer),
        )
        return Start(job, self.speed.job(cut, shape, runs, self.workers), fits)

    def _better(self, now: float, outlook: Outlook) -> Start | None:
        """More runs for a refined volume, if they can be ready before the hold ends."""
        offer = outlook.refined_offer
        if offer is None or outlook.refined_frames < outlook.frames or not outlook.over:
            return None
        wanted = offer.recipe.runs.cold - outlook.refined_runs
        runs = min(2 * self.workers, wanted)
        if runs < 1 or outlook.failures >= ATTEMPTS:
            return None
        estimate = self.speed.job(offer.recipe, offer.window.shape, runs, self.workers)
        end = outlook.hold_ends_at
        if end is not None and now + estimate / SAFETY + PUBLISH_S > end:
            return None
        job = Job(
            scan=outlook.scan,
            window_revision=outlook.window_revision,
            stage="refined",
            frames=outlook.frames,
            offer=offer,
            runs=runs,
            first_seed=outlook.refined_runs,
            more=True,
            finish_by=self._finish_by(now, outlook, offer),
        )
        return Start(job, estimate, fits=True)

    def _finish_by(self, now: float, outlook: Outlook, offer: Offer) -> float | None:
        """When runs have to end so that their volume is out before the hold ends, also if all goes slower by then."""
        end = outlook.hold_ends_at
        if end is None:
            return None
        after = self.speed.around(offer.window.shape)
        return end - PUBLISH_S - max(after, min(2 * after, RESERVE * (end - now)))

    def _stale(self, now: float, outlooks: Sequence[Outlook], running: Job, due: Start | None) -> str:
        """Why the job in flight is not wanted any more; "" if it is."""
        outlook = next((o for o in outlooks if o.scan == running.scan), None)
        if outlook is None or outlook.window_revision != running.window_revision:
            return "its scan was replaced"
        if running.stage == "provisional":
            return "the last frame has come" if outlook.over and running.frames < outlook.frames else ""
        if running.frames < outlook.frames:
            return f"{outlook.frames - running.frames} more frames have come"
        if running.more and due is not None and not due.job.more:
            return f"a {due.job.stage} volume of {due.job.scan} is due"
        if running.more and _too_late(now, outlook):
            return "its hold is over"
        urgent = due is not None and due.job.scan != running.scan and due.fits and due.job.finish_by is not None
        if urgent and (_too_late(now, outlook) or outlook.hold_ends_at is None):
            return "another scan's hold ends first"
        return ""


def _wants_refined(outlook: Outlook) -> bool:
    return (
        bool(outlook.refined)
        and outlook.over
        and outlook.frames > outlook.refined_frames
        and outlook.failures < ATTEMPTS
    )


def _share(plan: Start, outlook: Outlook) -> float:
    """Share of its offer's iterations that a plan keeps."""
    whole = next(o for o in outlook.refined if o.window == plan.job.offer.window and o.recipe.name == _name(plan))
    return plan.job.offer.recipe.iterations / whole.recipe.iterations


def _name(plan: Start) -> str:
    return plan.job.offer.recipe.name


def _too_late(now: float, outlook: Outlook) -> bool:
    return outlook.hold_ends_at is not None and now >= outlook.hold_ends_at


def _end(outlook: Outlook) -> float:
    return float("inf") if outlook.hold_ends_at is None else outlook.hold_ends_at
