"""The bytes of `streamer.simulator.dectris_v2`, read back with plain cbor2 and bitshuffle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bitshuffle
import cbor2
import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.simulator.dectris_v2 import Goniometer, SeriesStart, bslz4, encode_end, encode_image, encode_start


def series(dtype: str = "uint32", shape: tuple[int, int] = (48, 40)) -> SeriesStart:
    return SeriesStart(
        series_id=7,
        series_unique_id="01JABC",
        number_of_images=3,
        image_shape=shape,
        image_dtype=dtype,
        energy_kev=11.0,
        pixel_um=(220.0, 110.0),
        distance_mm=2900.0,
        beam_centre_px=(24.0, 20.5),
        frame_time_s=0.1,
        count_time_s=0.09,
        saturation_value=60_000,
        goniometer={"omega": Goniometer(start=6.34, increment=0.005)},
        arm_date="2026-11-23T03:15:00.000Z",
        user_data={"bragglive": {"crystal": "IV"}},
    )


def loads(message: bytes) -> dict[str, Any]:
    assert message[:3] == b"\xd9\xd9\xf7"
    loaded: dict[str, Any] = cbor2.loads(message[3:])
    return loaded


def pixels(multi_dim: cbor2.CBORTag, tag: int, dtype: str) -> NDArray[Any]:
    """Undo tags 40, `tag` and 56500 by hand, checking each."""
    assert multi_dim.tag == 40
    dims, typed = multi_dim.value
    assert typed.tag == tag
    if isinstance(typed.value, bytes):
        return np.frombuffer(typed.value, dtype).reshape(dims)
    assert typed.value.tag == 56500
    algorithm, itemsize, data = typed.value.value
    assert (algorithm, itemsize) == ("bslz4", np.dtype(dtype).itemsize)
    assert int.from_bytes(data[:8], "big") == np.prod(dims) * itemsize
    block = int.from_bytes(data[8:12], "big") // itemsize
    out: NDArray[Any] = bitshuffle.decompress_lz4(
        np.frombuffer(data, np.uint8, offset=12), tuple(dims), np.dtype(dtype), block
    )
    return out


@pytest.mark.parametrize(("name", "dtype", "tag"), [("uint8", "<u1", 64), ("uint16", "<u2", 69), ("uint32", "<u4", 70)])
def test_image_bytes_give_back_the_pixels(name: str, dtype: str, tag: int) -> None:
    """Every pixel type comes back as it went in, whatever the number of LZ4 blocks."""
    for shape in ((48, 40), (257, 131)):
        counts = np.random.default_rng(1).poisson(3.0, shape).astype(name)
        image = loads(encode_image(series(name, shape), 2, counts, user_data={"monitor": 1.01}))
        assert image["type"] == "image"
        assert image["image_id"] == 2
        assert image["series_unique_id"] == "01JABC"
        assert image["user_data"] == {"monitor": 1.01}
        assert image["start_time"] == [10_000_000, 50_000_000]
        np.testing.assert_array_equal(pixels(image["data"]["threshold_1"], tag, dtype), counts)


def test_uncompressed_image_is_an_ordinary_typed_array() -> None:
    """Without compression the typed array holds the plain little-endian bytes."""
    counts = np.arange(48 * 40, dtype=np.uint32).reshape(48, 40)
    image = loads(encode_image(series(), 0, counts, compress=False))
    np.testing.assert_array_equal(pixels(image["data"]["threshold_1"], 70, "<u4"), counts)


def test_start_tells_geometry_and_mask() -> None:
    """The start message carries sizes, energy, goniometer, pixel mask and user data in the units DECTRIS uses."""
    mask = np.zeros((48, 40), np.uint32)
    mask[3, 4] = 1
    start = loads(encode_start(series(), mask, np.full((48, 40), 1.5, np.float32)))
    assert start["type"] == "start"
    assert (start["image_size_y"], start["image_size_x"]) == (48, 40)
    assert (start["pixel_size_y"], start["pixel_size_x"]) == pytest.approx((220e-6, 110e-6))
    assert start["incident_energy"] == 11_000.0
    assert start["incident_wavelength"] == pytest.approx(1.12713, abs=1e-5)
    assert start["goniometer"] == {"omega": {"start": 6.34, "increment": 0.005}}
    assert start["user_data"] == {"bragglive": {"crystal": "IV"}}
    assert start["number_of_images"] == 3
    np.testing.assert_array_equal(pixels(start["pixel_mask"]["threshold_1"], 70, "<u4"), mask)
    assert pixels(start["flatfield"]["threshold_1"], 85, "<f4")[0, 0] == 1.5


def test_end_names_its_series() -> None:
    """The end message holds the two names of the series and nothing else."""
    assert loads(encode_end(series())) == {"type": "end", "series_id": 7, "series_unique_id": "01JABC"}


def test_counts_beyond_the_pixel_type_are_refused() -> None:
    """An image that its series' dtype cannot hold, or of another shape, raises instead of wrapping round."""
    with pytest.raises(ValueError, match="70000 counts"):
        encode_image(series("uint16"), 0, np.full((48, 40), 70_000))
    with pytest.raises(ValueError, match=r"shape \(4, 4\)"):
        encode_image(series(), 0, np.zeros((4, 4), np.uint32))


def test_bslz4_equals_what_hdf5_stores(tmp_path: Path) -> None:
    """Our framing is byte for byte what the HDF5 bitshuffle filter writes for the same chunk."""
    counts = np.random.default_rng(2).poisson(0.3, (64, 64)).astype("<u4")
    with h5py.File(tmp_path / "chunk.h5", "w") as file:
        stored = file.create_dataset("c", data=counts, chunks=(64, 64), **hdf5plugin.Bitshuffle(cname="lz4"))
        assert stored.id.read_direct_chunk((0, 0))[1] == bslz4(counts)
