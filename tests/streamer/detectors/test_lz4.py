"""LZ4 in HDF5 framing: the filter's own output is read, damaged output refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detectors import lz4
from streamer.detectors.decode_error import DecodeError


def compress(array: NDArray[np.uint16], block_bytes: int) -> bytes:
    with h5py.File("compress", "w", driver="core", backing_store=False) as memory:
        one = memory.create_dataset("one", data=array, chunks=array.shape, **hdf5plugin.LZ4(nbytes=block_bytes))
        return bytes(one.id.read_direct_chunk((0,))[1])


def counts() -> NDArray[np.uint16]:
    return np.random.default_rng(1).poisson(0.2, 25_001).astype("<u2")


@pytest.mark.parametrize("block_bytes", [0, 8192])
def test_reads_what_the_filter_writes(block_bytes: int) -> None:
    """One block of the whole image, as DECTRIS makes it, and many small ones decode alike."""
    payload = memoryview(compress(counts(), block_bytes))
    lz4.check(payload, counts().nbytes)
    assert np.array_equal(lz4.decompress(payload, np.dtype("<u2"), counts().size), counts())


def test_threads_decode_side_by_side() -> None:
    """A start's masks are unpacked in one thread while another unpacks frames: none gets in the other's way."""
    payload = memoryview(compress(counts(), 8192))

    def decode(_: int) -> bool:
        return np.array_equal(lz4.decompress(payload, np.dtype("<u2"), counts().size), counts())

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(decode, range(60))) == [True] * 60


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_payloads_raise_the_one_error_or_decode(data: st.DataObject) -> None:
    """Bytes changed anywhere or cut off never crash the decoder or change the size of what it returns."""
    damaged = bytearray(compress(counts(), 8192))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    payload = memoryview(bytes(damaged[: len(damaged) - data.draw(st.integers(0, 3))]))
    outcome: object
    try:
        lz4.check(payload, counts().nbytes)
        outcome = lz4.decompress(payload, np.dtype("<u2"), counts().size).shape
    except DecodeError as error:
        outcome = error.reason
    assert outcome in ("size", "decode", counts().shape)


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (b"\x00" * 4, "its header alone 12"),
        ((1 << 40).to_bytes(8, "big") + (8192).to_bytes(4, "big"), "claims 1099511627776 bytes uncompressed"),
        ((50_002).to_bytes(8, "big") + bytes(4), "claims blocks of 0 bytes"),
        ((50_002).to_bytes(8, "big") + (1).to_bytes(4, "big"), "cannot hold the 50002 blocks"),
        ((50_002).to_bytes(8, "big") + (8192).to_bytes(4, "big") + b"\xff" * 40, "block 0 of 7 claims"),
    ],
)
def test_forged_sizes_are_refused(start: bytes, why: str) -> None:
    """Sizes that do not fit the array or the payload are named and refused."""
    with pytest.raises(DecodeError, match=why) as caught:
        lz4.check(memoryview(start), 50_002)
    assert caught.value.reason == "size"
