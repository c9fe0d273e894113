"""DECTRIS Stream V2 (CBOR) as a detector control unit writes it: start, image and end messages as bytes.

Source: dectris/documentation, `stream_v2/` and `cbor/`. Every message begins with the self-described tag
(bytes d9 d9 f7); arrays are tag 40 [[rows, columns], typed array]; pixels are the little-endian typed-array
tags 64 / 69 / 70, compressed inside by tag 56500 ["bslz4", element size, bytes].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bitshuffle
import cbor2
import msgspec
import numpy as np
from numpy.typing import NDArray

SELF_DESCRIBED = 55799
MULTI_DIM_ROW_MAJOR = 40
DECTRIS_COMPRESSION = 56500
DATE_TIME = 0
TYPED_ARRAY_TAGS = {"|u1": 64, "<u2": 69, "<u4": 70, "<f4": 85}
BLOCK_BYTES = 8192
CLOCK_HZ = 50_000_000
"""Rate of the detector's clock: the denominator of all its times."""
KEV_ANGSTROM = 12.398419843


class Goniometer(msgspec.Struct, frozen=True, kw_only=True):
    """One axis of the goniometer map: angle of frame i = `start` + i · `increment`, degrees."""

    start: float
    increment: float


class SeriesStart(msgspec.Struct, frozen=True, kw_only=True):
    """What a start message says of the series of images to come."""

    series_id: int
    series_unique_id: str
    number_of_images: int
    image_shape: tuple[int, int]
    """(rows, columns)"""
    image_dtype: str = "uint32"
    channel: str = "threshold_1"
    energy_kev: float
    pixel_um: tuple[float, float]
    """Height and width of a pixel."""
    distance_mm: float
    beam_centre_px: tuple[float, float]
    """(row, column)"""
    frame_time_s: float
    count_time_s: float
    saturation_value: int
    goniometer: Mapping[str, Goniometer]
    arm_date: str
    """RFC 3339"""
    detector_description: str = "bragglive simulator"
    detector_serial_number: str = "S-0"
    user_data: Any = None


def encode_start(
    start: SeriesStart, pixel_mask: NDArray[np.uint32] | None = None, flat_field: NDArray[np.float32] | None = None
) -> bytes:
    """The start message, with `pixel_mask` (0 = good) and `flat_field`, both (row, column), if they are given."""
    message = _start_map(start)
    if pixel_mask is not None:
        message["pixel_mask"] = {start.channel: _multi_dim(pixel_mask.astype("<u4", copy=False))}
    if flat_field is not None:
        message["flatfield"] = {start.channel: _multi_dim(flat_field.astype("<f4", copy=False))}
    return _dump(message)


def _start_map(start: SeriesStart) -> dict[str, Any]:
    return {
        "type": "start",
        "arm_date": cbor2.CBORTag(DATE_TIME, start.arm_date),
        "beam_center_x": start.beam_centre_px[1],
        "beam_center_y": start.beam_centre_px[0],
        "channels": [start.channel],
        "count_time": start.count_time_s,
        "countrate_correction_enabled": False,
        "detector_description": start.detector_description,
        "detector_serial_number": start.detector_serial_number,
        "detector_translation": [0.0, 0.0, start.distance_mm * 1e-3],
        "flatfield_enabled": False,
        "frame_time": start.frame_time_s,
        "goniometer": {axis: {"start": g.start, "increment": g.increment} for axis, g in start.goniometer.items()},
        "image_dtype": start.image_dtype,
        "image_size_x": start.image_shape[1],
        "image_size_y": start.image_shape[0],
        "incident_energy": start.energy_kev * 1e3,
        "incident_wavelength": KEV_ANGSTROM / start.energy_kev,
        "number_of_images": start.number_of_images,
        "pixel_mask_enabled": False,
        "pixel_size_x": start.pixel_um[1] * 1e-6,
        "pixel_size_y": start.pixel_um[0] * 1e-6,
        "saturation_value": start.saturation_value,
        "sensor_material": "Si",
        "sensor_thickness": 0.0005,
        "series_id": start.series_id,
        "series_unique_id": start.series_unique_id,
        "threshold_energy": {start.channel: start.energy_kev * 500.0},
        "user_data": start.user_data,
        "virtual_pixel_interpolation_enabled": False,
    }


def encode_image(
    start: SeriesStart, image_id: int, counts: NDArray[Any], user_data: Any = None, compress: bool = True
) -> bytes:
    """Image `image_id` (from 0): `counts` (row, column) are cast to the series' dtype, which must hold them."""
    if counts.shape != start.image_shape:
        raise ValueError(f"image {image_id} has shape {counts.shape}, its series has {start.image_shape}")
    dtype = np.dtype(start.image_dtype).newbyteorder("<")
    largest = int(counts.max(initial=0))
    if largest > np.iinfo(dtype).max:
        raise ValueError(f"image {image_id} has {largest} counts in a pixel, {dtype.name} holds {np.iinfo(dtype).max}")
    begin = round(image_id * start.frame_time_s * CLOCK_HZ)
    message = {
        "type": "image",
        "series_id": start.series_id,
        "series_unique_id": start.series_unique_id,
        "image_id": image_id,
        "data": {start.channel: _multi_dim(counts.astype(dtype, copy=False), compress)},
        "real_time": [round(start.count_time_s * CLOCK_HZ), CLOCK_HZ],
        "series_date": cbor2.CBORTag(DATE_TIME, start.arm_date),
        "start_time": [begin, CLOCK_HZ],
        "stop_time": [begin + round(start.count_time_s * CLOCK_HZ), CLOCK_HZ],
        "user_data": user_data,
    }
    return _dump(message)


def encode_end(start: SeriesStart) -> bytes:
    """The message that closes a series."""
    return _dump({"type": "end", "series_id": start.series_id, "series_unique_id": start.series_unique_id})


def bslz4(array: NDArray[Any]) -> bytes:
    """`array` compressed in the HDF5 bitshuffle framing: 8-byte size and 4-byte block size, big-endian, then blocks."""
    block = BLOCK_BYTES // array.itemsize
    header = array.nbytes.to_bytes(8, "big") + BLOCK_BYTES.to_bytes(4, "big")
    compressed: NDArray[np.uint8] = bitshuffle.compress_lz4(np.ascontiguousarray(array), block)
    return header + compressed.tobytes()


def _multi_dim(array: NDArray[Any], compress: bool = False) -> cbor2.CBORTag:
    tag = TYPED_ARRAY_TAGS.get(array.dtype.str)
    if tag is None:
        raise ValueError(f"no typed-array tag for dtype {array.dtype.str}, only for {', '.join(TYPED_ARRAY_TAGS)}")
    content: Any = np.ascontiguousarray(array).tobytes()
    if compress:
        content = cbor2.CBORTag(DECTRIS_COMPRESSION, ["bslz4", array.itemsize, bslz4(array)])
    return cbor2.CBORTag(MULTI_DIM_ROW_MAJOR, [list(array.shape), cbor2.CBORTag(tag, content)])


def _dump(message: dict[str, Any]) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, message))
