"""What went in must come out: compares what a detector sent with what the streamer made of it. No I/O, no clock.

The law of one series: every frame that was sent whole is in the scan, bit for bit, or listed as missing; what was once
published stays; and nothing else is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import AnyMessage, FrameBlock, Scan, ScanEnded, ScanStarted
from contract.stream_types import Received

Frames = dict[int, NDArray[np.uint32]]
"""Counts (row, column) by index"""


@dataclass(frozen=True)
class SentSeries:
    """One series as it left the detector."""

    scan: Scan
    announced: int
    """Frames its start announced; 0 if the start was not sent."""
    whole: Mapping[int, NDArray[np.uint32]]
    """What was sent undamaged at least once"""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the frames of one series, or of many together."""

    sent: int = 0
    """Different frames sent whole"""
    kept: int = 0
    """Of these, in the scan in the end"""
    recovered: int = 0
    """Of these, had been published before a crash"""
    listed: int = 0
    """Sent whole, not in the scan, and listed as missing"""
    unaccounted: int = 0
    """Neither in the scan nor listed"""
    lost: int = 0
    """Published once and not in the scan in the end"""
    rotten: int = 0
    """Published once and listed as missing in the end, for a bit of them had flipped in the journal"""
    wrong: int = 0
    """Not what was sent, or never sent, or both there and listed as missing"""
    unfinished: int = 0
    """Scans without an end"""

    def __add__(self, other: Account) -> Account:
        names = self.__struct_fields__
        return Account(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def faults(self) -> int:
        """What must be 0."""
        return self.unaccounted + self.lost + self.wrong + self.unfinished


@dataclass
class Heard:
    """What came over the stream of one scan, put together."""

    frames: Frames = field(default_factory=dict)
    """Of the newest window revision"""
    ended: ScanEnded | None = None
    started: bool = False


def put_together(messages: Iterable[AnyMessage], scan: Scan) -> Heard:
    """What a listener knows of a scan after these messages."""
    heard = Heard()
    revision = 0
    for message in messages:
        if isinstance(message, ScanStarted) and message.scan == scan:
            heard.started = True
            if message.window_revision > revision:
                revision, heard.frames = message.window_revision, {}
        elif isinstance(message, FrameBlock) and (message.scan, message.window_revision) == (scan, revision):
            heard.frames |= dict(zip(message.index.tolist(), message.counts, strict=True))
        elif isinstance(message, ScanEnded) and message.scan == scan:
            heard.ended = message
    return heard


def account(
    series: SentSeries, final: Heard, before_crash: set[int], published: set[int], flipped: Set[int] = frozenset()
) -> Account:
    """Compare what was sent with the scan in the end, and with what had been published of it on the way.

    Frames in whose journal record a bit was `flipped` may be missing, if they are listed.
    """
    frames, ended = final.frames, final.ended
    if not final.started:  # nothing of it came through: then nobody may have been told of a frame
        return Account(sent=len(series.whole), unaccounted=len(series.whole), lost=len(published))
    missing = set() if ended is None else set(ended.missing)
    # Without its start nobody knows how long a series is: it reaches to the last frame that came.
    last = (series.announced or max(frames, default=-1) + 1) - 1
    answered = {index for index in series.whole if index <= last}
    unlike = [index for index, counts in frames.items() if not _is(series.whole.get(index), counts)]
    rotten = published & flipped & missing - frames.keys()
    return Account(
        sent=len(answered),
        kept=len(answered & frames.keys()),
        recovered=len(before_crash & frames.keys()),
        listed=len(answered & missing - frames.keys()),
        unaccounted=len(answered - frames.keys() - missing),
        lost=len(published - frames.keys() - rotten),
        rotten=len(rotten),
        wrong=len(unlike) + len(missing & frames.keys()),
        unfinished=int(ended is None),
    )


def out_of_order(received: Iterable[Received]) -> int:
    """Messages that came twice or after a later one of the same epoch, or of an epoch that was over."""
    last: dict[str, int] = {}
    present = ""
    wrong = 0
    for one in received:
        returned = one.epoch != present and one.epoch in last
        if returned or one.seq <= last.get(one.epoch, 0):
            wrong += 1
        present = one.epoch
        last[one.epoch] = max(one.seq, last.get(one.epoch, 0))
    return wrong


def _is(sent: NDArray[np.uint32] | None, came: NDArray[np.uint32]) -> bool:
    return sent is not None and np.array_equal(sent, came)
