"""What a detector told, whatever its dialect: a series started, a frame, a series ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import Crystal, Geometry, Hold, Scan
from streamer.detectors.packed import Packed


class SenderNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What a sender of ours adds to a start message (`user_data["bragglive"]`); all of it is optional."""

    geometry: Geometry | None = None
    crystal: Crystal | None = None
    hold: Hold | None = None
    voltage_v: float | None = None
    planned_s: float | None = None
    angles_deg: tuple[float, ...] = ()
    """Rocking angle of each frame, in place of the goniometer's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channel:
    """What a start message says about one energy threshold of the detector."""

    mask: NDArray[np.uint32] | None = None
    """(row, column), 0 = trusted"""
    flat_field: NDArray[np.float32] | None = None
    """(row, column), relative response; None when there is none or the detector has already applied it"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesStarted:
    """A detector began a series of frames. None is "not told"; `remarks` says what was told but unusable."""

    series: Scan
    frames_expected: int
    """0 if the start was missed and this was made from a frame"""
    shape: tuple[int, int]
    """(rows, columns) of the full detector image"""
    dtype: np.dtype[Any] | None = None
    """Of the pixels, without regard to byte order."""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    energy_kev: float | None = None
    pixel_um: tuple[float, float] | None = None
    """(height, width)"""
    beam_centre_px: tuple[float, float] | None = None
    """(row, column)"""
    distance_mm: float | None = None
    count_time_s: float | None = None
    frame_time_s: float | None = None
    saturation_counts: int | None = None
    goniometer: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Axis → (start, increment) in degrees"""
    started_at: str = ""
    """The detector's own date, as given."""
    detector: str = ""
    notes: SenderNotes = field(default_factory=SenderNotes)
    remarks: tuple[str, ...] = ()

    @property
    def rocking_axis(self) -> str | None:
        """The goniometer axis that moves most from frame to frame; None if none does."""
        moving = {axis: abs(increment) for axis, (_, increment) in self.goniometer.items() if increment}
        return max(moving, key=moving.__getitem__) if moving else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One exposure: its place in the series and its channels, still packed."""

    series: Scan
    index: int
    channels: Mapping[str, Packed]
    angle_deg: float | None = None
    """Rocking angle, where the sender put it with the frame"""
    monitor: float | None = None
    """Incident intensity relative to the scan's nominal one, likewise"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesEnded:
    """The detector has sent all it will send of this series."""

    series: Scan


Record: TypeAlias = SeriesStarted | Frame | SeriesEnded


def without_start(frame: Frame) -> SeriesStarted:
    """What can be known of a series from one of its frames."""
    packed = next(iter(frame.channels.values()))
    return SeriesStarted(
        series=frame.series,
        frames_expected=0,
        shape=packed.shape,
        dtype=packed.dtype,
        channels={},
    )
