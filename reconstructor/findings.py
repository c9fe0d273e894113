"""What can be said of a scan at this moment, and what of it is news. Pure."""

from __future__ import annotations

from contract.messages import Advice
from reconstructor import settled
from reconstructor.advice import Findings
from reconstructor.brightness import Brightness, brightness
from reconstructor.curve import Reading, rocking
from reconstructor.drift import drift
from reconstructor.early import expected_end, peak_passed, saturation, window_cuts
from reconstructor.followed import FollowedScan
from reconstructor.past import Past
from reconstructor.peak import Peak, find_peak
from reconstructor.profile import Profile, profile

NEWS = 0.25
"""A number that changed by this share of itself is worth telling again."""


def findings(scan: FollowedScan, past: Past | None, now: float) -> Findings:
    """All that the frames so far say; `now` on the clock of the scan's times."""
    reading, outlook = scan.measured, scan.outlook
    if reading is None or outlook is None or scan.last_frame_at is None:
        return Findings()
    end = expected_end(reading, outlook.frame_time_s, now - scan.last_frame_at)
    peak = scan.peak if scan.reading is reading else find_peak(reading)
    if peak is None or scan.obstacle or not (peak.passed or scan.over):
        return Findings(end=end, saturation=saturation(reading), brightness=_before_the_peak(scan))
    own = profile(reading, peak)
    return Findings(
        peak=peak_passed(reading, peak),
        end=end,
        cuts=window_cuts(reading, peak),
        saturation=saturation(reading),
        drift=drift(own, None if past is None else past.core),
        brightness=None if past is None else _against(past, reading, own, peak),
        good_enough=settled.good_enough(scan.prospect.shown, scan.started.frames_expected),
        evolution=None if scan.refined_by is None else scan.refined_by.evolution,
    )


def news(now: Advice, before: Advice | None, over: bool) -> bool:
    """Whether an advice is worth telling after `before`: another level, other things, or numbers that moved.

    Once the scan is `over`, whatever changed is.
    """
    if before is None or now.level != before.level or over:
        return before is None or (now.level, now.text) != (before.level, before.text)
    old, new = dict(before.numbers), dict(now.numbers)
    if old.keys() != new.keys():
        return True
    return any(abs(new[name] - old[name]) > NEWS * max(abs(new[name]), abs(old[name])) for name in new)


def _against(past: Past, reading: Reading, own: Profile, peak: Peak) -> Brightness | None:
    line = rocking(reading)
    return brightness(own, past.profile, line.angle(peak.centre[0]) - past.line.angle(past.peak.centre[0]))


def _before_the_peak(scan: FollowedScan) -> Brightness | None:
    """By the forecast's offset, as far as it is determined."""
    foreseen, reading = scan.prospect.foreseen, scan.measured
    if foreseen is None or reading is None or not foreseen.fit.determined or foreseen.grid.every > 1:
        return None
    return brightness(profile(reading, foreseen.peak), foreseen.past.profile, foreseen.moved_deg)
