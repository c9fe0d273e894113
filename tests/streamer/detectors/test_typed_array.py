"""Arrays in CBOR: every typed-array tag is read with its byte order, everything else is named and refused."""

from __future__ import annotations

from typing import Any

import cbor2
import numpy as np
import pytest
from cbor2 import CBORTag

from streamer.detectors import cbor, packed, typed_array
from streamer.detectors.decode_error import DecodeError

ROWS, COLUMNS = 3, 5


def read(value: Any) -> packed.Packed:
    return typed_array.packed(cbor.read(memoryview(cbor2.dumps(value))), "image 7")


@pytest.mark.parametrize(("tag", "code"), sorted(typed_array.TYPED_ARRAYS.items()))
def test_every_typed_array_is_read(tag: int, code: str) -> None:
    """The values under each tag of RFC 8746 that NumPy has a dtype for come out as they were written."""
    values = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS).astype(code)
    found = read(CBORTag(40, [[ROWS, COLUMNS], CBORTag(tag, values.tobytes())]))
    assert found.dtype == np.dtype(code)
    assert np.array_equal(packed.rows(found, 0, ROWS), values)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"abc", "image 7: not a row-major"),
        (CBORTag(1040, [[3, 5], CBORTag(64, bytes(15))]), "not a row-major"),
        (CBORTag(40, [[3, 5, 1], CBORTag(64, bytes(15))]), r"not \[\[rows, columns\], typed array\]"),
        (CBORTag(40, [["3", 5], CBORTag(64, bytes(15))]), "not two whole numbers"),
        (CBORTag(40, [[True, 5], CBORTag(64, bytes(5))]), "not two whole numbers"),
        (CBORTag(40, [[3, 5], CBORTag(83, bytes(15 * 16))]), "no typed array"),
        (CBORTag(40, [[3, 5], bytes(15)]), "no typed array"),
        (CBORTag(40, [[3, 5], CBORTag(64, "text")]), "neither bytes nor tag 56500"),
        (CBORTag(40, [[3, 5], CBORTag(64, CBORTag(56500, ["bslz4", 1]))]), "neither bytes nor tag 56500"),
        (CBORTag(40, [[3, 5], CBORTag(64, CBORTag(56500, [1, 1, b""]))]), "compression is not"),
        (CBORTag(40, [[3, 5], CBORTag(69, CBORTag(56500, ["bslz4", 4, b""]))]), "elements of 4 bytes, its dtype has 2"),
        (CBORTag(40, [[3, 5], CBORTag(64, bytes(14))]), "came in 14 bytes, wanted 15"),
    ],
)
def test_what_is_no_image_is_named(value: Any, why: str) -> None:
    """Each way of not being a two-dimensional array of a known dtype has its own words."""
    with pytest.raises(DecodeError, match=why):
        read(value)
