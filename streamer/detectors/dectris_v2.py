"""DECTRIS Stream V2: CBOR messages of one part from a detector control unit (PUSH, customary port 31001).

Source: dectris/documentation, `stream_v2/` and `cbor/`. A message begins with the self-described tag (bytes
d9 d9 f7) and is a map whose `type` is start, image or end. Unknown fields are ignored, as Jungfraujoch adds
some. What a frame cannot do without must be right, or the message is refused; what is only said beside it
(energy, mask, goniometer) and cannot be read is left out and named in the record's `remarks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import Scan
from streamer.detectors import cbor
from streamer.detectors import packed as packing
from streamer.detectors.cbor import Tagged
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.fields import Fields
from streamer.detectors.records import Channel, Frame, Record, SenderNotes, SeriesEnded, SeriesStarted
from streamer.detectors.typed_array import packed as packed_array

SELF_DESCRIBED = b"\xd9\xd9\xf7"
DATE_TIME = 0
COUNT_DTYPES = ("uint8", "uint16", "uint32")
LARGEST_COUNT_BYTES = 4
MAX_CHANNELS = 8
MAX_NOTES_BYTES = 16384
MAX_FRAMES = 100_000
"""Frames a series may have."""


def read(parts: Sequence[memoryview]) -> Record:
    """The record in one received message: exactly one part. Nothing of a frame is decompressed."""
    fields = _fields(parts)
    if fields.kind == "image":
        return _image(fields)
    if fields.kind == "start":
        return _start(fields)
    return SeriesEnded(series=_series(fields))


def agree(frame: Frame, series: SeriesStarted) -> None:
    """Raise `DecodeError` unless `frame` has the number, sizes and dtype that `series` announced."""
    if 0 < series.frames_expected <= frame.index:
        raise DecodeError("series", f"frame {frame.index} came in a series of {series.frames_expected} frames")
    for name, packed in frame.channels.items():
        if packed.shape != series.shape:
            raise DecodeError("size", f"frame {frame.index}, {name}: shape {packed.shape}, announced {series.shape}")
        if not _alike(packed.dtype, series.dtype):
            raise DecodeError(
                "size", f"frame {frame.index}, {name}: {packed.dtype.name} pixels, announced {series.dtype}"
            )


def _alike(found: np.dtype[Any], announced: np.dtype[Any] | None) -> bool:
    """Whether a dtype is the announced one, if any was, in whatever byte order."""
    return announced is None or found == announced or found.newbyteorder("=") == announced


def pixels(frame: Frame, channel: str, row0: int, row1: int) -> NDArray[Any]:
    """Counts of rows `row0` ≤ r < `row1` of one channel: (row, column), the dtype as sent."""
    return packing.rows(frame.channels[channel], row0, row1)


def _fields(parts: Sequence[memoryview]) -> Fields:
    if len(parts) != 1:
        raise DecodeError("garbage", f"a Stream V2 message has one part, this has {len(parts)}")
    message = parts[0]
    if bytes(message[:3]) != SELF_DESCRIBED:
        raise DecodeError("garbage", f"a message begins with {bytes(message[:3]).hex() or 'nothing'}, wanted d9d9f7")
    try:
        content = cbor.read(message[3:])
    except cbor.CborError as error:
        raise DecodeError("decode", f"not CBOR: {error}") from error
    kind = content.get("type") if isinstance(content, dict) else None
    if kind not in ("start", "image", "end"):
        raise DecodeError("garbage", f"a message of type {repr(kind)[:40]}, wanted start, image or end")
    return Fields(kind, content)


def _series(fields: Fields) -> Scan:
    return Scan(fields.text("series_unique_id", 1, 200))


def _image(fields: Fields) -> Frame:
    index = fields.whole("image_id", 0, MAX_FRAMES - 1)
    data = fields.mapping("data")
    if not 1 <= len(_names(list(data))) <= MAX_CHANNELS:
        raise DecodeError("decode", f"image {index} has {len(data)} channels, wanted 1 to {MAX_CHANNELS}")
    channels = {name: packed_array(value, f"image {index}, {name}") for name, value in data.items()}
    for name, packed in channels.items():
        if packed.dtype.kind != "u" or packed.dtype.itemsize > LARGEST_COUNT_BYTES:
            raise DecodeError(
                "decode", f"image {index}, {name}: {packed.dtype.name} pixels, wanted {', '.join(COUNT_DTYPES)}"
            )
    user = _ours(fields)
    return Frame(
        series=_series(fields),
        index=index,
        channels=channels,
        angle_deg=user.optional("angle_deg", user.number),
        monitor=user.optional("monitor", user.number),
    )


def _start(fields: Fields) -> SeriesStarted:
    shape = (fields.whole("image_size_y", 1, packing.MAX_PIXELS), fields.whole("image_size_x", 1, packing.MAX_PIXELS))
    if shape[0] * shape[1] > packing.MAX_PIXELS:
        raise DecodeError("size", f"a series announces images of {shape} pixels, wanted at most {packing.MAX_PIXELS}")
    user = _ours(fields)
    channels = _channels(fields, user, shape)
    goniometer = fields.optional("goniometer", lambda name: _goniometer(fields.mapping(name)))
    notes = user.remarked(lambda: _notes(user))
    return SeriesStarted(
        series=_series(fields),
        frames_expected=fields.whole("number_of_images", 1, MAX_FRAMES),
        shape=shape,
        dtype=_dtype(fields),
        channels=channels,
        energy_kev=_positive(fields, "incident_energy", 1e-3),
        pixel_um=_both(_positive(fields, "pixel_size_y", 1e6), _positive(fields, "pixel_size_x", 1e6)),
        beam_centre_px=_both(*(fields.optional(name, fields.number) for name in ("beam_center_y", "beam_center_x"))),
        distance_mm=fields.optional("detector_translation", lambda name: _distance_mm(fields.content[name])),
        count_time_s=_positive(fields, "count_time"),
        frame_time_s=_positive(fields, "frame_time"),
        saturation_counts=fields.optional("saturation_value", lambda name: fields.whole(name, 1, 2**32 - 1)),
        goniometer=goniometer or {},
        started_at=fields.optional("arm_date", lambda name: _date(fields.content[name])) or "",
        detector=fields.optional("detector_description", lambda name: fields.text(name, 0, 200)) or "",
        notes=notes or SenderNotes(),
        remarks=tuple(fields.remarks + user.remarks),
    )


def _dtype(fields: Fields) -> np.dtype[Any] | None:
    """Announced since 2023; before that a frame's own dtype is all there is."""
    if "image_dtype" not in fields.content:
        return None
    name = fields.text("image_dtype", 1, 20)
    if name not in COUNT_DTYPES:
        raise DecodeError("decode", f"a series announces {name} pixels, wanted {', '.join(COUNT_DTYPES)}")
    return np.dtype(name)


