"""A scan that was closed, as one value: what an archive is written from."""

from __future__ import annotations

from dataclasses import dataclass

from contract.messages import HoldStarted, RegionChosen, ScanEnded, ScanStarted
from streamer.detectors.records import SeriesStarted
from streamer.rocking_curve import RockingCurve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """All there is to say about a scan that was closed."""

    started: ScanStarted
    ended: ScanEnded
    series: SeriesStarted
    curve: RockingCurve
    channel: str
    angles_deg: tuple[float, ...]
    """One an index of the curve, missing frames included; NaN where it is not known"""
    hold: HoldStarted | None = None
    rocking_axis: str | None = None
    region: RegionChosen | None = None
    """How its window was chosen; None: by the settings"""
