"""What is known, as values. Times are seconds of the viewer's own steady clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contract.messages import (
    Advice,
    Completion,
    Crystal,
    Deadline,
    ForecastScored,
    Hold,
    JobProgress,
    Notice,
    Scan,
    Window,
)
from viewer.frames import Frame, FrameView
from viewer.picture import Picture, Slot
from viewer.rocking import EMPTY, Curve, GaussianFit


@dataclass(frozen=True, kw_only=True)
class HoldKnown:
    """A voltage hold as far as it is known."""

    hold: Hold
    crystal: Crystal
    voltage_v: float | None = None
    planned_s: float | None = None
    began_s: float
    ended_s: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanKnown:
    """A rocking scan as far as it is known."""

    scan: Scan
    began_s: float
    crystal: Crystal | None = None
    hold: Hold | None = None
    frames_expected: int = 0
    frame_time_s: float | None = None
    window_revision: int = -1
    window: Window | None = None
    mask: NDArray[np.uint32] | None = None
    saturation_counts: int | None = None
    curve: Curve = EMPTY
    fit: GaussianFit | None = None
    newest: Frame | None = None
    brightest: Frame | None = None
    newest_view: FrameView | None = None
    brightest_view: FrameView | None = None
    last_frame_s: float | None = None
    ended_s: float | None = None
    status: Completion | None = None
    missing: tuple[int, ...] = ()
    job: JobProgress | None = None
    job_s: float = 0.0
    forecast: ForecastScored | None = None
    """How the newest volume that could be scored was borne out."""
    deadline: Deadline | None = None
    """Whether its refined volume can be in time, if anything was said of that."""
    deadline_s: float = 0.0
    advice: tuple[Advice, ...] = ()
    """The newest of each kind."""
    frames_used: int = 0
    """Of the volume that used most; a viewer that came late may not have the frames themselves."""
    volume_s: tuple[float, ...] = ()
    """When the last two volumes were published."""


@dataclass(frozen=True)
class PictureKnown:
    """A volume's picture and when the volume was published."""

    picture: Picture
    published_s: float


@dataclass(frozen=True)
class LinkKnown:
    """How the connection to one service is."""

    address: str
    heard_s: float | None = None
    """When it was last heard; None if never."""
    lost: int = 0
    """Messages that could not be had again."""
    problem: str = ""
    """What keeps the stream from being read, or ""."""


@dataclass(frozen=True)
class State:
    """All that is known, by identity."""

    holds: Mapping[Hold, HoldKnown] = field(default_factory=dict)
    scans: Mapping[Scan, ScanKnown] = field(default_factory=dict)
    pictures: Mapping[Slot, PictureKnown] = field(default_factory=dict)
    links: Mapping[str, LinkKnown] = field(default_factory=dict)
    notices: tuple[tuple[float, Notice], ...] = ()

    def newest_scan(self) -> ScanKnown | None:
        """The scan that began last."""
        return max(self.scans.values(), key=lambda scan: scan.began_s, default=None)

    def newest_hold(self) -> HoldKnown | None:
        """The hold that began last."""
        return max(self.holds.values(), key=lambda hold: hold.began_s, default=None)
