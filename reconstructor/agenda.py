"""What to compute next: pure, time is an argument, one job in flight a device and one a scan.

While a scan grows: provisional volumes, always of the newest frames. From the crystal's last object as soon as it is
laid over the frames so far (first that object itself, from the peak on warm runs), cold ones only when the peak has
passed. After the last frame: one provisional volume of the whole curve, then a refined one sized to be ready before
the hold ends, then better revisions while time remains. A job whose data are stale, or that would cost another scan
its deadline, is dropped.

Whose turn it is. A refined volume that would miss its hold's end if anything else came first; the newest scan's
first provisional volume, or that of its whole curve; then whichever scan was served least recently. So a scan waits
for no more than one job of each other, but for those that are in a hurry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contract.messages import Scan
from reconstructor import lateness, sizing
from reconstructor.deadlines import room
from reconstructor.jobs import Begins, Begun, Decision, Drop, Outlook, Rest, Start
from reconstructor.situation import DROP_S, Situation, given_up, may_refine, situation
from reconstructor.sizing import FIRST_SHARE, PUBLISH_S, Machine
from reconstructor.speed import Speed

FIRST_VOLUME_RISK = 1.5
"""A scan's first provisional volume is begun though its estimate is longer than the rest of the scan by this."""
LATE_SHARE = 0.05
"""Late frames are worth another provisional volume only if they are this share of those shown."""
LAST_HOLD_SHARE = 0.1
"""The last hold's object is laid over the frames anew after this share of the curve."""
WORTH_RESTARTING = 0.5
"""Late frames restart a refined job only if the new one can take this share of the old one's time."""
PATIENCE_S = 8.0
"""While another scan grows, a refined job is sized to hold up its volumes no longer."""


