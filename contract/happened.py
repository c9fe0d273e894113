"""Records of what happened, as values: made where it happened, counted and logged by `contract.telemetry`.

Fields that name a label of a metric (`source`, `reason`, `stage`, `status`, `queue`, `stream`, `outcome`, `peer`,
`kind`) take few different values; scans, holds and details go to the log and to exemplars only.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

Level = Literal["info", "warning", "error"]


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, always counted."""

    level: ClassVar[Level | None] = None
    """How it is logged; None: not at all."""
    once: ClassVar[bool] = False
    """Only the first with the same labels is logged."""


class FrameReceived(Happened, frozen=True, kw_only=True):
    """A frame was committed to the journal and accepted."""

    source: str
    size_bytes: int
    ingest_s: float
    """From its receipt until it was accepted."""


class FrameRejected(Happened, frozen=True, kw_only=True):
    """Something that came in a frame's place was refused."""

    level = "warning"
    once = True
    source: str
    reason: Literal["crc", "decode", "size", "series", "garbage"]
    detail: str = ""


class FrameDuplicate(Happened, frozen=True, kw_only=True):
    """A frame came again and was not used."""

    level = "warning"
    once = True
    source: str


class FrameOutOfOrder(Happened, frozen=True, kw_only=True):
    """A frame came after one with a higher index; it was used."""

    source: str


class FrameLate(Happened, frozen=True, kw_only=True):
    """A frame came after its scan was closed; it is journaled and offered as a new revision."""

    level = "warning"
    once = True
    source: str


class CurveOpened(Happened, frozen=True, kw_only=True):
    """A rocking scan began."""

    level = "info"
    source: str
    scan: str


class CurveClosed(Happened, frozen=True, kw_only=True):
    """A rocking scan ended."""

    level = "info"
    source: str
    scan: str
    status: Literal["complete", "incomplete", "aborted"]
    missing: int
    assembly_s: float
    """From its start until it was closed."""


class JournalAppended(Happened, frozen=True, kw_only=True):
    """Messages became durable in one commit."""

    records: int = 1
    fsync_s: float


class JournalFault(Happened, frozen=True, kw_only=True):
    """The journal could not be written or read."""

    level = "error"
    kind: str
    detail: str = ""


class JournalRecovered(Happened, frozen=True, kw_only=True):
    """An open scan was taken up again from the journal."""

    level = "info"
    records: int
    truncated_bytes: int = 0


class JournalSize(Happened, frozen=True, kw_only=True):
    """What the journal holds and what room is left."""

    journal_bytes: int
    scans: int
    free_bytes: int


class QueueDepth(Happened, frozen=True, kw_only=True):
    """How full a bounded queue is."""

    queue: str
    depth: int
    capacity: int


class Backpressure(Happened, frozen=True, kw_only=True):
    """Work waited for room in a queue."""

    queue: str
    waited_s: float


class MessageDropped(Happened, frozen=True, kw_only=True):
    """Messages were refused, or found no room in a bounded queue."""

    level = "warning"
    once = True
    stage: str
    """Where, e.g. "publisher", "subscriber", "inbox"."""
    reason: str
    """Why, e.g. "malformed", "version", "full", "missed"."""
    count: int = 1
    detail: str = ""


class WorkRedelivered(Happened, frozen=True, kw_only=True):
    """A job was given out again."""

    level = "warning"
    reason: str


class WorkFailed(Happened, frozen=True, kw_only=True):
    """A job did not end as it should."""

    level = "error"
    reason: str
    detail: str = ""


class Reconstructed(Happened, frozen=True, kw_only=True):
    """A phasing job is done."""

    stage: Literal["provisional", "refined"]
    scan: str
    took_s: float


class VolumePublished(Happened, frozen=True, kw_only=True):
    """A volume went out."""

    level = "info"
    stage: Literal["provisional", "refined"]
    scan: str
    revision: int
    r_factor: float | None = None
    first_volume_s: float | None = None
    """From the scan's first frame, if this is the first volume phased from it (LAST HOLD shows an earlier one)."""
    full_curve_volume_s: float | None = None
    """From the scan's last frame, if this is the first volume of its whole curve."""
    refined_volume_s: float | None = None
    """From the scan's last frame, if this is its first refined volume."""


class Subscribers(Happened, frozen=True, kw_only=True):
    """How many listen to a stream of ours."""

    stream: str
    count: int


class SubscriberLag(Happened, frozen=True, kw_only=True):
    """How many messages a stream that we follow is ahead of us."""

    stream: str
    messages: int


class Replayed(Happened, frozen=True, kw_only=True):
    """A range of missed messages was asked of a stream of ours."""

    stream: str
    outcome: Literal["replay", "snapshot", "gone"]


class PeerUp(Happened, frozen=True, kw_only=True):
    """Whether a service that we listen to can be heard."""

    level = "info"
    peer: str
    up: bool


class PeerReconnected(Happened, frozen=True, kw_only=True):
    """A service that we listen to is back, or started anew."""

    level = "info"
    peer: str


class AuthFailed(Happened, frozen=True, kw_only=True):
    """Somebody tried to connect and could not: a key that is not on the allow-list, none, or no peer of ours at all."""

    level = "warning"
    once = True
    peer: str


def ignore(happened: Happened) -> None:
    """Take no notice."""
