"""Messages to bytes and back, and everything that a peer could get wrong."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any, TypeVar

import hypothesis.extra.numpy as arrays
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codec import MAX_ARRAYS, MAX_HEADER_BYTES, ContractError, Part, decode, encode, kind_of, kinds
from contract.messages import Angles, FrameBlock, Notice, Scan, ScanEnded, ScanStarted
from tests.contract.examples import EXAMPLES, GEOMETRY, SCAN, block, same


def _changed(example: str, /, **changes: Any) -> list[bytes]:
    """The parts of an example, with entries of its header replaced."""
    parts = [bytes(part) for part in encode(EXAMPLES[example])]
    header = msgspec.msgpack.decode(parts[0])
    return [msgspec.msgpack.encode({**header, **changes}), *parts[1:]]


_Wanted = TypeVar("_Wanted")


def _decode(wanted: type[_Wanted], parts: Sequence[Part]) -> _Wanted:
    message = decode(parts)
    assert isinstance(message, wanted)
    return message


def _table(kind: str) -> list[list[Any]]:
    table: list[list[Any]] = msgspec.msgpack.decode(encode(EXAMPLES[kind])[0])["arrays"]
    return table


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_a_message_comes_back_as_it_was(kind: str) -> None:
    """Decoding what was encoded gives the same message."""
    assert same(decode(encode(EXAMPLES[kind])), EXAMPLES[kind])


@given(
    counts=arrays.arrays("<u4", arrays.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=5)),
    scan=st.text(),
    since=st.floats(),
)
def test_any_frames_come_back(counts: np.ndarray[Any, np.dtype[np.uint32]], scan: str, since: float) -> None:
    """Any counts of any shape, also empty, survive, and any text and number beside them."""
    frames = len(counts)
    message = FrameBlock(
        scan=Scan(scan),
        window_revision=3,
        index=np.arange(frames, dtype="<i4"),
        angle_deg=np.full(frames, np.nan),
        monitor=np.ones(frames),
        total_counts=np.zeros(frames),
        counts=counts,
        since_received_s=since,
    )
    assert same(decode(encode(message)), message)


def test_arrays_are_views_of_what_was_received() -> None:
    """Large arrays are not copied, and cannot be written to."""
    buffer = bytearray(encode(block(frames=4, rows=64, columns=64))[5])
    parts = [*encode(block(frames=4, rows=64, columns=64))[:5], memoryview(buffer)]
    counts = _decode(FrameBlock, parts).counts
    assert np.shares_memory(counts, np.frombuffer(buffer, "<u4"))
    with pytest.raises(ValueError, match="read-only"):
        counts[0, 0, 0] = 1


def test_an_array_at_an_odd_address_is_moved_to_an_even_one() -> None:
    """Small parts inside a receive buffer can lie at any address; what comes out is aligned for fast code."""
    odd = memoryview(b"?" + bytes(encode(EXAMPLES["angles"])[1]))[1:]
    parts = [encode(EXAMPLES["angles"])[0], odd, encode(EXAMPLES["angles"])[2]]
    index = _decode(Angles, parts).index
    assert index.flags.aligned
    assert index.tolist() == [5, 6]


def test_encoding_does_not_copy_ordered_arrays() -> None:
    """A C-ordered array goes out as it lies in memory, another one is put in order."""
    message = block(frames=2, rows=8, columns=8)
    assert np.shares_memory(np.frombuffer(encode(message)[5], "<u4"), message.counts)
    turned = msgspec.structs.replace(message, counts=np.asfortranarray(message.counts))
    assert bytes(encode(turned)[5]) == bytes(encode(message)[5])


def test_an_optional_array_may_be_absent() -> None:
    """None is sent as no array at all."""
    started = EXAMPLES["scan_started"]
    assert isinstance(started, ScanStarted)
    parts = encode(msgspec.structs.replace(started, flat_field=None))
    assert len(parts) == 2
    assert _decode(ScanStarted, parts).flat_field is None


def test_a_later_minor_version_is_understood() -> None:
    """Fields and arrays that a later minor version added are ignored."""
    parts = _changed("angles", v=[1, 9])
    header = msgspec.msgpack.decode(parts[0])
    header["fields"]["tilt_deg"] = [1.5, None]
    header["arrays"].append(["weights", ">c16", [2, 2, 2]])
    header["author"] = "a later version"
    assert same(decode([msgspec.msgpack.encode(header), *parts[1:], bytes(128)]), EXAMPLES["angles"])


def test_an_earlier_minor_version_is_understood() -> None:
    """A field with a default may be missing, as before it was added."""
    fields = msgspec.msgpack.decode(encode(EXAMPLES["scan_ended"])[0])["fields"]
    del fields["archive"]
    assert _decode(ScanEnded, _changed("scan_ended", fields=fields)).archive == ""


REFUSED: dict[str, tuple[list[bytes], str]] = {
    "nothing": ([], "no parts"),
    "empty header": ([b""], "no header of this contract"),
    "garbage": ([b"\xff\x00GET / HTTP/1.1\r\n\r\n"], "no header of this contract"),
    "not msgpack": ([b"\xc1"], "malformed"),
    "a list": ([msgspec.msgpack.encode([1, 2])], "Expected `object`"),
    "deeply nested": ([b"\x81\xa1v" + b"\x91" * 100_000], "no header of this contract"),
    "claims 4 GiB": ([b"\xdb\xff\xff\xff\xff"], "no header of this contract"),
    "header too large": ([b"\x81" + bytes(MAX_HEADER_BYTES)], "header has 1048577 bytes"),
    "too many parts": ([b""] * (MAX_ARRAYS + 2), "wanted ≤"),
    "major version": (_changed("notice", v=[2, 0]), "contract version 2, wanted 1"),
    "unknown kind": (_changed("notice", kind="pickle"), "kind of message is 'pickle'"),
    "text is no text": (_changed("notice", fields={"level": "info", "text": 3}), "Expected `str`, got `int`"),
    "unknown level": (_changed("notice", fields={"level": "doom", "text": ""}), "Invalid enum value 'doom'"),
    "required field missing": (_changed("notice", fields={"level": "info"}), "required field `text`"),
    "bad UTF-8": ([bytes(encode(EXAMPLES["notice"])[0]).replace(b"Two", b"\xff\xfe\xfd")], "fields of notice"),
    "part missing": (_changed("angles")[:2], "1 arrays, its header lists 2"),
    "part too many": ([*_changed("angles"), b""], "3 arrays, its header lists 2"),
    "part too short": ([*_changed("angles")[:2], b"1234567"], "Angles.angle_deg has 7 bytes, wanted 16"),
    "array missing": (_changed("angles", arrays=_table("angles")[:1])[:2], "lacks its arrays angle_deg"),
    "array twice": (_changed("angles", arrays=[_table("angles")[0]] * 2), "came twice"),
    "other dtype": (
        _changed("angles", arrays=[["index", "<i8", [1]], _table("angles")[1]]),
        "dtype '<i8', wanted '<i4'",
    ),
    "objects": (_changed("angles", arrays=[["index", "|O", [1]], _table("angles")[1]]), "dtype '|O'"),
    "big-endian": (_changed("angles", arrays=[["index", ">i4", [2]], _table("angles")[1]]), "dtype '>i4'"),
    "axes": (_changed("angles", arrays=[["index", "<i4", [2, 1]], _table("angles")[1]]), "wanted axes (frame)"),
    "negative length": (_changed("angles", arrays=[["index", "<i4", [-2]], _table("angles")[1]]), "shape (-2,)"),
    "enormous length": (_changed("angles", arrays=[["index", "<i4", [2**62]], _table("angles")[1]]), "wanted 18446744"),
    "lengths differ": (
        [*_changed("angles", arrays=[["index", "<i4", [2]], ["angle_deg", "<f8", [1]]])[:2], bytes(8)],
        "length 1 along frame, index has 2",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_message_is_refused(case: str) -> None:
    """The error names what is wrong, what was found and what was wanted."""
    parts, wanted = REFUSED[case]
    with pytest.raises(ContractError) as caught:
        decode(parts)
    assert wanted in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_claimed_size_costs_no_memory() -> None:
    """Nothing is allocated for an array before its bytes were counted."""
    parts = _changed("angles", arrays=[["index", "<i4", [2**40]], _table("angles")[1]])
    tracemalloc.start()
    with pytest.raises(ContractError):
        decode(parts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_random_bytes_are_refused(parts: list[bytes]) -> None:
    """Whatever bytes come, the outcome is a ContractError."""
    with pytest.raises(ContractError):
        decode(parts)


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_a_damaged_message_decodes_or_is_refused(kind: str, data: st.DataObject) -> None:
    """One changed byte gives another valid message or a ContractError, nothing else."""
    parts = [bytearray(part) for part in encode(EXAMPLES[kind])]
    part = data.draw(st.sampled_from([part for part in parts if part]))
    part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode([bytes(one) for one in parts])
    except ContractError:
        return
    assert kind_of(decoded) in kinds()


@given(st.sampled_from(sorted(EXAMPLES)), st.integers(0, 2000))
def test_a_truncated_header_is_refused(kind: str, length: int) -> None:
    """A header that ends early is refused."""
    parts = encode(EXAMPLES[kind])
    with pytest.raises(ContractError):
        decode([bytes(parts[0])[: min(length, len(parts[0]) - 1)], *parts[1:]])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "dtype": ({"index": np.zeros(2, "<i8")}, "Angles.index has dtype '<i8', wanted '<i4'"),
    "axes": ({"index": np.zeros((2, 1), "<i4")}, "shape (2, 1), wanted axes (frame)"),
    "length": ({"index": np.zeros(3, "<i4")}, "has length 2 along frame, index has 3"),
    "no array": ({"index": [1, 2]}, "Angles.index is list, wanted a NumPy array"),
    "None": ({"index": None}, "Angles.index is NoneType"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_message_that_breaks_its_declaration_is_not_encoded(case: str) -> None:
    """Our own mistakes are found before they are sent."""
    changes, wanted = WRONG[case]
    good = {"scan": SCAN, "index": np.zeros(2, "<i4"), "angle_deg": np.zeros(2)}
    with pytest.raises(ContractError) as caught:
        encode(Angles(**{**good, **changes}))
    assert wanted in str(caught.value)


def test_only_messages_are_encoded() -> None:
    """A value inside a message, or anything else, is no message."""
    with pytest.raises(ContractError, match="Geometry is no kind of message"):
        encode(GEOMETRY)  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="dict is no kind"):
        encode({"kind": "notice"})  # type: ignore[arg-type]


def test_a_header_that_none_would_accept_is_not_sent() -> None:
    """The limit on headers holds for the sender too."""
    with pytest.raises(ContractError, match="header of notice has 2097"):
        encode(Notice(level="info", text="x" * (2 * MAX_HEADER_BYTES)))
