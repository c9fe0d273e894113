"""How far what is on the screen can be trusted, in one word: the badge, and which picture it speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contract.messages import Hold
from viewer import colours
from viewer.state import LinkKnown, PictureKnown, ScanKnown, State

Trust = Literal["WAITING", "LAST HOLD", "PROVISIONAL", "REFINED", "INCOMPLETE", "STALE"]

COLOUR: dict[Trust, str] = {
    "WAITING": colours.SLATE,
    "LAST HOLD": colours.VIOLET,
    "PROVISIONAL": colours.AMBER,
    "REFINED": colours.GREEN,
    "INCOMPLETE": colours.BRICK,
    "STALE": colours.GREY,
}
FIRST_VOLUME_EXPECTED_S = 10.0
"""How long a volume may be awaited before one knows how fast they come."""
FIRST_VOLUME_PART = 0.5
"""Of the scan's planned length: a slow scan gives its first volume late."""
SHORTEST_EXPECTED_S = 3.0
LINK_EXPECTED_S = 2.5
"""Publishers send a heartbeat every second; a few may be late on a busy machine."""
LATE_FACTOR = 2.0
"""What is older than this many expected intervals is stale."""


@dataclass(frozen=True)
class Badge:
    """The word, its colour, and why it is not simply green."""

    trust: Trust
    reason: str = ""

    @property
    def colour(self) -> str:
        """Background of the badge, #rrggbb."""
        return COLOUR[self.trust]


def choose_picture(state: State, hold: Hold | None = None) -> PictureKnown | None:
    """Return the picture to show: of the newest scan that has one, refined before provisional; of `hold` if given.

    So a refined volume gives way to a provisional one only of a newer scan.
    """
    there = [one for one in state.pictures.values() if hold is None or one.picture.facts.hold == hold]
    if not there:
        return None
    newest = max(there, key=lambda one: _order(state, one)).picture.scan
    stages = {one.picture.facts.stage: one for one in there if one.picture.scan == newest}
    return stages.get("refined") or stages["provisional"]


def _order(state: State, one: PictureKnown) -> tuple[float, float]:
    scan = state.scans.get(one.picture.scan)
    return (scan.began_s if scan else float("-inf"), one.published_s)


def judge(state: State, shown: PictureKnown | None, now_s: float) -> Badge:
    """Say how far `shown` can be trusted at `now_s`."""
    if shown is None:
        return Badge("WAITING", _waiting_for(state, now_s))
    quiet = quiet_link(state, "reconstructor", now_s)
    if quiet:
        return Badge("STALE", quiet)
    late = _late(state, shown, now_s)
    if late:
        return Badge("STALE", late)
    facts = shown.picture.facts
    if shows_last_hold(state, shown):
        return Badge("LAST HOLD", "the last hold's crystal: no volume of this scan has foretold its frames better yet")
    if facts.stage == "provisional":
        return Badge("PROVISIONAL")
    if facts.completion in ("incomplete", "aborted"):
        return Badge(
            "INCOMPLETE", f"the scan is {facts.completion}, {facts.frames_used} of {facts.frames_expected} frames"
        )
    return Badge("REFINED")


def shows_last_hold(state: State, shown: PictureKnown) -> bool:
    """Whether a picture is the last hold's crystal, or was begun from it and nothing of its scan has beaten that."""
    facts = shown.picture.facts
    scan = state.scans.get(facts.scan)
    scored = None if scan is None else scan.forecast
    return facts.last_hold and (facts.runs == 0 or scored is None or scored.last_hold)


def quiet_link(state: State, name: str, now_s: float) -> str:
    """Say that a service has not been heard for too long, or ''."""
    link = state.links.get(name)
    if link is None:
        return ""
    if link.problem:
        return f"the {name} at {link.address}: {link.problem}"
    if link.heard_s is None:
        return f"waiting for the {name} at {link.address}"
    quiet_s = now_s - link.heard_s
    if quiet_s <= LATE_FACTOR * LINK_EXPECTED_S:
        return ""
    return f"the {name} has not been heard for {duration(quiet_s, whole=True)}"


