"""The small msgpack parts that a stream puts around its messages. They are kept apart from the message's own
parts, so that a stored message is replayed without being encoded again.

Live socket (XPUB → SUB):
    [kind, Envelope, header, arrays…]           a new message
    [b"heartbeat", Heartbeat]                   every second, and when somebody subscribes
Control socket (DEALER ⟷ ROUTER), after the identity that ZeroMQ adds:
    [Pull]                       → [Batch, header, arrays…, header, arrays…]     what was missed, or the present state
    [Say, header, arrays…]       → [Answered]
    anything of another version  → [Refused]
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

import msgspec

from contract.codec import VERSION, ContractError, Part

HEARTBEAT_TOPIC = b"heartbeat"
MAX_BATCH_BYTES = 16 << 20
MAX_BATCH_MESSAGES = 512
MAX_ENVELOPE_BYTES = 1 << 17

Epoch = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0)]
_Any = TypeVar("_Any")


class VersionError(ContractError):
    """The peer follows another major version of the contract."""


class _Version(msgspec.Struct, frozen=True):
    """Read before the rest: another major version may have changed everything else."""

    v: tuple[int, int]


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """What all envelope parts have in common: the version of the contract they follow."""

    v: tuple[int, int] = VERSION


class Envelope(Wire, frozen=True, kw_only=True, tag="live"):
    """Place of a live message in its stream."""

    epoch: Epoch
    seq: Annotated[int, msgspec.Meta(ge=1)]


class Heartbeat(Wire, frozen=True, kw_only=True, tag="heartbeat"):
    """The publisher lives, and `last_seq` was the last message it sent: shows that the last ones were lost."""

    epoch: Epoch
    last_seq: Count


class Pull(Wire, frozen=True, kw_only=True, tag="pull"):
    """A subscriber asks for what follows `after`: all messages up to `through` (replay) or the present state."""

    what: Literal["replay", "snapshot"]
    epoch: str
    """"" in a snapshot of whatever epoch there is."""
    after: Count
    through: Count = 0
    """Last seq wanted by a replay; not used by a snapshot."""
    max_bytes: int = MAX_BATCH_BYTES
    question: Count = 0
    """Number of this question; the answer repeats it."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One message in a batch."""

    seq: int
    age_s: float
    parts: int


class Batch(Wire, frozen=True, kw_only=True, tag="batch"):
    """Messages that follow `after`, in order of seq; with them all up to `through` is settled."""

    what: Literal["replay", "snapshot", "gone"]
    """`gone`: the replay asked for is no longer kept (or of another epoch); take the snapshot."""
    epoch: Epoch
    after: Count
    through: Count
    last_seq: int
    """The newest message of the publisher when this was made."""
    first_seq: int
    """The oldest message that can still be replayed."""
    more: bool = False
    """A snapshot that is not complete: ask on after `through`."""
    question: Count = 0
    """Number of the question that this answers."""
    entries: tuple[Entry, ...] = ()


class Say(Wire, frozen=True, kw_only=True, tag="say"):
    """Something told to the publisher's service. One `token` is acted upon once, however often it comes."""

    token: str


class Answered(Wire, frozen=True, kw_only=True, tag="answered"):
    """The service's answer to what was said with this token."""

    token: str
    ok: bool
    text: str


class Refused(Wire, frozen=True, kw_only=True, tag="refused"):
    """The request was not understood; `text` says why. `token` of a `Say`, if it could be read."""

    text: str
    token: str = ""


LiveWire = Envelope | Heartbeat
RequestWire = Pull | Say
ReplyWire = Batch | Answered | Refused

_live: msgspec.msgpack.Decoder[LiveWire] = msgspec.msgpack.Decoder(LiveWire)
_request: msgspec.msgpack.Decoder[RequestWire] = msgspec.msgpack.Decoder(RequestWire)
_reply: msgspec.msgpack.Decoder[ReplyWire] = msgspec.msgpack.Decoder(ReplyWire)


_version = msgspec.msgpack.Decoder(_Version)


def pack(wire: Wire) -> bytes:
    """The bytes of one envelope part."""
    return msgspec.msgpack.encode(wire)


def unpack_live(part: Part) -> LiveWire:
    """What came on the live socket. ContractError: not of this contract."""
    return _unpack(_live, part)


def unpack_request(part: Part) -> RequestWire:
    """What a subscriber asks. ContractError: not of this contract."""
    return _unpack(_request, part)


def unpack_reply(part: Part) -> ReplyWire:
    """What the publisher answers. ContractError: not of this contract."""
    return _unpack(_reply, part)


def split_batch(batch: Batch, parts: Sequence[Part]) -> list[Sequence[Part]]:
    """The parts of each message of a batch. ContractError: the numbers do not fit, or seq does not grow."""
    if sum(entry.parts for entry in batch.entries) != len(parts) or any(entry.parts < 1 for entry in batch.entries):
        wanted = [entry.parts for entry in batch.entries[:8]]
        raise ContractError(f"batch has {len(parts)} parts, its entries list {wanted}")
    numbers = [batch.after, *(entry.seq for entry in batch.entries)]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise ContractError(f"seqs of a batch after {batch.after} do not grow: {numbers[1:9]}")
    if batch.through < numbers[-1]:
        raise ContractError(f"batch ends at seq {numbers[-1]}, beyond its own `through` {batch.through}")
    if batch.what == "replay" and batch.through - batch.after != len(batch.entries):
        raise ContractError(f"replay of {batch.after + 1} … {batch.through} has {len(batch.entries)} messages")
    split, start = [], 0
    for entry in batch.entries:
        split.append(parts[start : start + entry.parts])
        start += entry.parts
    return split


def _unpack(decoder: msgspec.msgpack.Decoder[_Any], part: Part) -> _Any:
    size = memoryview(part).nbytes
    if size > MAX_ENVELOPE_BYTES:
        raise ContractError(f"envelope has {size} bytes, wanted ≤ {MAX_ENVELOPE_BYTES}")
    try:
        major = _version.decode(part).v[0]
        if major != VERSION[0]:
            raise VersionError(f"peer speaks contract version {major}, this program speaks version {VERSION[0]}")
        return decoder.decode(part)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ContractError(f"envelope is none of this contract: {error}") from error
