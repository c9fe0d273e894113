"""Scans that were let go and are needed again: taken up from their journals, as long as those are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from contract.messages import Scan
from contract.telemetry import FrameDuplicate
from streamer.detectors.records import Frame
from streamer.frame_queue import Message
from streamer.journal import At, Journal
from streamer.measured_scan import MeasuredScan
from streamer.open_scan import Identity
from streamer.recovery import take_up
from streamer.scan_state import State

if TYPE_CHECKING:
    from streamer.ingest import Ingest


def wanted_again(ingest: Ingest, frame: Frame, message: Message) -> MeasuredScan | None:
    """The scan of a frame that came after it was let go: the beam was away, say, for longer than scans wait for.

    None: there is no journal of it, or the frame is in it.
    """
    path = ingest.journals.path(frame.series)
    if not path.exists():
        return None
    journal = Journal.open(path)
    try:
        twice = journal.has_frame(frame.index)
    finally:
        journal.close()
    if twice:
        ingest.happened(FrameDuplicate(source=message.source))
        return None
    return taken_back(ingest, frame.series, message.at)


def taken_back(
    ingest: Ingest, name: Scan, at: At, change: Callable[[Identity], Identity] | None = None
) -> MeasuredScan | None:
    """A scan that was let go, published again and to be confirmed anew. None: its journal is gone, or cannot be read.

    `change` alters what was decided about it; then its archive is to be written again. JournalError: not durable.
    """
    path = ingest.journals.path(name)
    if not name or not path.exists():
        return None
    journal = Journal.open(path)
    identity, state = journal.get("identity", Identity), journal.get("state", State)
    if identity is None or state is None:
        journal.close()
        return None
    ingest.retention.keep(path)
    with contextlib.suppress(ValueError):
        ingest.finished.remove(name)
    if change is not None:
        identity = change(identity)
    state = msgspec.structs.replace(state, confirmed=None, archived=state.archived and change is None)
    journal.write([], {"identity": identity, "state": state})
    for _ in take_up(ingest, journal, identity, ingest.publisher, ingest.happened, lambda: at):
        continue
    return ingest.scans.get(name)