def expected_interval_s(scan: ScanKnown) -> float:
    """How long after the last volume of a scan (or its beginning) the next one is expected."""
    if scan.job is not None and scan.job.stage == "refined" and scan.job.expected_refined_s is not None:
        return max(SHORTEST_EXPECTED_S, scan.job_s + scan.job.expected_refined_s - _last_sign_s(scan))
    if not scan.volume_s:
        return max(FIRST_VOLUME_EXPECTED_S, FIRST_VOLUME_PART * scan.frames_expected * (scan.frame_time_s or 0.0))
    if len(scan.volume_s) < 2:
        return max(FIRST_VOLUME_EXPECTED_S, scan.volume_s[-1] - scan.began_s)
    return max(SHORTEST_EXPECTED_S, scan.volume_s[-1] - scan.volume_s[-2])


def _last_sign_s(scan: ScanKnown) -> float:
    # A job that reports is as good a sign of life as the volume it will give.
    volume = scan.volume_s[-1] if scan.volume_s else scan.began_s
    return max(volume, scan.job_s) if scan.job is not None and scan.job.state in ("running", "done") else volume


def _late(state: State, shown: PictureKnown, now_s: float) -> str:
    """Why a newer volume than `shown` should be here by now, or ''."""
    scan = state.newest_scan()
    if scan is None or not _awaits_volume(state, scan):
        return ""
    if now_s - _last_sign_s(scan) <= LATE_FACTOR * expected_interval_s(scan):
        return ""
    if shown.picture.scan == scan.scan:
        return f"no new volume for {duration(now_s - shown.published_s, whole=True)}"
    return f"scan {scan.scan} has run for {duration(now_s - scan.began_s, whole=True)} without a volume"


def _awaits_volume(state: State, scan: ScanKnown) -> bool:
    if scan.status == "aborted" or (scan.job is not None and scan.job.state in ("failed", "dropped")):
        return False
    return not any(
        one.picture.scan == scan.scan and one.picture.facts.stage == "refined" for one in state.pictures.values()
    )


def _waiting_for(state: State, now_s: float) -> str:
    for name in ("streamer", "reconstructor"):
        quiet = quiet_link(state, name, now_s)
        if quiet:
            return quiet
    scan = state.newest_scan()
    if scan is None:
        return "waiting for a scan"
    if scan.status is not None:
        return f"scan {scan.scan} is {scan.status}; waiting for its volume"
    return f"scan {scan.scan} runs; waiting for its first volume"


def link_text(link: LinkKnown | None, name: str, state: State, now_s: float) -> str:
    """One line about a connection: age of the last sign of life, gaps that were never filled."""
    if link is None:
        return "not connected"
    quiet = quiet_link(state, name, now_s)
    if quiet:
        return quiet
    heard_s = 0.0 if link.heard_s is None else now_s - link.heard_s
    lost = f", {link.lost} messages lost" if link.lost else ""
    return (f"heard {ago(heard_s)}" if heard_s > LINK_EXPECTED_S else "heard just now") + lost


def ago(seconds: float) -> str:
    """How long something is past, in whole seconds, so that it does not change with every look."""
    return f"{duration(float(int(max(0.0, seconds))), whole=True)} ago"


def duration(seconds: float, *, whole: bool = False) -> str:
    """A length of time for people: 0.4 s (0 s if `whole`), 12 s, 3 min 05 s, 2 h 10 min; a minus if negative."""
    sign, length = ("−" if seconds < 0 else ""), abs(seconds)
    if length < 9.95 and not whole:
        return f"{sign}{length:.1f} s"
    rounded = round(length)
    if rounded < 60:
        return f"{sign}{rounded} s"
    if rounded < 3600:
        return f"{sign}{rounded // 60} min {rounded % 60:02d} s"
    return f"{sign}{rounded // 3600} h {rounded % 3600 // 60:02d} min"
