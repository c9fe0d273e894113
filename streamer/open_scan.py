"""One scan while it is measured: from a series' records to the messages of the contract. No I/O, no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import (
    Angles,
    Crystal,
    FrameBlock,
    Geometry,
    Hold,
    HoldStarted,
    Scan,
    ScanEnded,
    ScanStarted,
    Window,
)
from streamer.corrections import Corrections, corrections, cropped, fitted, total_counts
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.dialects import Dialect
from streamer.detectors.records import Channel, Frame, SeriesStarted
from streamer.region import Follow, Region
from streamer.rocking_curve import Assembly, Closing, Point, RockingCurve, Verdict, Waits

Counts: TypeAlias = NDArray[np.uint32]
"""(row, column) of the window"""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What the streamer decided about a scan when it began; kept in its journal, so that a restart changes nothing."""

    scan: Scan
    source: str
    """Address it comes from"""
    dialect: str
    crystal: Crystal | None = None
    hold: Hold | None = None
    held: HoldStarted | None = None
    """The hold, if it ran when the scan began."""
    window: Window | None = None
    """Region of interest wanted; None for the full image."""
    window_revision: int = 1
    region: Region | None = None
    """How the window was chosen; None: by the settings."""
    opened_ns: int = 0
    """When the scan began, by the wall clock."""