@dataclass(frozen=True)
class Agenda:
    """The rules and the machine they are applied on."""

    workers: int
    """Runs that one device does at once."""
    speed: Speed
    provisional_s: float = 2.0
    """From the last frame to the provisional volume of the whole curve; no other one should take longer either."""
    devices: int = 1
    """Jobs in flight at most."""

    def decide(self, now: float, outlooks: Sequence[Outlook], begun: Sequence[Begun]) -> Decision:
        """What to do now: stop a job in flight, or begin one on a device that is free, or neither."""
        seen = self._seen(now, outlooks, begun)
        for flying in begun:
            if reason := self._unwanted(seen, flying):
                return Drop(flying.job, reason)
        if seen.free < 1:
            return Rest()
        return self._urgent(seen) or _better(seen) or Rest()

    def refined(self, now: float, outlook: Outlook) -> Start | None:
        """The first refined job of a scan that has the machine to itself, from `now` on; None without an offer."""
        return sizing.refined(self._machine, outlook, now, outlook.hold_ends_at)

    def expected_refined_s(self, now: float, outlook: Outlook, begun: Begun | None) -> float | None:
        """Seconds from now until the scan's first refined volume is expected; None if there is one, or none to come.

        `begun` is the job in flight for this scan.
        """
        if outlook.refined_frames or not outlook.refined:
            return None
        if begun is not None and begun.job.stage == "refined":
            return max(0.0, begun.at + begun.plan.estimate_s - now)
        last = outlook.last_frame_expected_at
        if last is None and not outlook.over:
            return None
        begin = max(now, last or now)
        if outlook.provisional and not outlook.shown_over and outlook.shown_frames < outlook.expected:
            begin += self._provisional(outlook, "cold").estimate_s
        plan = self.refined(begin, outlook)
        return None if plan is None else begin + plan.estimate_s - now

    def expected_out(
        self, now: float, outlooks: Sequence[Outlook], begun: Sequence[Begun]
    ) -> dict[Scan, lateness.Expected]:
        """When first refined volumes can be out at the earliest, and when their holds end; see `lateness.expected`."""
        return lateness.expected(self._seen(now, outlooks, begun))

    def too_late(self, now: float, outlooks: Sequence[Outlook], begun: Sequence[Begun]) -> dict[Scan, float]:
        """Scans whose first refined volume cannot be out before their hold ends, and when it would be at the earliest.

        Nothing is told of a scan without an offer, or whose hold has no known end or is over already.
        """
        out = self.expected_out(now, outlooks, begun)
        return {scan: one.ready_at for scan, one in out.items() if not one.in_time}

    @property
    def _machine(self) -> Machine:
        return Machine(self.workers, self.speed)

    def _seen(self, now: float, outlooks: Sequence[Outlook], begun: Sequence[Begun]) -> Situation:
        return situation(now, outlooks, begun, self._machine, self.devices)

    def _urgent(self, seen: Situation) -> Start | None:
        """The most urgent provisional or first refined job of those scans that have none in flight."""
        idle = [outlook for outlook in _idle(seen) if outlook.located]
        shows = [(o, begins) for o in idle if (begins := self._shows(seen.now, o)) is not None]
        show = min(shows, key=lambda found: _turn(found[0]), default=None)
        plan = None if show is None else self._provisional(*show, now=seen.now)
        waiting = _in_order([o for o in idle if may_refine(o)], seen.met)
        if not waiting:
            return plan
        if show is not None and plan is not None and _goes_first(seen, show[0], plan, waiting):
            return plan
        return self._first_refined(seen, waiting[0])

    def _first_refined(self, seen: Situation, outlook: Outlook) -> Start | None:
        """A refined job that leaves room for those of the other scans, and does not hold up one that grows for long."""
        claims = seen.claims
        own = next((claim for claim in claims if claim.scan == outlook.scan), None)
        growing = sum(other.scan != outlook.scan for other in _growing(seen))
        most = PATIENCE_S if growing >= seen.free else float("inf")
        if own is None or outlook.scan not in seen.met:
            until = None if outlook.hold_ends_at is None else seen.now
            return sizing.refined(self._machine, outlook, seen.now, until, most)
        others = [claim for claim in claims if claim is not own]
        space = room(own, others, seen.free_at())
        fair = FIRST_SHARE * (own.until - seen.now) * self.devices / len(claims)
        return sizing.refined(self._machine, outlook, seen.now, seen.now + space + PUBLISH_S, min(most, fair))

    def _shows(self, now: float, outlook: Outlook) -> Begins | None:
        """From what a provisional volume of a scan would begin now; None if none is wanted."""
        begins, fresh = _begins(outlook), outlook.frames - outlook.shown_frames
        if begins is None or not outlook.provisional or fresh <= 0 or outlook.refined_frames >= outlook.frames:
            return None
        if outlook.over:
            wanted = not outlook.shown_over or fresh > LATE_SHARE * outlook.shown_frames
        elif begins == "last hold" and outlook.shown_frames and fresh < LAST_HOLD_SHARE * outlook.expected:
            wanted = False
        else:
            wanted = self._comes_before_the_last_frame(now, outlook, begins)
        return begins if wanted else None

    def _comes_before_the_last_frame(self, now: float, outlook: Outlook, begins: Begins) -> bool:
        """Whether a provisional volume begun now would; also if nobody knows, or frames stay away."""
        last = outlook.last_frame_expected_at
        overdue = now - outlook.last_frame_at > max(1.0, 3 * (outlook.frame_time_s or 0.0))
        # The first volume of a scan is worth the risk that the last frame overtakes it.
        share = 1.0 if outlook.shown_frames else FIRST_VOLUME_RISK
        return last is None or overdue or now + self._provisional(outlook, begins).estimate_s / share < last

    def _provisional(self, outlook: Outlook, begins: Begins, now: float | None = None) -> Start:
        """A provisional job; that of a whole curve, begun `now`, is out in time from its last frame on."""
        if not outlook.over or now is None:
            within = self.provisional_s - (PUBLISH_S if outlook.over else 0.0)
            return sizing.provisional(self._machine, outlook, begins, within)
        until = outlook.last_frame_at + self.provisional_s
        if until - now < self.provisional_s / 2:  # missed already: better a good one
            until = now + self.provisional_s
        cut_at = sizing.cut_at(self._machine, outlook, now, until)
        return sizing.provisional(self._machine, outlook, begins, until - now - PUBLISH_S, cut_at)

    def _unwanted(self, seen: Situation, flying: Begun) -> str:
        """Why a job in flight is not wanted any more; "" if it is."""
        job, outlook = flying.job, seen.of(flying)
        if outlook is None:
            return "its scan was replaced"
        if job.stage == "provisional" and outlook.over and not job.over and job.frames < outlook.frames:
            return "the last frame has come"
        if job.stage == "refined" and job.frames < outlook.frames and self._worth_restarting(seen, outlook, flying):
            return f"{outlook.frames - job.frames} more frames have come"
        without = seen.without(flying)
        if without.in_time(without.caution) > seen.in_time(without.caution):
            return "another refined volume would miss the end of its hold"
        if job.stage == "provisional":
            return ""
        better = outlook.refined_frames >= job.frames
        if better and outlook.hold_over(seen.now):
            return "its hold is over"
        due = self._urgent(without)
        if due is not None and due.job.scan != job.scan and (better or _gives_way(seen, without, flying, due)):
            return f"a {due.job.stage} volume of {due.job.scan} is due"
        return ""

    def _worth_restarting(self, seen: Situation, outlook: Outlook, flying: Begun) -> bool:
        """Whether a refined job of all frames can be nearly as thorough, and in time if the old one was to be."""
        again = self.refined(seen.now + DROP_S, outlook)
        if again is None or again.estimate_s < WORTH_RESTARTING * flying.plan.estimate_s:
            return False
        return again.fits or not flying.plan.fits or outlook.hold_over(seen.now)


