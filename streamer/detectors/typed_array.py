"""Arrays in CBOR as DECTRIS writes them: tag 40 [[rows, columns], typed array], its bytes perhaps compressed.

Sources: RFC 8746 for tags 40 and 64–87; dectris/documentation for tag 56500 [algorithm, element size, bytes],
which stands in place of the byte string inside a typed-array tag.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streamer.detectors import packed as packing
from streamer.detectors.cbor import Tagged
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.packed import Packed

ROW_MAJOR = 40
COMPRESSED = 56500
_CODES = {
    64: "|u1", 68: "|u1", 65: ">u2", 66: ">u4", 67: ">u8", 69: "<u2", 70: "<u4", 71: "<u8",
    72: "|i1", 73: ">i2", 74: ">i4", 75: ">i8", 77: "<i2", 78: "<i4", 79: "<i8",
    80: ">f2", 81: ">f4", 82: ">f8", 84: "<f2", 85: "<f4", 86: "<f8",
}  # fmt: skip
TYPED_ARRAYS = {tag: np.dtype(code) for tag, code in _CODES.items()}
"""Tag → dtype; the two tags of 128-bit floats (83, 87) have none in NumPy."""


def packed(value: Any, name: str) -> Packed:
    """The two-dimensional array in `value`, still packed; `name` is for the message of the `DecodeError`."""
    if not isinstance(value, Tagged) or value.tag != ROW_MAJOR:
        raise DecodeError("decode", f"{name}: not a row-major multi-dimensional array (tag {ROW_MAJOR})")
    dims, typed = _pair(value.value, name)
    rows, columns = _pair(dims, name)
    if type(rows) is not int or type(columns) is not int:
        raise DecodeError("decode", f"{name}: its dimensions are not two whole numbers")
    dtype = TYPED_ARRAYS.get(typed.tag) if isinstance(typed, Tagged) else None
    if dtype is None:
        raise DecodeError("decode", f"{name}: no typed array of RFC 8746 beside its dimensions")
    compression, data = _content(typed.value, dtype.itemsize, name)
    return packing.pack((rows, columns), dtype, compression, data)


def _pair(value: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise DecodeError("decode", f"{name}: an array is not [[rows, columns], typed array]")
    return value[0], value[1]


def _content(value: Any, itemsize: int, name: str) -> tuple[str, memoryview]:
    if isinstance(value, memoryview):
        return "none", value
    inner = value.value if isinstance(value, Tagged) and value.tag == COMPRESSED else None
    if not isinstance(inner, list) or len(inner) != 3:
        raise DecodeError("decode", f"{name}: neither bytes nor tag {COMPRESSED} [algorithm, element size, bytes]")
    algorithm, size, data = inner
    if not isinstance(algorithm, str) or not isinstance(data, memoryview):
        raise DecodeError("decode", f"{name}: its compression is not [text, number, bytes]")
    if algorithm == "bslz4" and size != itemsize:
        raise DecodeError("size", f"{name}: compressed as elements of {size!r} bytes, its dtype has {itemsize}"[:200])
    return algorithm, data