class Rules(NamedTuple):
    """The settings that concern a scan."""

    waits: Waits
    block_frames: int
    """A block is published when it has as many frames, or when its first frame is `block_s` old."""
    block_s: float
    window: Window | None = None
    follow: Follow | None = None
    """None: no window follows a peak."""
    geometry: Geometry | None = None
    """Where the sender gives none."""
    channel: str | None = None
    """Energy threshold to reconstruct from; None for the first one announced."""
    angle_start_deg: float | None = None
    angle_step_deg: float | None = None
    """Rocking angles where the sender gives none: start + index · step."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    index: int
    point: Point
    counts: Counts
    received_s: float


class OpenScan:
    """A scan of one detector series. Its dtype and channel may become known with its first frame only."""

    def __init__(self, series: SeriesStarted, identity: Identity, rules: Rules, dialect: Dialect, now_s: float):
        self.series = series
        self.identity = identity
        self.assembly = Assembly(series.frames_expected, rules.waits, now_s)
        self.channel = ""
        self._rules = rules
        self._dialect = dialect
        self._corrections: Corrections | None = None
        self._pending: list[_Pending] = []
        self._told_angles: dict[int, float] = {}
        self._axis = series.rocking_axis
        if series.dtype is not None and (rules.channel or series.channels):
            self._meet(rules.channel or next(iter(series.channels)), series.dtype)

    @property
    def scan(self) -> Scan:
        """Its name."""
        return self.series.series

    @property
    def geometry(self) -> Geometry | None:
        """The sender's, else that of the settings."""
        return self.series.notes.geometry or self._rules.geometry

    @property
    def window(self) -> Window:
        """Region of interest, inside the image."""
        return fitted(self.identity.window, self.series.shape)

    @property
    def known(self) -> bool:
        """Channel and dtype are known, so that frames can be looked at and unpacked several at a time."""
        return self._corrections is not None

    def started(self) -> ScanStarted | None:
        """The message that announces it; None until enough is known."""
        known = self._corrections
        if known is None:
            return None
        series, identity = self.series, self.identity
        return ScanStarted(
            scan=self.scan,
            source=identity.source,
            frames_expected=series.frames_expected,
            window_revision=identity.window_revision,
            window=known.window,
            detector_shape=series.shape,
            geometry=self.geometry,
            crystal=identity.crystal,
            hold=identity.hold,
            frame_time_s=series.frame_time_s,
            count_time_s=series.count_time_s,
            saturation_counts=known.untrusted_from,
            started_at=series.started_at,
            mask=known.mask,
            flat_field=known.flat_field,
        )

    def look(self, frame: Frame) -> Verdict:
        """What this frame would be. DecodeError: it does not belong to the series as it was announced."""
        self._dialect.agree(frame, self.series)
        wanted = self.channel or self._rules.channel
        if wanted and wanted not in frame.channels:
            raise DecodeError(
                "decode", f"frame {frame.index} has no channel {wanted}, only {', '.join(frame.channels)}"
            )
        return self.assembly.look(frame.index)

    def unpack(self, frame: Frame) -> Counts | DecodeError:
        """The counts of a frame that `look` passed, inside the window; or that it is damaged inside."""
        known = self._known(frame)
        window = known.window
        try:
            band = self._dialect.pixels(frame, self.channel, window.row0, window.row0 + window.rows)
        except DecodeError as error:
            return error
        return cropped(band, window)

    def take(self, frame: Frame, counts: Counts, received_s: float, now_s: float) -> bool:
        """Add a frame and the counts that `unpack` found in it. True if it came in order."""
        known = self._known(frame)
        point = Point(
            angle_deg=self._angle_of(frame),
            monitor=1.0 if frame.monitor is None else frame.monitor,
            total_counts=total_counts(counts, known),
        )
        self._pending.append(_Pending(frame.index, point, counts, received_s))
        return self.assembly.take(frame.index, point, now_s)

    def image(self, frame: Frame) -> NDArray[Any] | None:
        """The full image (row, column) of a frame that `look` passed; None if it is damaged inside."""
        try:
            return self._dialect.pixels(frame, self.channel, 0, self.series.shape[0])
        except DecodeError:
            return None

    def move(self, identity: Identity) -> None:
        """The window moves: frames that came are to be taken `again`, what was unpacked before may not be taken."""
        self.identity, self._pending = identity, []
        if self.series.dtype is not None and self.known:
            self._meet(self.channel, self.series.dtype)

    def again(self, frame: Frame, now_s: float) -> bool:
        """A frame that was taken before the window moved; False if it cannot be unpacked."""
        point, counts = self.assembly.point(frame.index), self.unpack(frame)
        if point is None or isinstance(counts, DecodeError):
            return False
        point = self.assembly.recount(frame.index, total_counts(counts, self._known(frame)))
        self._pending.append(_Pending(frame.index, point, counts, now_s))
        return True

    def angle_deg(self, index: int) -> float:
        """Rocking angle of a frame, unless the frame itself brings one: as told later, as listed in the start, of
        the goniometer, of the settings; NaN where nobody knows.
        """
        if index in self._told_angles:
            return self._told_angles[index]
        listed = self.series.notes.angles_deg
        if listed:
            return listed[index] if index < len(listed) else math.nan
        rules = self._rules
        if self._axis is not None:
            start, step = self.series.goniometer[self._axis]
        elif rules.angle_start_deg is not None and rules.angle_step_deg is not None:
            start, step = rules.angle_start_deg, rules.angle_step_deg
        else:
            return math.nan
        return start + index * step

    def _angle_of(self, frame: Frame) -> float:
        if frame.index in self._told_angles or frame.angle_deg is None:
            return self.angle_deg(frame.index)
        return frame.angle_deg

    def tell_angles(self, message: Angles) -> None:
        """Angles that became known otherwise, of frames that have come or will."""
        pairs = [(int(index), float(angle)) for index, angle in zip(message.index, message.angle_deg, strict=True)]
        self._told_angles.update((index, angle) for index, angle in pairs if math.isfinite(angle))
        self.assembly.angles(pairs)
        self._pending = [
            replace(one, point=one.point._replace(angle_deg=self._told_angles.get(one.index, one.point.angle_deg)))
            for one in self._pending
        ]

    @property
    def full(self) -> bool:
        """As many frames wait to be published as go into a block."""
        return len(self._pending) >= self._rules.block_frames

    def block(self, now_s: float, *, now: bool = False) -> FrameBlock | None:
        """The frames not yet published, when there are enough, the oldest has waited long enough, or `now`."""
        pending, rules = self._pending, self._rules
        if not pending:
            return None
        if not (now or self.full or now_s - pending[0].received_s >= rules.block_s):
            return None
        self._pending = []
        counts = np.stack([one.counts for one in pending])
        counts.flags.writeable = False  # so that it is published without another copy
        return FrameBlock(
            scan=self.scan,
            window_revision=self.identity.window_revision,
            index=np.array([one.index for one in pending], np.int32),
            angle_deg=np.array([one.point.angle_deg for one in pending], np.float64),
            monitor=np.array([one.point.monitor for one in pending], np.float64),
            total_counts=np.array([one.point.total_counts for one in pending], np.float64),
            counts=counts,
            since_received_s=max(0.0, now_s - pending[-1].received_s),
        )

    def ended(self, closing: Closing, archive: str) -> ScanEnded:
        """The message that closes it."""
        curve = self.assembly.curve()
        return ScanEnded(
            scan=self.scan,
            window_revision=self.identity.window_revision,
            status=closing.status,
            frames_received=len(curve.points),
            frames_expected=curve.length,
            missing=curve.missing,
            reason=closing.reason,
            archive=archive,
        )

    def angles_deg(self, curve: RockingCurve) -> tuple[float, ...]:
        """The rocking angle of every index, of frames that did not come too."""
        points = curve.points
        return tuple(points[i].angle_deg if i in points else self.angle_deg(i) for i in range(curve.length))

    def settle(self) -> None:
        """Nothing more will come: what is not known by now never will be."""
        if self._corrections is None:
            channel = self._rules.channel or next(iter(self.series.channels), "")
            self._meet(channel, self.series.dtype or np.dtype(np.uint32))

    def _known(self, frame: Frame) -> Corrections:
        """What goes with the frames; known from the first on, whatever the start left open."""
        if self._corrections is not None:
            return self._corrections
        channel = self._rules.channel or next(iter(frame.channels))
        dtype = frame.channels[channel].dtype
        self.series = replace(self.series, dtype=dtype)
        return self._meet(channel, dtype)

    def _meet(self, channel: str, dtype: np.dtype[Any]) -> Corrections:
        """From here on the channel and dtype are known."""
        self.channel = channel
        self._corrections = corrections(
            self.series.channels.get(channel, Channel()),
            self.window,
            self.series.shape,
            dtype,
            self.series.saturation_counts,
        )
        return self._corrections
