"""A job for the archive process as bytes, and back: msgpack, with messages as the contract has them.

Of the series it carries what an archive tells; the channels that are not used for the curve have no mask in it either.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.codec import decode, encode
from contract.messages import AnyMessage, HoldStarted, RegionChosen, Scan, ScanEnded, ScanStarted
from streamer.archive_job import Job
from streamer.detectors.records import Channel, SeriesStarted
from streamer.finished import Finished
from streamer.rocking_curve import Point, RockingCurve

Plane = tuple[str, tuple[int, int], bytes]
"""dtype, shape (row, column) and bytes of an array"""


class _Series(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector told at the start, as far as an archive tells it."""

    series: str
    frames_expected: int
    shape: tuple[int, int]
    energy_kev: float | None
    pixel_um: tuple[float, float] | None
    beam_centre_px: tuple[float, float] | None
    distance_mm: float | None
    count_time_s: float | None
    frame_time_s: float | None
    saturation_counts: int | None
    goniometer: Mapping[str, tuple[float, float]]
    started_at: str
    detector: str


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    journal: str
    dialect: str
    target: str
    edition: int
    started: tuple[bytes, ...]
    ended: tuple[bytes, ...]
    hold: tuple[bytes, ...]
    series: _Series
    mask: Plane | None
    flat_field: Plane | None
    channel: str
    rocking_axis: str | None
    frames_expected: int
    points: dict[int, Point]
    missing: tuple[int, ...]
    angles_deg: tuple[float, ...]
    region: tuple[bytes, ...] = ()


_DECODER = msgspec.msgpack.Decoder(_Order)
_TOLD = tuple(_Series.__struct_fields__)


def packed(job: Job) -> bytes:
    """The job as bytes."""
    finished, series = job.finished, job.finished.series
    channel = series.channels.get(finished.channel, Channel())
    order = _Order(
        journal=str(job.journal.absolute()),
        dialect=job.dialect,
        target=str(job.target.absolute()),
        edition=job.edition,
        started=_parts(finished.started),
        ended=_parts(finished.ended),
        hold=() if finished.hold is None else _parts(finished.hold),
        series=_Series(**{name: getattr(series, name) for name in _TOLD}),
        mask=_plane(channel.mask),
        flat_field=_plane(channel.flat_field),
        channel=finished.channel,
        rocking_axis=finished.rocking_axis,
        frames_expected=finished.curve.frames_expected,
        points=finished.curve.points,
        missing=finished.curve.missing,
        angles_deg=finished.angles_deg,
        region=() if finished.region is None else _parts(finished.region),
    )
    return msgspec.msgpack.encode(order)


def unpacked(data: bytes) -> Job:
    """The job in these bytes. msgspec.DecodeError, ContractError, ValueError: there is none in them."""
    order = _DECODER.decode(data)
    channel = Channel(mask=_array(order.mask), flat_field=_array(order.flat_field))
    told = {name: getattr(order.series, name) for name in _TOLD if name != "series"}
    finished = Finished(
        started=_message(order.started, ScanStarted),
        ended=_message(order.ended, ScanEnded),
        series=SeriesStarted(series=Scan(order.series.series), channels={order.channel: channel}, **told),
        curve=RockingCurve(order.frames_expected, order.points, order.missing),
        channel=order.channel,
        angles_deg=order.angles_deg,
        hold=_message(order.hold, HoldStarted) if order.hold else None,
        rocking_axis=order.rocking_axis,
        region=_message(order.region, RegionChosen) if order.region else None,
    )
    return Job(finished, Path(order.journal), order.dialect, Path(order.target), order.edition)


def _parts(message: AnyMessage) -> tuple[bytes, ...]:
    return tuple(bytes(part) for part in encode(message))


def _message(parts: tuple[bytes, ...], kind: type[Any]) -> Any:
    message = decode(parts)
    if not isinstance(message, kind):
        raise ValueError(f"an order holds a {type(message).__name__}, wanted a {kind.__name__}")
    return message


def _plane(array: NDArray[Any] | None) -> Plane | None:
    if array is None:
        return None
    return (array.dtype.str, (array.shape[0], array.shape[1]), np.ascontiguousarray(array).tobytes())


def _array(plane: Plane | None) -> NDArray[Any] | None:
    if plane is None:
        return None
    dtype, shape, data = plane
    return np.frombuffer(data, dtype).reshape(shape)