def _better(seen: Situation) -> Start | None:
    """A better refined volume of the scan that was served least recently, on a device that no growing scan needs."""
    idle = _idle(seen)
    if sum(outlook in idle and outlook.peak_passed for outlook in _growing(seen)) >= seen.free:
        return None
    done = [o for o in idle if o.located and o.over and o.refined_frames >= o.frames and not given_up(o)]
    plans = (sizing.better(seen.machine, o, seen.now, o.hold_ends_at) for o in sorted(done, key=lambda o: o.served_at))
    return next((plan for plan in plans if plan is not None), None)


def _gives_way(seen: Situation, without: Situation, flying: Begun, due: Start) -> bool:
    """Whether a first refined job that has long to go lets another scan's first volume by, and is in time all the same.

    Begun anew while that scan grows, it is sized to end soon: so this happens to it no more than once a scan.
    """
    first = due.job.stage == "provisional" and any(o.scan == due.job.scan and _first(o) for o in seen.outlooks)
    long = seen.ends_at(flying) - seen.now > PATIENCE_S
    return first and long and without.in_time(without.caution) >= seen.in_time(1.0)


def _goes_first(seen: Situation, show: Outlook, plan: Start, waiting: Sequence[Outlook]) -> bool:
    """Whether a provisional job comes before the next refined one: it costs no deadline, and no other scan that waits
    for its refined volume was served less recently."""
    if seen.met.keys() - seen.after(plan).keys():
        return False
    return _first(show) or show.scan == waiting[0].scan or show.served_at <= min(o.served_at for o in waiting)


def _begins(outlook: Outlook) -> Begins | None:
    """From what runs of a provisional job can begin so that their volume is worth showing."""
    if outlook.peak_passed:
        return "cold and warm" if outlook.warm else "cold"
    if not outlook.warm:
        return None
    return "warm" if outlook.peak_reached else "last hold"


def _first(outlook: Outlook) -> bool:
    """Whether a provisional volume would be the scan's first, or the first of its whole curve."""
    return outlook.shown_frames == 0 or (outlook.over and not outlook.shown_over)


def _turn(outlook: Outlook) -> tuple[bool, float]:
    """Order of provisional volumes: first ones, the newest scan before the others; then the least recently served."""
    return (False, -outlook.began_at) if _first(outlook) else (True, outlook.served_at)


def _in_order(waiting: Sequence[Outlook], met: dict[Scan, float]) -> list[Outlook]:
    """First those that can be in time, the earliest end first; then those whose last frame came first."""

    def order(outlook: Outlook) -> tuple[bool, float]:
        ends = outlook.hold_ends_at
        return (False, ends) if outlook.scan in met and ends is not None else (True, outlook.last_frame_at)

    return sorted(waiting, key=order)


def _idle(seen: Situation) -> list[Outlook]:
    """Scans without a job in flight."""
    busy = {flying.job.scan for flying in seen.begun}
    return [outlook for outlook in seen.outlooks if outlook.scan not in busy]


def _growing(seen: Situation) -> list[Outlook]:
    return [outlook for outlook in seen.outlooks if not outlook.over]
