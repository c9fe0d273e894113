"""A publisher's bytes: it keeps what it was given, answers what it understands, and refuses the rest."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from contract.codec import decode, encode
from contract.happened import Happened, MessageDropped, Replayed
from contract.messages import FrameBlock
from contract.stream_outbox import Outbox
from contract.stream_outlet import ANSWERS_REMEMBERED, SAID_LIMIT, Outlet
from contract.stream_wire import Answered, Batch, Pull, Refused, Say, pack, unpack_reply
from tests.contract.examples import EXAMPLES, block, same

PEER = b"peer"


class Case:
    """An outlet, and what it told."""

    def __init__(self, **limits: int) -> None:
        self.told: list[Happened] = []
        self.outlet = Outlet(Outbox("e1", **limits), "out", self.told.append)

    def pull(self, now_s: float = 0.0, what: str = "snapshot") -> tuple[Batch, list[bytes]]:
        request = msgspec.structs.replace(Pull(what="snapshot", epoch="e1", after=0, through=9), what=what)
        parts = self.outlet.answer(PEER, [pack(request)], now_s)
        assert parts is not None
        reply = unpack_reply(parts[0])
        assert isinstance(reply, Batch)
        return reply, [bytes(part) for part in parts[1:]]

    def say(self, token: str, kind: str = "confirmed") -> Answered | Refused | Batch | None:
        parts = self.outlet.answer(PEER, [pack(Say(token=token)), *encode(EXAMPLES[kind])], 0.0)
        return None if parts is None else unpack_reply(parts[0])


def test_what_was_published_does_not_change_afterwards() -> None:
    """The publisher copies arrays, so that a caller who goes on using them cannot change the past."""
    case, message = Case(), block()
    case.outlet.add(message, None, 0.0)
    wanted = message.counts.copy()
    message.counts[:] = 77
    replayed = decode(case.pull()[1])
    assert isinstance(replayed, FrameBlock)
    assert np.array_equal(replayed.counts, wanted)


def test_an_array_that_nobody_can_change_is_not_copied() -> None:
    """Read-only with memory of its own it is kept as it is; a read-only view of what can be written is copied."""
    case, message = Case(), block()
    owned, behind = message.counts.copy(), message.counts.copy()
    view = behind[:]
    owned.flags.writeable = view.flags.writeable = False
    kept, copied = (
        case.outlet.add(msgspec.structs.replace(message, counts=counts), None, 0.0) for counts in (owned, view)
    )
    assert any(isinstance(part, memoryview) and part.obj is owned for part in kept.parts)
    assert all(isinstance(part, bytes) for part in copied.parts)


def test_a_replayed_message_tells_its_age() -> None:
    """Ages are durations on the publisher's own clock."""
    case = Case()
    case.outlet.add(EXAMPLES["confirmed"], None, 10.0)
    assert case.pull(now_s=12.5)[0].entries[0].age_s == 2.5


def test_each_answer_is_told() -> None:
    """Snapshots, replays and refused replays are counted apart."""
    case = Case(replay_bytes=1)
    for _ in range(3):
        case.outlet.add(EXAMPLES["confirmed"], None, 0.0)
    case.pull()
    case.pull(what="replay")
    assert [one.outcome for one in case.told if isinstance(one, Replayed)] == ["snapshot", "gone"]


def test_a_full_present_state_is_told() -> None:
    """A slot that had to go for want of room is counted."""
    case = Case(state_bytes=10)
    case.outlet.add(block(0), None, 0.0)
    case.outlet.add(block(1), None, 0.0)
    assert case.told == [MessageDropped(stage="out", reason="state_full", count=1)]


def test_what_a_peer_says_is_heard_once_and_answered_as_often_as_it_asks() -> None:
    """A repeated token is not acted on again; after the answer it gets the same answer again."""
    case = Case()
    assert case.say("t1") is None
    assert case.say("t1") is None
    (heard,) = case.outlet.said()
    assert same(heard.message, EXAMPLES["confirmed"])
    answer = case.outlet.answer_said(heard, True, "noted")
    assert unpack_reply(answer[0]) == case.say("t1") == Answered(token="t1", ok=True, text="noted")
    assert case.outlet.said() == []
    with pytest.raises(ValueError, match="answered before"):
        case.outlet.answer_said(heard, False, "again")


def test_what_peers_say_waits_in_a_bounded_queue() -> None:
    """When too much waits, the peer is told to come again, and may."""
    case = Case()
    for number in range(SAID_LIMIT):
        assert case.say(f"t{number}") is None
    refused = case.say("late")
    assert isinstance(refused, Answered)
    assert not refused.ok
    assert case.told == [MessageDropped(stage="out", reason="said_full")]
    assert len(case.outlet.said()) == SAID_LIMIT
    assert case.say("late") is None


def test_answers_are_not_remembered_for_ever() -> None:
    """Only the newest answers are kept for peers that ask again."""
    case = Case()
    for number in range(ANSWERS_REMEMBERED + 1):
        case.say(f"t{number}")
        (heard,) = case.outlet.said()
        case.outlet.answer_said(heard, True, "")
    assert case.say(f"t{ANSWERS_REMEMBERED}") is not None
    assert case.say("t0") is None
    assert len(case.outlet.said()) == 1


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"GET / HTTP/1.1\r\n\r\n"],
        [pack(Say(token="t"))],
        [pack(Say(token="t")), b"garbage"],
        [pack(Say(token="t")), *encode(EXAMPLES["angles"])[:-1]],
        [pack(Answered(token="t", ok=True, text=""))],
        [msgspec.msgpack.encode({"v": [2, 0], "type": "pull"})],
    ],
    ids=lambda parts: repr(parts)[:40],
)
def test_a_foreign_request_is_refused_with_a_reason(parts: list[bytes]) -> None:
    """Whoever asks nonsense is told what was wrong, and it is counted."""
    case = Case()
    answer = case.outlet.answer(PEER, parts, 0.0)
    assert answer is not None
    refused = unpack_reply(answer[0])
    assert isinstance(refused, Refused)
    assert refused.text
    assert case.outlet.said() == []
    assert [type(one) for one in case.told] == [MessageDropped]
