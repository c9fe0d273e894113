"""LZ4 in the framing of the HDF5 filter 32004, the other compression of DECTRIS Stream V2.

A payload is an 8-byte uncompressed size and a 4-byte block size (bytes, big-endian), then blocks, each a 4-byte
length and that many bytes; a block that LZ4 could not make smaller is stored as it is. DECTRIS makes one block of
the whole image, so there is no decoding a part of it. The decompressor is HDF5's own filter, in memory.
"""

from __future__ import annotations

import itertools
import struct
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.decode_error import DecodeError

HEADER = struct.Struct(">QI")
_LENGTH = struct.Struct(">I")
_LARGEST_BLOCK = 1 << 30
_CALLS = itertools.count()
"""HDF5 refuses a second file of one name while the first is open, in memory too, and threads decode side by side."""


def check(payload: memoryview, nbytes: int) -> None:
    """Raise `DecodeError("size")` unless every length in `payload` fits it and `nbytes` uncompressed."""
    if len(payload) < HEADER.size:
        raise DecodeError("size", f"an lz4 payload has {len(payload)} bytes, its header alone {HEADER.size}")
    claimed, block_bytes = HEADER.unpack_from(payload)
    if claimed != nbytes:
        raise DecodeError("size", f"an lz4 header claims {claimed} bytes uncompressed, the array has {nbytes}")
    if not 0 < block_bytes <= _LARGEST_BLOCK:
        raise DecodeError("size", f"an lz4 header claims blocks of {block_bytes} bytes, wanted 1 to {_LARGEST_BLOCK}")
    blocks = -(-nbytes // block_bytes)
    if HEADER.size + blocks * _LENGTH.size > len(payload):
        raise DecodeError("size", f"an lz4 payload of {len(payload)} bytes cannot hold the {blocks} blocks it claims")
    at = HEADER.size
    for block in range(blocks):
        length = _LENGTH.unpack_from(payload, at)[0] if at + 4 <= len(payload) else 0
        at += 4 + length
        if length == 0 or at > len(payload):
            raise DecodeError("size", f"lz4 block {block} of {blocks} claims {length} bytes, more than are left")
    if at != len(payload):
        raise DecodeError("size", f"an lz4 payload has {len(payload) - at} bytes after its last block, wanted none")


def decompress(payload: memoryview, dtype: np.dtype[Any], elements: int) -> NDArray[Any]:
    """All `elements` of a payload that `check` passed."""
    try:
        with h5py.File(f"lz4-{next(_CALLS)}", "w", driver="core", backing_store=False) as memory:
            one = memory.create_dataset("one", (elements,), dtype, chunks=(elements,), **hdf5plugin.LZ4())
            one.id.write_direct_chunk((0,), payload)
            out: NDArray[Any] = one[...]
    except OSError as error:
        raise DecodeError("decode", "LZ4 finds an lz4 payload damaged") from error
    return out
