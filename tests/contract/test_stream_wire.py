"""The parts that a stream puts around its messages: their bytes, and what is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codec import ContractError
from contract.stream_wire import (
    MAX_ENVELOPE_BYTES,
    Answered,
    Batch,
    Entry,
    Envelope,
    Heartbeat,
    Pull,
    Refused,
    Say,
    VersionError,
    Wire,
    pack,
    split_batch,
    unpack_live,
    unpack_reply,
    unpack_request,
)

FIRST_BYTES = {
    "live": (Envelope(epoch="e", seq=7), "84a474797065a46c697665a176920100a565706f6368a165a373657107"),
    "heartbeat": (
        Heartbeat(epoch="e", last_seq=7),
        "84a474797065a9686561727462656174a176920100a565706f6368a165a86c6173745f73657107",
    ),
}


def _batch(after: int, through: int, *seqs: int, what: str = "replay", parts: int = 1) -> Batch:
    return Batch(
        what=what,  # type: ignore[arg-type]
        epoch="e",
        after=after,
        through=through,
        last_seq=9,
        first_seq=1,
        entries=tuple(Entry(seq, 0.5, parts) for seq in seqs),
    )


@pytest.mark.parametrize("kind", FIRST_BYTES)
def test_envelopes_keep_their_first_bytes(kind: str) -> None:
    """The envelope of version 1.0 is read and written as it was first."""
    wire, first = FIRST_BYTES[kind]
    assert pack(wire).hex() == first
    assert unpack_live(bytes.fromhex(first)) == wire


@pytest.mark.parametrize("wire", [Pull(what="replay", epoch="e", after=1, through=4, question=2), Say(token="t")])
def test_requests_come_back_as_they_were(wire: Wire) -> None:
    """Unpacking what was packed gives the same request."""
    assert unpack_request(pack(wire)) == wire


@pytest.mark.parametrize("wire", [_batch(1, 3, 2, 3), Answered(token="t", ok=True, text=""), Refused(text="no")])
def test_replies_come_back_as_they_were(wire: Wire) -> None:
    """Unpacking what was packed gives the same reply."""
    assert unpack_reply(pack(wire)) == wire


def test_another_major_version_is_refused_by_name() -> None:
    """Whatever else a later major version changes, it is told apart from garbage."""
    later = msgspec.msgpack.encode({"v": [2, 0], "type": "telepathy"})
    with pytest.raises(VersionError, match="peer speaks contract version 2, this program speaks version 1"):
        unpack_live(later)


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x81\xa1v" + b"\x91" * 100_000,
        bytes(MAX_ENVELOPE_BYTES + 1),
        pack(Envelope(epoch="e", seq=7))[:-1],
        pack(Say(token="t")),
        msgspec.msgpack.encode({"type": "live", "v": [1, 0], "epoch": "", "seq": 1}),
        msgspec.msgpack.encode({"type": "live", "v": [1, 0], "epoch": "e", "seq": 0}),
        msgspec.msgpack.encode({"type": "live", "v": [1, 0], "epoch": "e", "seq": "1"}),
        msgspec.msgpack.encode({"type": "live", "v": [1, 0], "epoch": "e" * 65, "seq": 1}),
    ],
    ids=lambda part: repr(part[:12]),
)
def test_a_foreign_envelope_is_refused(part: bytes) -> None:
    """Garbage, a part of another socket and numbers that cannot be are no envelope."""
    with pytest.raises(ContractError):
        unpack_live(part)


@given(st.binary(max_size=300))
def test_random_bytes_are_no_envelope(part: bytes) -> None:
    """Whatever bytes come, the outcome is a ContractError."""
    for unpack in (unpack_live, unpack_request, unpack_reply):
        with pytest.raises(ContractError):
            unpack(part)


def test_a_batch_is_split_into_its_messages() -> None:
    """Each entry tells how many parts its message has."""
    assert split_batch(_batch(1, 3, 2, 3, parts=2), [b"a", b"b", b"c", b"d"]) == [[b"a", b"b"], [b"c", b"d"]]


@pytest.mark.parametrize(
    ("batch", "wanted"),
    [
        (_batch(1, 3, 2, 3, parts=2), "batch has 2 parts"),
        (_batch(1, 3, 2, 3, parts=0), "batch has 2 parts"),
        (_batch(1, 3, 3, 2), "do not grow"),
        (_batch(2, 3, 2, 3), "do not grow"),
        (_batch(1, 2, 2, 3), "beyond its own"),
        (_batch(1, 9, 2, 3), "has 2 messages"),
        (_batch(1, 2**62, 2, 3), "has 2 messages"),
    ],
)
def test_a_batch_whose_numbers_do_not_fit_is_refused(batch: Batch, wanted: str) -> None:
    """A batch is believed only when its numbers agree with one another and with the parts that came."""
    with pytest.raises(ContractError, match=wanted):
        split_batch(batch, [b"a", b"b"])


def test_a_snapshot_may_leave_out_what_was_superseded() -> None:
    """Only a replay must be without gaps."""
    assert split_batch(_batch(1, 9, 4, 7, what="snapshot"), [b"a", b"b"]) == [[b"a"], [b"b"]]
