"""Where a message stands in the present state of a stream: a late joiner gets the newest message of each slot."""

from __future__ import annotations

from contract.messages import (
    Advice,
    Angles,
    AnyMessage,
    Confirmed,
    Deadline,
    ForecastScored,
    FrameBlock,
    HoldEnded,
    HoldStarted,
    JobProgress,
    RegionChosen,
    ScanEnded,
    ScanStarted,
    Volume,
)

_BY_SCAN = {JobProgress: "job", Confirmed: "confirmed", ForecastScored: "forecast", Deadline: "deadline"}


def default_slot(message: AnyMessage) -> str | None:
    """The slot of a message by its kind and identity; None for what only those who listen now shall hear.

    hold/<crystal>, scan/<scan>/started/<window revision>, scan/<scan>/block/<window revision>/<which frames>,
    scan/<scan>/angles/<which frames>, scan/<scan>/ended, scan/<scan>/region, volume/<crystal or scan>/<hold>/<stage>,
    job/<scan>, confirmed/<scan>, advice/<scan>/<kind>, forecast/<scan>, deadline/<scan>.
    """
    match message:
        case HoldStarted() | HoldEnded():
            return f"hold/{quoted(message.crystal)}"
        case ScanStarted():
            return f"scan/{quoted(message.scan)}/started/{message.window_revision}"
        case FrameBlock():
            return f"scan/{quoted(message.scan)}/block/{message.window_revision}/{_frames(message)}"
        case Angles():
            return f"scan/{quoted(message.scan)}/angles/{_frames(message)}"
        case ScanEnded():
            return f"scan/{quoted(message.scan)}/ended"
        case RegionChosen():
            return f"scan/{quoted(message.scan)}/region"
        case Volume():
            whose = message.crystal if message.crystal is not None else message.scan
            return f"volume/{quoted(whose)}/{quoted(message.hold or '-')}/{message.stage}"
        case JobProgress() | Confirmed() | ForecastScored() | Deadline():
            return f"{_BY_SCAN[type(message)]}/{quoted(message.scan)}"
        case Advice():
            return f"advice/{quoted(message.scan)}/{message.kind}"
        case _:
            return None


def scan_prefix(scan: str) -> str:
    """What all slots of a scan begin with, to be forgotten together."""
    return f"scan/{quoted(scan)}/"


def quoted(name: str) -> str:
    """A name that cannot be mistaken for the slots below another: "/" and "%" escaped."""
    return name.replace("%", "%25").replace("/", "%2F")


def _frames(message: FrameBlock | Angles) -> str:
    if message.index.size == 0:
        return "none"
    return f"{message.index.min()}-{message.index.max()}-{message.index.size}"
