"""A window that moves within a scan: its frames are taken from the journal again, cut to the new window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from streamer.detectors.decode_error import DecodeError
from streamer.detectors.dialects import DIALECTS
from streamer.detectors.records import Frame
from streamer.journal import Journal
from streamer.open_scan import Identity, OpenScan
from streamer.scan_region import Move


def moved(identity: Identity, move: Move) -> Identity:
    """What is decided about a scan whose window moves: a new window revision."""
    revision = identity.window_revision + 1
    return msgspec.structs.replace(identity, window=move.window, region=move.region, window_revision=revision)


def taken_again(scan: OpenScan, path: Path, now_s: float) -> Iterator[None]:
    """Take the frames that came before the window moved from the journal at `path` again; comes back after each.

    The journal is read by a connection of its own, while new frames are written to it. A frame whose record is damaged
    by now cannot be had in this window: it counts as missing from here on.
    """
    dialect = DIALECTS[scan.identity.dialect]
    wanted = set(scan.assembly.curve().points)
    journal = Journal.open(path, read_only=True)
    try:
        for entry in journal.entries("frame"):
            if entry.frame not in wanted:
                continue
            try:
                frame = dialect.read(entry.parts)
            except DecodeError:
                continue
            if isinstance(frame, Frame) and scan.again(frame, now_s):
                wanted.discard(frame.index)
            yield
    finally:
        journal.close()
    for index in wanted:
        scan.assembly.lose(index)
