"""Frames that are made durable together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contract.messages import Scan
from streamer.detectors.records import Frame
from streamer.frame_queue import Message
from streamer.measured_scan import MeasuredScan


def together(waiting: Sequence[Message], scans: Mapping[Scan, MeasuredScan]) -> list[tuple[Frame, Message]]:
    """New frames of one open scan, up to the first message that must wait for its turn; none if that is the oldest.
    Frames of other open scans may be overtaken.
    """
    group: dict[int, tuple[Frame, Message]] = {}
    for message in waiting:
        frame = message.content
        scan = scans.get(frame.series) if isinstance(frame, Frame) else None
        if not isinstance(frame, Frame) or scan is None or not scan.expects(frame):
            break
        first, _ = next(iter(group.values()), (frame, message))
        if frame.series == first.series:
            if frame.index in group:
                break
            group[frame.index] = (frame, message)
    return list(group.values())
