"""Bitshuffle-LZ4 in the HDF5 framing, as DECTRIS sends it: checked first, and decoded only where it is wanted.

A payload is an 8-byte uncompressed size and a 4-byte block size (both in bytes, big-endian), then blocks, each a
4-byte length and that many bytes, then up to 7 elements as they are. The last block may be short. Blocks are
independent, so the rows of a region of interest need only the blocks that hold them (7–21 × less time). Every
number in it may be forged: all are checked here, before the C code of `bitshuffle`, which trusts them, runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import bitshuffle
import bitshuffle.ext
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.decode_error import DecodeError

HEADER = struct.Struct(">QI")
_LENGTH = struct.Struct(">I")
_MULTIPLE = 8
"""Bitshuffle works on multiples of this many elements; what is left over is stored as it is."""
_LARGEST_BLOCK = 1 << 26
"""Bytes. Detectors use 8 KiB; a block is decompressed into memory of its own."""
_SMALLEST_BLOCK = 512
"""Bytes. Smaller ones would only make the list of blocks larger than the message."""


class Framing(NamedTuple):
    """Where the blocks of a checked payload are."""

    block_bytes: int
    """Of a full block, uncompressed."""
    starts: Sequence[int]
    """Offset of each block's length word, then of what is left over after the last block."""


def use_one_thread() -> None:
    """Have the calling thread decode by itself from now on.

    The blocks of a frame are shared among OpenMP threads otherwise, which wait for each other by spinning: with every
    core busy, as it is when phasing runs on the same machine, 256 kB took 13 ms instead of 0.2 ms.
    """
    with contextlib.suppress(AttributeError):  # a build of bitshuffle without OpenMP
        ctypes.CDLL(bitshuffle.ext.__file__).omp_set_num_threads(1)


def framing(payload: memoryview, nbytes: int, itemsize: int) -> Framing:
    """The blocks of a payload that must hold `nbytes` of elements of `itemsize` bytes.

    Costs one look at each length word. Raises `DecodeError("size")` when any number disagrees with another.
    """
    block_bytes = _block_bytes(payload, nbytes, itemsize)
    tail_bytes = (nbytes // itemsize) % _MULTIPLE * itemsize
    blocks = -(-(nbytes - tail_bytes) // block_bytes)
    end = len(payload) - tail_bytes
    if HEADER.size + blocks * _LENGTH.size > end:
        raise DecodeError("size", f"a bslz4 payload of {len(payload)} bytes cannot hold the {blocks} blocks it claims")
    starts = _starts(payload, blocks, block_bytes + block_bytes // 255 + 16)
    if starts[-1] > end:
        raise DecodeError("size", f"bslz4 block {blocks - 1} of {blocks} claims more bytes than are left")
    if starts[-1] != end:
        raise DecodeError("size", f"a bslz4 payload has {end - starts[-1]} bytes after its last block, wanted none")
    return Framing(block_bytes, starts)


def _starts(payload: memoryview, blocks: int, longest: int) -> list[int]:
    """Where each block's length word is, and where the last block ends; each lies where the one before it leads."""
    at = HEADER.size
    starts = [at]
    unpack, keep = _LENGTH.unpack_from, starts.append
    try:
        for _ in range(blocks):
            length = unpack(payload, at)[0]
            if not 0 < length <= longest:
                raise DecodeError(
                    "size", f"bslz4 block {len(starts) - 1} of {blocks} claims {length} bytes, wanted 1 to {longest}"
                )
            at += length + 4
            keep(at)
    except struct.error as error:  # beyond the payload: the last length was wrong
        block, left = len(starts) - 2, len(payload) - starts[-2] - 4
        claimed = starts[-1] - starts[-2] - 4
        text = f"bslz4 block {block} of {blocks} claims {claimed} bytes, more than the {left} that are left"
        raise DecodeError("size", text) from error
    return starts


def _block_bytes(payload: memoryview, nbytes: int, itemsize: int) -> int:
    if len(payload) < HEADER.size:
        raise DecodeError("size", f"a bslz4 payload has {len(payload)} bytes, its header alone {HEADER.size}")
    claimed, block_bytes = HEADER.unpack_from(payload)
    if claimed != nbytes:
        raise DecodeError("size", f"a bslz4 header claims {claimed} bytes uncompressed, the array has {nbytes}")
    if not _SMALLEST_BLOCK <= block_bytes <= _LARGEST_BLOCK or block_bytes % (_MULTIPLE * itemsize):
        raise DecodeError(
            "size",
            f"a bslz4 header claims blocks of {block_bytes} bytes, wanted a multiple of {_MULTIPLE * itemsize}"
            f" from {_SMALLEST_BLOCK} to {_LARGEST_BLOCK}",
        )
    return int(block_bytes)


def decompress(
    payload: memoryview, frames: Framing, dtype: np.dtype[Any], elements: int, first: int, last: int
) -> NDArray[Any]:
    """Elements `first` ≤ i < `last` of the `elements` in a payload that `framing` passed. Reads only their blocks."""
    per_block = frames.block_bytes // dtype.itemsize
    block0 = first // per_block
    block1 = -(-last // per_block)
    origin = block0 * per_block
    if block1 * per_block <= elements:
        stop, count = frames.starts[block1], block1 * per_block - origin
    else:  # the short last block, and what is left over: everything from the first block on
        stop, count = len(payload), elements - origin
    return _unpacked(payload[frames.starts[block0] : stop], count, dtype, per_block)[first - origin : last - origin]


def _unpacked(blocks: memoryview, count: int, dtype: np.dtype[Any], per_block: int) -> NDArray[Any]:
    """All elements of some whole blocks, whose lengths have been checked."""
    part = np.frombuffer(blocks, np.uint8)
    function = _without_gil()
    if function is not None:
        out: NDArray[Any] = np.empty(count, dtype)
        done = function(part.ctypes.data, out.ctypes.data, count, dtype.itemsize, per_block)
        if done != part.size:
            raise DecodeError("decode", f"LZ4 finds a bslz4 block damaged: {done} where {part.size} was wanted")
        return out
    try:
        out = bitshuffle.decompress_lz4(part, (count,), dtype, per_block)
    except (RuntimeError, ValueError) as error:
        raise DecodeError("decode", f"LZ4 finds a bslz4 block damaged: {error.args[0]}") from error
    return out


@functools.cache
def _without_gil() -> Callable[[int, int, int, int, int], int] | None:
    """bitshuffle's own C function, called so that other threads go on meanwhile; None where its build hides it."""
    function = getattr(ctypes.CDLL(bitshuffle.ext.__file__), "bshuf_decompress_lz4", None)
    if function is None:
        return None
    function.restype = ctypes.c_int64
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t]
    return cast(Callable[[int, int, int, int, int], int], function)
