"""CBOR: what an independent encoder writes is read back; what is hostile ends at a stated bound."""

from __future__ import annotations

import tracemalloc
from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.detectors import cbor
from streamer.detectors.cbor import CborError, Tagged

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=40)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5)
)


def plain(value: Any) -> Any:
    """Views as bytes, so that values can be compared."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


@given(values)
@example({"a": [1, -1, 2.5, b"x" * 300, "é", None, True, [[]], {}]})
def test_reads_what_cbor2_writes(value: Any) -> None:
    """Whatever an independent encoder writes is read back equal."""
    assert plain(cbor.read(memoryview(cbor2.dumps(value)))) == value


@given(values)
def test_reads_lists_and_maps_of_indefinite_length(value: Any) -> None:
    """Lists and maps without a length in front, as tinycbor writes them, are read too."""
    content = {"list": [value, value], "map": {"a": value}}
    assert plain(cbor.read(memoryview(cbor2.dumps(content, indefinite_containers=True)))) == content


def test_byte_strings_are_views_of_the_message() -> None:
    """A byte string is not copied, however large."""
    message = cbor2.dumps({"data": bytes(5_000_000)})
    tracemalloc.start()
    value = cbor.read(memoryview(message))["data"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert value.obj is message
    assert peak < 100_000


def test_tags_are_not_interpreted() -> None:
    """A tag comes out with its number and content, even where CBOR gives it a meaning of its own."""
    pattern = cbor2.CBORTag(35, "(a+)+$")
    assert cbor.read(memoryview(cbor2.dumps(pattern))) == Tagged(35, "(a+)+$")


@given(st.binary(max_size=300))
@example(bytes.fromhex("9b1000000000000000"))
@example(bytes.fromhex("5b1000000000000000"))
@example(bytes.fromhex("7bffffffffffffffff"))
@example(bytes.fromhex("bb0000000100000000"))
@example(bytes.fromhex("bf"))
@example(bytes.fromhex("ff"))
@example(bytes.fromhex("61ff"))
@example(b"\x81" * 300)
@example(b"\xd8\x28" * 150)
def test_any_bytes_give_a_value_or_the_one_error(message: bytes) -> None:
    """No sequence of bytes raises anything but CborError."""
    try:
        cbor.read(memoryview(message))
    except CborError:
        return
    assert len(message) > 0


def test_a_message_of_empty_lists_ends_at_the_bound() -> None:
    """Ten million empty lists in ten megabytes are refused before they fill the memory."""
    count = 10_000_000
    message = b"\x9a" + count.to_bytes(4, "big") + b"\x80" * count
    tracemalloc.start()
    with pytest.raises(CborError, match=f"more than {cbor.MAX_ITEMS} data items"):
        cbor.read(memoryview(message))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (cbor2.dumps({"a": 1}) + b"x", "1 bytes follow"),
        (cbor2.dumps({"a": b"12345"})[:-1], "a string claims 5 bytes, 4 are left"),
        (bytes.fromhex("19ff"), "ends within a data item"),
        (cbor2.dumps({1: 2}), "map key is a int"),
        (bytes.fromhex("a2616101616102"), "'a' comes twice"),
        (bytes.fromhex("1c"), "length code 28"),
        (bytes.fromhex("5f"), "length code 31 on major type 2"),
        (bytes.fromhex("f8ff"), "simple value 24"),
        (b"\x81" * 40 + b"\x01", "nested more than"),
    ],
)
def test_an_error_says_what_is_wrong(message: bytes, why: str) -> None:
    """Trailing bytes, truncation, foreign keys and codes are each named."""
    with pytest.raises(CborError, match=why):
        cbor.read(memoryview(message))
