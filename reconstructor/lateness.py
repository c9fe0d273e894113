"""When first refined volumes can be out, held against the ends of their holds; what of it is to be told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contract.messages import Deadline, Scan
from reconstructor import deadlines
from reconstructor.jobs import Outlook
from reconstructor.situation import Situation
from reconstructor.sizing import PUBLISH_S

SURE_S = 1.0
"""What was told to be late is told to be in time only if it will be so by this, and by …"""
SURE_SHARE = 0.2
"""… this share of the time it still takes: estimates at the edge would tell now this, now that."""


@dataclass(frozen=True)
class Expected:
    """The first refined volume of one scan; times on the agenda's clock, in seconds."""

    ready_at: float
    """When it can be out, at the earliest."""
    hold_ends_at: float

    @property
    def in_time(self) -> bool:
        """Whether that is before the hold ends."""
        return self.ready_at <= self.hold_ends_at

    def surely(self, now: float) -> bool:
        """Whether it would be in time if it came a little later."""
        return self.ready_at + max(SURE_S, SURE_SHARE * (self.ready_at - now)) <= self.hold_ends_at


def expected(seen: Situation) -> dict[Scan, Expected]:
    """Of all scans that have no refined volume yet, in a hold that has a known end and is not over.

    Before its last frame and its peak a scan is reckoned with by its rate and the quickest job it will probably be
    offered; beside those of other scans that can be met. Nothing is known of a scan without an offer.
    """
    ready = deadlines.ready(seen.possible_claims, seen.free_at())
    found = {
        claim.scan: Expected(ready[claim.scan] + PUBLISH_S, claim.until + PUBLISH_S) for claim in seen.possible_claims
    }
    for flying in seen.begun:
        outlook = seen.of(flying)
        if flying.job.stage == "provisional" or outlook is None or outlook.refined_frames:
            continue
        if outlook.hold_ends_at is not None and not outlook.hold_over(seen.now):
            found[outlook.scan] = Expected(seen.ends_at(flying) + PUBLISH_S, outlook.hold_ends_at)
    return found


def news(
    now: float, outlooks: Sequence[Outlook], ready: Mapping[Scan, Expected], told: Mapping[Scan, Deadline]
) -> list[Deadline]:
    """What is to be told now, `told` being the newest of each scan that was.

    That a volume will be late, at once; that it will be in time, only if the other was told before.
    """
    found = []
    for outlook in outlooks:
        one, before = ready.get(outlook.scan), told.get(outlook.scan)
        late = before is not None and not before.met
        if not late and one is not None and not one.in_time:
            found.append(_late(now, outlook, one))
        elif late and (there := _after_all(now, outlook, one)) is not None:
            found.append(there)
    return found


def _late(now: float, outlook: Outlook, one: Expected) -> Deadline:
    left_s, ready_s, last = one.hold_ends_at - now, one.ready_at - now, outlook.last_frame_expected_at
    rest = "all of its frames are in" if last is None else f"its last frame is due in {max(0.0, last - now):.0f} s"
    text = (
        f"No refined volume of {outlook.scan} will be ready before its hold ends in {left_s:.0f} s: it needs about "
        f"{ready_s:.0f} s more, and {rest}. The best volume by then is what there is to decide on."
    )
    return Deadline(scan=outlook.scan, met=False, ready_s=ready_s, hold_left_s=left_s, text=text)


def _after_all(now: float, outlook: Outlook, one: Expected | None) -> Deadline | None:
    """That the volume is in time though it was told to be late; None if it is not, or not surely."""
    if outlook.hold_ends_at is None or outlook.hold_over(now):
        return None
    left_s = outlook.hold_ends_at - now
    if outlook.refined_frames and left_s > PUBLISH_S:
        text = f"The refined volume of {outlook.scan} is there before its hold ends, sooner than expected."
        return Deadline(scan=outlook.scan, met=True, ready_s=0.0, hold_left_s=left_s, text=text)
    if one is None or not one.surely(now):
        return None
    text = (
        f"A refined volume of {outlook.scan} will be ready before its hold ends in {left_s:.0f} s after all: it needs "
        f"about {one.ready_at - now:.0f} s more."
    )
    return Deadline(scan=outlook.scan, met=True, ready_s=one.ready_at - now, hold_left_s=left_s, text=text)
