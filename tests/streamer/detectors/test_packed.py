"""Packed arrays: rows come out the same however they were packed, and impossible claims are refused."""

from __future__ import annotations

import tracemalloc

import h5py
import hdf5plugin
import numpy as np
import pytest

from streamer.detectors import packed as packing
from streamer.detectors.decode_error import DecodeError
from streamer.simulator.dectris_v2 import bslz4

IMAGE = np.random.default_rng(2).poisson(0.5, (61, 47)).astype("<u2")


def lz4() -> bytes:
    """`IMAGE` as HDF5's LZ4 filter writes it."""
    with h5py.File("compress", "w", driver="core", backing_store=False) as memory:
        one = memory.create_dataset("one", data=IMAGE, chunks=IMAGE.shape, **hdf5plugin.LZ4())
        return bytes(one.id.read_direct_chunk((0, 0))[1])


@pytest.mark.parametrize(
    ("compression", "data"),
    [("none", IMAGE.tobytes()), ("bslz4", bslz4(IMAGE)), ("lz4", lz4())],
)
def test_rows_are_the_same_however_packed(compression: str, data: bytes) -> None:
    """Any band of rows equals that band of the image, for all three compressions."""
    packed = packing.pack(IMAGE.shape, IMAGE.dtype, compression, memoryview(data))
    for row0, row1 in ((0, 61), (10, 20), (60, 61)):
        assert np.array_equal(packing.rows(packed, row0, row1), IMAGE[row0:row1])


@pytest.mark.parametrize("shape", [(0, 5), (-1, -5), (1 << 20, 1 << 20)])
def test_impossible_shapes_are_refused(shape: tuple[int, int]) -> None:
    """No image is empty, negative or larger than any detector."""
    with pytest.raises(DecodeError, match="wanted 1 to"):
        packing.pack(shape, np.dtype("u2"), "none", memoryview(b""))


def test_unknown_compressions_and_wrong_lengths_are_refused() -> None:
    """What cannot be unpacked is refused when it comes, not when its pixels are asked for."""
    with pytest.raises(DecodeError, match="'bszstd' is not supported"):
        packing.pack(IMAGE.shape, IMAGE.dtype, "bszstd", memoryview(b""))
    with pytest.raises(DecodeError, match="came in 10 bytes, wanted 5734"):
        packing.pack(IMAGE.shape, IMAGE.dtype, "none", memoryview(bytes(10)))


@pytest.mark.parametrize("compression", ["bslz4", "lz4"])
def test_a_forged_header_allocates_nothing(compression: str) -> None:
    """A dozen bytes that claim a hundred megabytes cost no memory."""
    side = 5000
    header = (side * side * 4).to_bytes(8, "big") + (8192).to_bytes(4, "big")
    tracemalloc.start()
    with pytest.raises(DecodeError, match="cannot hold"):
        packing.pack((side, side), np.dtype("<u4"), compression, memoryview(header))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
