"""Bitshuffle-LZ4: a part decodes to that part of the whole, and no forged number reaches the C code."""

from __future__ import annotations

import ctypes
import struct

import bitshuffle.ext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detectors import bslz4
from streamer.detectors.decode_error import DecodeError
from streamer.simulator.dectris_v2 import bslz4 as compress


def counts(elements: int, dtype: str, seed: int = 0) -> NDArray[np.uint32]:
    return np.random.default_rng(seed).poisson(0.3, elements).astype(dtype)


def decoded(payload: bytes, like: NDArray[np.uint32], first: int, last: int) -> NDArray[np.uint32]:
    view = memoryview(payload)
    framing = bslz4.framing(view, like.nbytes, like.itemsize)
    return bslz4.decompress(view, framing, like.dtype, like.size, first, last)


@given(st.data(), st.sampled_from(["u1", "<u2", "<u4", ">u2"]), st.integers(1, 20_000))
@settings(max_examples=60, deadline=None)
def test_a_part_is_that_part_of_the_whole(data: st.DataObject, dtype: str, elements: int) -> None:
    """Any span of any length, short last blocks and leftover elements included, decodes to what was compressed."""
    whole = counts(elements, dtype)
    first = data.draw(st.integers(0, elements - 1))
    last = data.draw(st.integers(first + 1, elements))
    part = decoded(compress(whole), whole, first, last)
    assert part.dtype == whole.dtype
    assert np.array_equal(part, whole[first:last])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_payloads_raise_the_one_error_or_decode(data: st.DataObject) -> None:
    """Bytes changed anywhere, cut off or added never crash the decoder or change the size of what it returns."""
    whole = counts(30_001, "<u2")
    damaged = bytearray(compress(whole))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(-4, 4))
    payload = bytes(damaged[:cut]) if cut < 0 else bytes(damaged) + bytes(cut)
    outcome: object
    try:
        outcome = decoded(payload, whole, 0, whole.size).shape
    except DecodeError as error:
        outcome = error.reason
    assert outcome in ("size", "decode", whole.shape)


def test_one_thread_is_what_openmp_then_uses() -> None:
    """After the call OpenMP gives this thread no helpers, whatever the machine has."""
    bslz4.use_one_thread()
    assert ctypes.CDLL(bitshuffle.ext.__file__).omp_get_max_threads() == 1


def test_only_the_wanted_blocks_are_read() -> None:
    """A block outside the wanted rows may be nonsense: it is not looked into."""
    whole = counts(100_000, "<u2")
    damaged = bytearray(compress(whole))
    starts = bslz4.framing(memoryview(bytes(damaged)), whole.nbytes, 2).starts
    damaged[starts[1] + 4 : starts[2]] = b"\xff" * (starts[2] - starts[1] - 4)
    assert np.array_equal(decoded(bytes(damaged), whole, 20_000, 30_000), whole[20_000:30_000])
    with pytest.raises(DecodeError, match="block damaged"):
        decoded(bytes(damaged), whole, 5_000, 6_000)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (struct.pack(">QI", 1 << 40, 8192), "claims 1099511627776 bytes uncompressed, the array has 20000"),
        (struct.pack(">QI", 20000, 0), "claims blocks of 0 bytes"),
        (struct.pack(">QI", 20000, 8200), "wanted a multiple of 16"),
        (struct.pack(">QI", 20000, 16), "from 512 to"),
        (struct.pack(">QI", 20000, 1 << 31), "claims blocks of 2147483648 bytes"),
        (struct.pack(">QI", 20000, 512), "block .* claims|cannot hold"),
        (b"\x00" * 5, "has 5 bytes, its header alone 12"),
    ],
)
def test_a_forged_header_is_refused_before_anything_is_allocated(header: bytes, why: str) -> None:
    """Sizes that do not fit the array or the payload are named and refused."""
    payload = header + compress(counts(10_000, "<u2"))[12:] if len(header) == 12 else header
    with pytest.raises(DecodeError, match=why) as caught:
        bslz4.framing(memoryview(payload), 20_000, 2)
    assert caught.value.reason == "size"


def test_a_forged_block_length_is_refused() -> None:
    """A length word that points beyond the payload is found while walking, not by the C code."""
    payload = bytearray(compress(counts(10_000, "<u2")))
    payload[12:16] = (1 << 30).to_bytes(4, "big")
    with pytest.raises(DecodeError, match="block 0 of 3 claims 1073741824 bytes"):
        bslz4.framing(memoryview(bytes(payload)), 20_000, 2)


@pytest.mark.parametrize("elements", [1000, 10_000, 10_005])
def test_it_decodes_alike_with_and_without_the_gil(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bitshuffle's C function cannot be called directly, its Python one gives the same counts and refusals."""
    array = counts(elements, "<u2")
    payload = compress(array)
    broken = bytearray(payload)
    broken[16:200] = b"\xff" * 184
    for hidden in (False, True):
        if hidden:
            monkeypatch.setattr(bslz4, "_without_gil", lambda: None)
        view = memoryview(payload)
        frames = bslz4.framing(view, array.nbytes, 2)
        assert np.array_equal(bslz4.decompress(view, frames, array.dtype, elements, 3, elements), array[3:])
        with pytest.raises(DecodeError, match="damaged"):
            bslz4.decompress(memoryview(bytes(broken)), frames, array.dtype, elements, 0, elements)
