"""What can be set of the streamer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import BeforeValidator, Field, InstanceOf, field_validator, model_validator

from contract.messages import Geometry, Window
from contract.settings import ServiceSettings
from contract.stream import Addresses
from streamer.ingest import Policy
from streamer.open_scan import Rules
from streamer.region import Follow
from streamer.rocking_curve import Waits

SECTION = "streamer"
LEAST_FOLLOW_PX = 16
"""A peak is looked for in boxes of this size."""


def _geometry(value: Any) -> Any:
    """A table as a `Geometry`. ValueError: what is missing or wrong in it."""
    if not isinstance(value, Mapping):
        return value
    try:
        return msgspec.convert(dict(value), Geometry)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


class StreamerSettings(ServiceSettings):
    """Settings of `bragglive streamer`; section [streamer], environment BRAGGLIVE_STREAMER_…"""

    metrics_port: int = Field(default=5612, ge=0, le=65535)
    detectors: tuple[str, ...] = Field(default=("tcp://127.0.0.1:31001",), min_length=1)
    """Addresses of the detectors' PUSH sockets; each is a source of its own."""
    dialect: Literal["dectris-stream-v2"] = "dectris-stream-v2"
    live: str = "tcp://127.0.0.1:5610"
    """Where scans are published."""
    control: str = "tcp://127.0.0.1:5611"
    """Where snapshot and replay are asked for, and holds told."""
    folder: Path = Path("data")
    """Archives go to its folder `scans`, journals to `journal`."""
    channel: str | None = None
    """Energy threshold to use, e.g. "threshold_1"; None for the first one announced. All are archived."""
    window: tuple[int, int, int, int] | None = None
    """Region of interest: first row, first column, rows, columns. None for the full image."""
    follow: tuple[int, int] | None = None
    """Rows and columns of windows that follow each crystal's Bragg peak from scan to scan; until a crystal's peak is
    found for the first time, `window` is used. None: no window moves by itself."""
    follow_margin_px: int | None = Field(default=None, ge=0)
    """Kept between peak and window's edges, else the window is laid anew. None for 3/8 of the window."""
    geometry: Annotated[InstanceOf[Geometry], BeforeValidator(_geometry)] | None = None
    """Used where the detector's user_data brings none; the fields of `contract.messages.Geometry`."""
    angle_start_deg: float | None = None
    """Rocking angle of frame 0, used with `angle_step_deg` where neither goniometer nor user_data tells."""
    angle_step_deg: float | None = None
    stall_s: float = Field(default=30.0, gt=0)
    """A scan without its end is closed when nothing came for this long."""
    grace_s: float = Field(default=2.0, ge=0)
    """How long frames that the end marker overtook are waited for."""
    block_frames: int = Field(default=8, ge=1, le=1000)
    """Frames are published together, at most this many,"""
    block_s: float = Field(default=0.25, ge=0)
    """and not later than this after the first of them came."""
    max_message_bytes: int = Field(default=64 << 20, ge=1 << 16)
    """A larger message from a detector is refused."""
    high_water_frames: int = Field(default=64, ge=1)
    """Frames that ZeroMQ may hold for each detector; lost, and listed as missing, when the process is killed."""
    queue_frames: int = Field(default=256, ge=1)
    """Messages that may wait between receiving and journal,"""
    queue_bytes: int = Field(default=512 << 20, ge=1 << 20)
    """and their size together. When it is full the detector has to wait."""
    commit_frames: int = Field(default=32, ge=1, le=1000)
    """Frames that are made durable in one commit at most: of one scan, and those that came during the last commit."""
    unwritten_bytes: int = Field(default=1 << 30, ge=0)
    """What may be kept in memory while the journal cannot be written; lost if the process ends meanwhile."""
    detector_curve: bool = False
    """The detectors' sockets demand CURVE, as a relay may; then the three curve_ settings are used for them too."""
    unconfirmed_scans: int = Field(default=8, ge=1)
    """Closed scans kept in memory for a reconstructor that has not confirmed them; older ones are on disk only."""
    keep_journals: bool = False
    """Never delete a journal, however little room is left."""
    keep_free_bytes: int = Field(default=20 << 30, ge=0)
    """Journals of archived and confirmed scans go, oldest first, when less than this is free on their disk."""

    @field_validator("window")
    @classmethod
    def _sensible(cls, window: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
        if window is not None and min(window[:2]) < 0:
            raise ValueError("wanted a window that begins not before the first row and column")
        if window is not None and min(window[2:]) < 1:
            raise ValueError("wanted a window of at least one row and one column")
        return window

    @field_validator("follow")
    @classmethod
    def _large_enough(cls, follow: tuple[int, int] | None) -> tuple[int, int] | None:
        if follow is not None and min(follow) < LEAST_FOLLOW_PX:
            raise ValueError(f"wanted windows of at least {LEAST_FOLLOW_PX} rows and columns")
        return follow

    @model_validator(mode="after")
    def _keys_for_detectors(self) -> Self:
        if self.detector_curve and self.curve_own_key is None:
            raise ValueError("detector_curve is on, wanted the three curve_ settings with it")
        return self

    @model_validator(mode="after")
    def _both_angles(self) -> Self:
        if (self.angle_start_deg is None) != (self.angle_step_deg is None):
            raise ValueError("wanted angle_start_deg and angle_step_deg, or neither")
        return self

    @property
    def addresses(self) -> Addresses:
        """The stream of scans."""
        return Addresses(live=self.live, control=self.control)

    @property
    def journal_folder(self) -> Path:
        """Where the journals are."""
        return self.folder / "journal"

    def policy(self) -> Policy:
        """What these settings mean for ingest."""
        window = self.window
        rules = Rules(
            waits=Waits(stall_s=self.stall_s, grace_s=self.grace_s),
            block_frames=self.block_frames,
            block_s=self.block_s,
            window=None if window is None else Window(**dict(zip(Window.__struct_fields__, window, strict=True))),
            follow=None if self.follow is None else Follow(*self.follow, self.follow_margin_px),
            geometry=self.geometry,
            channel=self.channel,
            angle_start_deg=self.angle_start_deg,
            angle_step_deg=self.angle_step_deg,
        )
        return Policy(
            dialect=self.dialect,
            rules=rules,
            archive_folder=self.folder / "scans",
            unconfirmed_scans=self.unconfirmed_scans,
        )
