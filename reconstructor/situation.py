"""How things stand at one moment: scans, jobs in flight, and which holds can still have their refined volume. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from contract.messages import Scan
from reconstructor import deadlines, sizing
from reconstructor.deadlines import Claim
from reconstructor.jobs import Begun, Outlook, Start
from reconstructor.sizing import PUBLISH_S, Machine

ATTEMPTS = 2
"""A refined job that failed so often is not tried again on the same frames."""
DROP_S = 0.3
"""A dropped job leaves its device after about so long."""
OVERDUE_SHARE = 0.25
"""A job that takes longer than estimated is expected to take this share of its time so far on top."""
CAUTIONS = (2.0, 1.5, 1.2, 1.0)
"""A claim reckons with jobs that take so many times their estimate, as far as that gives up no other."""


@dataclass(frozen=True)
class Situation:
    """What is known at `now` (the agenda's clock, in seconds). A dropped job is in flight until it has left."""

    now: float
    outlooks: Sequence[Outlook]
    begun: Sequence[Begun]
    machine: Machine
    devices: int
    least_s: Mapping[Scan, float]
    """What the quickest refined job of each scan takes; scans without an offer are left out."""
    leaving: int = 0
    """Devices that will be free after `DROP_S`."""

    @property
    def free(self) -> int:
        """Devices without a job."""
        return self.devices - len(self.begun)

    def of(self, flying: Begun) -> Outlook | None:
        """What is known of the scan of a job in flight, if its window is still the same."""
        job = flying.job
        return next((o for o in self.outlooks if (o.scan, o.window_revision) == (job.scan, job.window_revision)), None)

    def ends_at(self, flying: Begun) -> float:
        """When a job in flight should be done: by its estimate, or a little later if that has passed; its runs are
        ended at `finish_by`."""
        end, elapsed, finish_by = flying.at + flying.plan.estimate_s, self.now - flying.at, flying.job.finish_by
        if end < self.now:
            end = self.now + OVERDUE_SHARE * elapsed
        if finish_by is not None:
            end = min(end, finish_by + self.machine.speed.around(flying.job.offer.window.shape))
        return max(self.now, end)

    def free_at(self) -> list[float]:
        """When each device should be free."""
        idle = [self.now] * (self.free - self.leaving) + [self.now + DROP_S] * self.leaving
        return [*idle, *(self.ends_at(flying) for flying in self.begun)]

    @cached_property
    def caution(self) -> float:
        """The greatest factor on estimates at which as many holds can be met as at the estimates themselves."""
        return next(factor for factor in CAUTIONS if self._met(factor).keys() == self.possible.keys())

    @cached_property
    def claims(self) -> list[Claim]:
        """Of all scans that need a first refined volume before their hold ends and have none in flight."""
        return self._claims(self.caution)

    @cached_property
    def met(self) -> dict[Scan, float]:
        """When the quickest refined volume of each scan that can be in time would be ready, with caution."""
        return self._met(self.caution)

    @cached_property
    def possible(self) -> dict[Scan, float]:
        """The same by the estimates as they are; see `deadlines` for what can be met."""
        return deadlines.met(self.possible_claims, self.free_at())

    @cached_property
    def possible_claims(self) -> list[Claim]:
        """`claims` by the estimates as they are."""
        return self._claims(1.0)

    def in_time(self, caution: float) -> int:
        """How many refined volumes, in flight or still to come, can be out before their holds end."""
        flying = [(f, o) for f in self.begun if f.job.stage == "refined" and (o := self.of(f)) is not None]
        ends = [(self.ends_at(f) + PUBLISH_S, o.hold_ends_at) for f, o in flying if o.refined_frames < f.job.frames]
        there = sum(end is not None and self.now < end and done <= end for done, end in ends)
        return there + len(self._met(caution))

    def without(self, flying: Begun) -> Situation:
        """As it would be if that job were dropped now."""
        others = [other for other in self.begun if other is not flying]
        return replace(self, begun=others, leaving=self.leaving + 1)

    def after(self, plan: Start) -> dict[Scan, float]:
        """`met`, if that job were begun now on the device that is free first."""
        later, end = sorted(self.free_at()), self.now + plan.estimate_s
        own = [replace(c, ready_at=max(c.ready_at, end)) if c.scan == plan.job.scan else c for c in self.claims]
        return deadlines.met(own, [end, *later[1:]])

    def _met(self, caution: float) -> dict[Scan, float]:
        return deadlines.met(self._claims(caution), self.free_at())

    def _claims(self, caution: float) -> list[Claim]:
        refining = {flying.job.scan for flying in self.begun if flying.job.stage == "refined"}
        busy = {flying.job.scan: self.ends_at(flying) for flying in self.begun}
        found = [self._claim(o, caution, busy.get(o.scan, self.now)) for o in self.outlooks if o.scan not in refining]
        return [claim for claim in found if claim is not None]

    def _claim(self, outlook: Outlook, caution: float, idle_at: float) -> Claim | None:
        ends, needed = outlook.hold_ends_at, may_refine(outlook) if outlook.over else not outlook.refined_frames
        least = self.least_s.get(outlook.scan)
        if ends is None or outlook.hold_over(self.now) or not needed or least is None:
            return None
        ready_at = max(idle_at, outlook.last_frame_expected_at or self.now)
        return Claim(outlook.scan, ready_at, ends - PUBLISH_S, caution * least)


def situation(
    now: float, outlooks: Sequence[Outlook], begun: Sequence[Begun], machine: Machine, devices: int
) -> Situation:
    """How things stand now."""
    quickest = {outlook.scan: sizing.least_s(machine, outlook) for outlook in outlooks}
    least_s = {scan: least for scan, least in quickest.items() if least is not None}
    return Situation(now, outlooks, begun, machine, devices, least_s)


def may_refine(outlook: Outlook) -> bool:
    """Whether a refined job of the frames there are is wanted and possible."""
    return outlook.located and bool(outlook.refined) and outlook.wants_refined and not given_up(outlook)


def given_up(outlook: Outlook) -> bool:
    """Whether refined jobs failed too often on the frames there are."""
    return outlook.failed_frames == outlook.frames and outlook.failures >= ATTEMPTS
