"""A rocking scan ready to be sent: the messages of one Stream V2 series, and the hold it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import Crystal, Geometry, Hold
from streamer.simulator.dectris_v2 import Goniometer, SeriesStart, encode_end, encode_image, encode_start
from streamer.simulator.faults import Outgoing

ROCKING_CIRCLE = "omega"
"""Name of the rocking axis in the goniometer map; DECTRIS knows chi, kappa, omega, phi, two_theta."""


@dataclass(frozen=True, kw_only=True)
class HoldPlan:
    """A voltage hold during which a scan is measured."""

    hold: Hold
    crystal: Crystal
    voltage_v: float | None
    planned_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanToSend:
    """One rocking scan: what its messages say."""

    name: str
    number: int
    image: Callable[[int], NDArray[Any]]
    """Counts (row, column) of a frame"""
    shape: tuple[int, int]
    dtype: str = "uint32"
    angles_deg: NDArray[np.float64]
    monitor: NDArray[np.float64]
    geometry: Geometry
    crystal: Crystal | None
    hold: HoldPlan | None
    """None: nobody says which hold it is"""
    frame_time_s: float
    count_time_s: float
    saturation: int
    arm_date: str
    mask: NDArray[np.uint32] | None = None
    flat_field: NDArray[np.float32] | None = None
    missing: tuple[int, ...] = ()
    """Frames there are no counts of; they are not sent"""


def messages(scan: ScanToSend) -> Iterator[Outgoing]:
    """Start, every image there is, end; each is encoded when it is asked for."""
    start = series_start(scan)
    yield Outgoing("start", None, encode_start(start, scan.mask, scan.flat_field))
    absent = set(scan.missing)
    for index in range(len(scan.angles_deg)):
        if index not in absent:
            beside = {"angle_deg": float(scan.angles_deg[index]), "monitor": float(scan.monitor[index])}
            yield Outgoing("image", index, encode_image(start, index, scan.image(index), {"bragglive": beside}))
    yield Outgoing("end", None, encode_end(start))


def series_start(scan: ScanToSend) -> SeriesStart:
    """What the start message says, our own notes in `user_data["bragglive"]`."""
    angles, geometry = scan.angles_deg, scan.geometry
    increment = float(angles[-1] - angles[0]) / (len(angles) - 1)
    notes: dict[str, Any] = {"geometry": msgspec.to_builtins(geometry)}
    if scan.crystal is not None:
        notes["crystal"] = scan.crystal
    if scan.hold is not None:
        notes |= {"hold": scan.hold.hold, "voltage_v": scan.hold.voltage_v, "planned_s": scan.hold.planned_s}
    return SeriesStart(
        series_id=scan.number,
        series_unique_id=scan.name,
        number_of_images=len(angles),
        image_shape=scan.shape,
        image_dtype=scan.dtype,
        energy_kev=geometry.energy_kev,
        pixel_um=geometry.pixel_um,
        distance_mm=geometry.distance_mm,
        beam_centre_px=geometry.beam_centre_px,
        frame_time_s=scan.frame_time_s,
        count_time_s=scan.count_time_s,
        saturation_value=scan.saturation,
        goniometer={ROCKING_CIRCLE: Goniometer(start=float(angles[0]), increment=increment)},
        arm_date=scan.arm_date,
        user_data={"bragglive": notes},
    )
