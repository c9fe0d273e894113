"""Every message that travels between the services: frozen, keyword-only, with axes and units.

Nothing is matched by order of arrival: `scan`, `index`, `window_revision`, `revision`, `crystal` and
`hold` identify the content, `epoch` and `seq` (added by the stream) the place in the stream. Lengths of
time are durations in seconds; wall-clock text (RFC 3339) is carried to be shown, never to be compared.
"""

from __future__ import annotations

from typing import Literal

from contract.measured import (
    Angles,
    FrameBlock,
    Geometry,
    HoldEnded,
    HoldStarted,
    RegionChosen,
    RegionSet,
    ScanAborted,
    ScanEnded,
    ScanStarted,
    Window,
)
from contract.names import (
    Completion,
    Crystal,
    Hold,
    Message,
    Scan,
    Stage,
)
from contract.reconstructed import (
    Advice,
    AdviceKind,
    Confirmed,
    Deadline,
    ForecastScored,
    JobProgress,
    Quality,
    Volume,
)

__all__ = [
    "Advice",
    "AdviceKind",
    "Angles",
    "AnyMessage",
    "Completion",
    "Confirmed",
    "Crystal",
    "Deadline",
    "ForecastScored",
    "FrameBlock",
    "Geometry",
    "Hold",
    "HoldEnded",
    "HoldStarted",
    "JobProgress",
    "Message",
    "Notice",
    "Quality",
    "RegionChosen",
    "RegionSet",
    "Scan",
    "ScanAborted",
    "ScanEnded",
    "ScanStarted",
    "Stage",
    "Volume",
    "Window",
]


class Notice(Message, frozen=True, kw_only=True, tag="notice"):
    """Something a person at the control desk should know: one plain sentence."""

    level: Literal["info", "warning", "error"]
    text: str
    scan: Scan | None = None


AnyMessage = (
    HoldStarted
    | HoldEnded
    | ScanStarted
    | FrameBlock
    | Angles
    | ScanEnded
    | Volume
    | ForecastScored
    | JobProgress
    | Confirmed
    | ScanAborted
    | RegionChosen
    | RegionSet
    | Notice
    | Advice
    | Deadline
)
