"""An array as a detector sent it: dimensions, dtype and bytes, packed by one of three compressions, or by none.

A `Packed` that exists has consistent sizes throughout: it is made by `pack`, which compares every claim in it
with the others before anything is allocated. `rows` then unpacks as little as it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamer.detectors import bslz4, lz4
from streamer.detectors.decode_error import DecodeError

Compression = Literal["none", "lz4", "bslz4"]

MAX_PIXELS = 1 << 25
"""Pixels an image may have: twice the largest detector sold."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A two-dimensional array (row, column), C order, still packed."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    """With its byte order."""
    compression: Compression
    data: memoryview
    framing: bslz4.Framing | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the array when unpacked."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


def pack(shape: tuple[int, int], dtype: np.dtype[Any], compression: str, data: memoryview) -> Packed:
    """The array that `data` claims to be, or `DecodeError`."""
    if min(shape) < 1 or shape[0] * shape[1] > MAX_PIXELS:
        raise DecodeError("size", f"an array has the shape {shape}, wanted 1 to {MAX_PIXELS} pixels")
    nbytes = shape[0] * shape[1] * dtype.itemsize
    if compression == "bslz4":
        return Packed(shape, dtype, "bslz4", data, bslz4.framing(data, nbytes, dtype.itemsize))
    if compression == "lz4":
        lz4.check(data, nbytes)
        return Packed(shape, dtype, "lz4", data)
    if compression == "none":
        if len(data) != nbytes:
            raise DecodeError("size", f"an array {shape} of {dtype.name} came in {len(data)} bytes, wanted {nbytes}")
        return Packed(shape, dtype, "none", data)
    raise DecodeError("decode", f"compression {compression[:20]!r} is not supported, only bslz4, lz4 and none")


def rows(packed: Packed, row0: int, row1: int) -> NDArray[Any]:
    """Rows `row0` ≤ r < `row1`, all columns, with the dtype's own byte order. Unpacks no more than it must:
    of bslz4 the blocks that hold the rows, of none nothing, of lz4 everything.
    """
    columns = packed.shape[1]
    first, last = row0 * columns, row1 * columns
    elements = packed.shape[0] * columns
    if packed.framing is not None:
        flat = bslz4.decompress(packed.data, packed.framing, packed.dtype, elements, first, last)
    elif packed.compression == "lz4":
        flat = lz4.decompress(packed.data, packed.dtype, elements)[first:last]
    else:
        flat = np.frombuffer(packed.data, packed.dtype)[first:last]
    return flat.reshape(row1 - row0, columns)