def _positive(fields: Fields, name: str, factor: float = 1.0) -> float | None:
    """A number in our units; None where it is not told, and zero is how control units say so."""
    value = fields.optional(name, fields.number)
    return None if value is None or value <= 0.0 else value * factor


def _both(first: float | None, second: float | None) -> tuple[float, float] | None:
    return None if first is None or second is None else (first, second)


def _distance_mm(value: Any) -> float | None:
    """Length of the translation from sample to detector, given in metres; None where it is all zeros."""
    if not isinstance(value, list) or len(value) != 3 or not all(type(part) in (int, float) for part in value):
        raise DecodeError("decode", "start: detector_translation is not a list of three numbers")
    length = sum(float(part) ** 2 for part in value if abs(part) < 1e6) ** 0.5
    return length * 1e3 if length > 0.0 else None


def _goniometer(axes: dict[str, Any]) -> dict[str, tuple[float, float]]:
    found = {}
    for axis, content in zip(_names(list(axes)), axes.values(), strict=True):
        part = Fields(f"goniometer axis {axis}", content if isinstance(content, dict) else {})
        found[axis] = (part.number("start"), part.number("increment"))
    return found


def _date(value: Any) -> str:
    text = value.value if isinstance(value, Tagged) and value.tag == DATE_TIME else value
    if not isinstance(text, str) or len(text) > 64:
        raise DecodeError("decode", "start: arm_date is not a date in text of at most 64 characters")
    return text


def _ours(fields: Fields) -> Fields:
    """What a sender of ours put into `user_data`: under the key "bragglive", or at its top."""
    content = fields.content.get("user_data")
    content = content if isinstance(content, dict) else {}
    inner = content.get("bragglive", content)
    return Fields("user_data", inner if isinstance(inner, dict) else {})


def _notes(user: Fields) -> SenderNotes:
    known = {name: user.content[name] for name in SenderNotes.__struct_fields__ if name in user.content}
    try:
        notes = msgspec.convert(known, SenderNotes)
    except msgspec.ValidationError as error:
        raise DecodeError("decode", f"user_data of the start message: {error}") from error
    spoken = msgspec.structs.replace(notes, angles_deg=())
    size = len(msgspec.msgpack.encode(spoken))
    if size > MAX_NOTES_BYTES:
        raise DecodeError("size", f"user_data of the start message has {size} bytes, wanted at most {MAX_NOTES_BYTES}")
    return notes


def _channels(fields: Fields, user: Fields, shape: tuple[int, int]) -> dict[str, Channel]:
    """Mask and flat field of each channel. A flat field that the detector has applied is none of ours."""
    masks = fields.optional("pixel_mask", fields.mapping) or {}
    applied = fields.content.get("flatfield_enabled") is True
    flats = {} if applied else fields.optional("flatfield", fields.mapping) or {}
    listed = fields.optional("channels", lambda name: _names(fields.content[name])) or ()
    found = {}
    for channel in _names(list(dict.fromkeys((*listed, *masks, *flats))))[:MAX_CHANNELS]:
        flat = flats.get(channel, user.content.get("flat_field"))
        found[channel] = Channel(
            mask=_beside(fields, masks.get(channel), shape, "<u4", f"pixel_mask of {channel}"),
            flat_field=_beside(fields, flat, shape, "<f4", f"flatfield of {channel}"),
        )
    return found


def _names(value: Any) -> tuple[str, ...]:
    """Names of channels or axes: short, because they go into messages, logs and files."""
    if not isinstance(value, list) or not all(isinstance(name, str) and len(name) <= 40 for name in value):
        raise DecodeError("decode", "names of channels or axes are not all texts of at most 40 characters")
    return tuple(value)


def _beside(fields: Fields, value: Any, shape: tuple[int, int], dtype: str, name: str) -> NDArray[Any] | None:
    """The array that comes beside the images, of their shape; None, with a remark, if it cannot be read."""
    if value is None:
        return None

    def unpack() -> NDArray[Any]:
        packed = packed_array(value, name)
        if packed.shape != shape:
            raise DecodeError("size", f"{name}: its shape is {packed.shape}, the images have {shape}")
        if not np.can_cast(packed.dtype, dtype, "same_kind"):
            raise DecodeError("decode", f"{name}: its dtype is {packed.dtype.name}, wanted one like {dtype}")
        with np.errstate(all="ignore"):  # what a smaller float cannot hold becomes infinite, and is masked later
            return packing.rows(packed, 0, shape[0]).astype(dtype)

    return fields.remarked(unpack)
