"""The stream without sockets: what publisher and subscriber promise, and the hook that loses live messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.happened import Happened, MessageDropped
from contract.messages import AnyMessage, FrameBlock
from contract.stream import MemoryStream, Publisher, Subscriber
from contract.stream_memory import LIVE_LIMIT
from tests.contract.examples import EXAMPLES, block, same


def _indices(subscriber: Subscriber) -> list[int]:
    """First frame of each block that comes."""
    received = [one.message for one in subscriber.receive(0.0)]
    return [int(message.index[0]) for message in received if isinstance(message, FrameBlock)]


def test_every_kind_of_message_travels() -> None:
    """All kinds come out as they went in, in order."""
    stream = MemoryStream()
    publisher: Publisher = stream.publisher()
    subscriber: Subscriber = stream.subscriber()
    subscriber.receive(0.0)
    for message in EXAMPLES.values():
        publisher.publish(message)
    received = subscriber.receive(0.0)
    assert [one.seq for one in received] == list(range(1, len(EXAMPLES) + 1))
    assert all(same(one.message, sent) for one, sent in zip(received, EXAMPLES.values(), strict=True))


def test_a_late_joiner_gets_the_present_state() -> None:
    """Whoever joins late gets the newest of each slot, with its age, and then goes on like the others."""
    now_s = [0.0]
    stream = MemoryStream(now=lambda: now_s[0])
    publisher = stream.publisher()
    for kind in ("hold_started", "notice", "hold_ended"):
        publisher.publish(EXAMPLES[kind])
    now_s[0] = 2.0
    late = stream.subscriber()
    (first,) = late.receive(0.0)
    assert (first.message, first.seq, first.age_s) == (EXAMPLES["hold_ended"], 3, 2.0)
    publisher.publish(EXAMPLES["notice"])
    assert [one.seq for one in late.receive(0.0)] == [4]


def test_a_slot_of_the_callers_choice() -> None:
    """A message can be given another place in the present state than its kind has."""
    stream = MemoryStream()
    publisher = stream.publisher()
    publisher.publish(EXAMPLES["notice"], slot="notice/newest")
    publisher.publish(EXAMPLES["confirmed"], slot="notice/newest")
    assert [one.seq for one in stream.subscriber().receive(0.0)] == [2]


def test_a_forgotten_scan_is_not_in_the_present_state() -> None:
    """What was forgotten does not reach late joiners."""
    stream = MemoryStream()
    publisher = stream.publisher()
    publisher.publish(block(scan="old"))
    publisher.publish(block(scan="new"))
    assert publisher.forget("scan/old/") == 1
    assert [one.seq for one in stream.subscriber().receive(0.0)] == [2]


@given(st.sets(st.integers(1, 30)), st.lists(st.integers(1, 10), min_size=1, max_size=6))
def test_lost_live_messages_come_by_replay(lost: set[int], portions: list[int]) -> None:
    """Whichever live messages are lost, the last ones too, all blocks come in order."""
    stream = MemoryStream(delivered=lambda seq, message: seq not in lost)
    publisher, subscriber = stream.publisher(), stream.subscriber()
    subscriber.receive(0.0)
    sent, got = 0, []
    for portion in portions:
        for _ in range(portion):
            publisher.publish(block(sent))
            sent += 1
        got += _indices(subscriber)
    assert got == list(range(sent))
    assert subscriber.link().lost == 0


def test_two_subscribers_lose_different_messages() -> None:
    """The hook sees each live message once a subscriber; who loses what is independent."""
    seen: list[tuple[int, str]] = []

    def delivered(seq: int, message: AnyMessage) -> bool:
        seen.append((seq, type(message).__name__))
        return len(seen) % 2 == 0

    stream = MemoryStream(delivered=delivered)
    publisher, first, second = stream.publisher(), stream.subscriber(), stream.subscriber()
    first.receive(0.0), second.receive(0.0)
    publisher.publish(block(0))
    assert seen == [(1, "FrameBlock")] * 2
    assert _indices(first) == _indices(second) == [0]
    assert first.link().gaps + second.link().gaps == 1


def test_a_new_publisher_is_a_new_epoch() -> None:
    """After a restart nothing of the old epoch is mixed in, and the new present state comes."""
    stream = MemoryStream()
    old, subscriber = stream.publisher(), stream.subscriber()
    old.publish(block(0))
    subscriber.receive(0.0)
    new = stream.publisher()
    old.publish(block(1))
    new.publish(block(2))
    received = subscriber.receive(0.0)
    assert [(one.epoch, one.seq) for one in received] == [(new.epoch, 1)]
    assert new.epoch != old.epoch


def test_a_subscriber_outlives_the_publisher() -> None:
    """While there is no publisher nothing comes; with the next one it goes on."""
    stream = MemoryStream()
    publisher, subscriber = stream.publisher(), stream.subscriber()
    publisher.close()
    assert subscriber.receive(0.0) == []
    stream.publisher().publish(block(5))
    assert _indices(subscriber) == [5]


def test_what_is_said_is_heard_and_answered() -> None:
    """A subscriber's word reaches the publisher's service once, and its answer comes back."""
    stream = MemoryStream()
    publisher, subscriber = stream.publisher(), stream.subscriber()
    subscriber.say(EXAMPLES["confirmed"])
    subscriber.receive(0.0)
    (said,) = publisher.said()
    assert said.message == EXAMPLES["confirmed"]
    said.answer(True, "")
    subscriber.receive(0.0)
    assert publisher.said() == []
    with pytest.raises(ValueError, match="answered before"):
        said.answer(True, "")


def test_a_subscriber_that_does_not_read_loses_nothing() -> None:
    """Its queue is bounded, what finds no room is counted and comes by replay."""
    told: list[Happened] = []
    stream = MemoryStream(happened=told.append)
    publisher, subscriber = stream.publisher(), stream.subscriber()
    subscriber.receive(0.0)
    for index in range(LIVE_LIMIT + 3):
        publisher.publish(block(index))
    dropped = [one for one in told if isinstance(one, MessageDropped)]
    assert dropped == [MessageDropped(stage="memory", reason="full")] * 3
    assert _indices(subscriber) == list(range(LIVE_LIMIT + 3))


def test_a_closed_subscriber_is_sent_nothing() -> None:
    """What nobody reads does not pile up."""
    stream = MemoryStream()
    publisher, subscriber = stream.publisher(), stream.subscriber()
    subscriber.close()
    publisher.publish(block(0))
    assert stream.queues == []
