"""The stream over real sockets: tcp and ipc, late joiners, losses, restarts, strangers."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from contract.codec import Part, encode
from contract.happened import Happened, MessageDropped, PeerReconnected, Subscribers
from contract.messages import FrameBlock
from contract.stream import Addresses, Publisher, Received, Subscriber, ask, open_publisher, open_subscriber
from contract.stream_wire import Batch, Envelope, Heartbeat, Pull, Refused, Say, pack, unpack_reply
from tests.contract.examples import EXAMPLES, block, same

ANYWHERE = Addresses("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
TIMEOUT_S = 20.0


@pytest.fixture(params=["tcp", "ipc"])
def addresses(request: pytest.FixtureRequest, tmp_path: Path) -> Addresses:
    """Where a publisher can be opened, for both transports."""
    if request.param == "tcp":
        return ANYWHERE
    return Addresses(f"ipc://{tmp_path}/live", f"ipc://{tmp_path}/control")


@pytest.fixture
def closing() -> Iterator[Callable[[Publisher | Subscriber], None]]:
    """Have something closed after the test."""
    opened: list[Publisher | Subscriber] = []
    yield opened.append
    for one in reversed(opened):
        one.close()


class Told:
    """What was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[Happened] = []
        self._changed = threading.Condition()

    def __call__(self, happened: Happened) -> None:
        with self._changed:
            self.told.append(happened)
            self._changed.notify_all()

    def wait_for(self, wanted: Happened) -> bool:
        """Whether `wanted` was told in time."""
        with self._changed:
            return self._changed.wait_for(lambda: wanted in self.told, TIMEOUT_S)


def _receive(subscriber: Subscriber, count: int) -> list[Received]:
    """At least `count` messages."""
    received: list[Received] = []
    deadline_s = time.monotonic() + TIMEOUT_S
    while len(received) < count and time.monotonic() < deadline_s:
        received += subscriber.receive(0.5)
    return received


def _joined(subscriber: Subscriber) -> None:
    """Wait until the subscriber has had its first snapshot."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not subscriber.link().epoch and time.monotonic() < deadline_s:
        subscriber.receive(0.05)


def _large(index: int) -> FrameBlock:
    return block(index, rows=250, columns=250)


def test_every_kind_of_message_travels(addresses: Addresses, closing: Callable[[object], None]) -> None:
    """All kinds come out as they went in, in order, with read-only arrays that were not copied."""
    publisher = open_publisher(addresses)
    closing(publisher)
    subscriber = open_subscriber(publisher.addresses)
    closing(subscriber)
    _joined(subscriber)
    for message in [*EXAMPLES.values(), _large(0)]:
        publisher.publish(message)
    received = _receive(subscriber, len(EXAMPLES) + 1)
    assert [one.seq for one in received] == list(range(1, len(EXAMPLES) + 2))
    assert all(same(one.message, sent) for one, sent in zip(received, EXAMPLES.values(), strict=False))
    large = received[-1].message
    assert isinstance(large, FrameBlock)
    assert not large.counts.flags.owndata
    assert not large.counts.flags.writeable


def test_a_late_joiner_gets_the_present_state(addresses: Addresses, closing: Callable[[object], None]) -> None:
    """The snapshot holds the newest of each slot, with its age, in as many ranges as it needs."""
    publisher = open_publisher(addresses)
    closing(publisher)
    for index in range(90):
        publisher.publish(_large(index))
    publisher.publish(EXAMPLES["hold_started"])
    publisher.publish(EXAMPLES["hold_ended"])
    late = open_subscriber(publisher.addresses)
    closing(late)
    received = _receive(late, 91)
    assert [one.seq for one in received] == [*range(1, 91), 92]
    assert all(one.age_s > 0 for one in received)
    assert late.link().lost == 0


def test_a_subscriber_may_come_first(tmp_path: Path, closing: Callable[[object], None]) -> None:
    """A subscriber waits for a publisher that is not there yet, and connects to it as it comes."""
    addresses = Addresses(f"ipc://{tmp_path}/live", f"ipc://{tmp_path}/control")
    subscriber = open_subscriber(addresses)
    closing(subscriber)
    assert subscriber.receive(0.05) == []
    assert not subscriber.link().connected
    publisher = open_publisher(addresses)
    closing(publisher)
    publisher.publish(block(0))
    assert [one.seq for one in _receive(subscriber, 1)] == [1]
    assert subscriber.link().connected


def test_a_slow_subscriber_has_what_it_missed_replayed(addresses: Addresses, closing: Callable[[object], None]) -> None:
    """Live messages that found no room, the last ones too, come by replay: all, in order, without a gap."""
    told = Told()
    publisher = open_publisher(addresses, live_messages=5, heartbeat_s=0.1)
    closing(publisher)
    subscriber = open_subscriber(publisher.addresses, live_messages=5, happened=told)
    closing(subscriber)
    _joined(subscriber)
    for index in range(200):
        publisher.publish(_large(index))
    received = _receive(subscriber, 200)
    assert [one.seq for one in received] == list(range(1, 201))
    link = subscriber.link()
    assert link.gaps > 0
    assert link.replays > 0
    assert link.lost == 0
    missed = [one for one in told.told if isinstance(one, MessageDropped) and one.reason == "missed"]
    assert missed


def test_a_heartbeat_shows_a_lost_tail(closing: Callable[[object], None]) -> None:
    """When the last live messages were lost and no more come, the heartbeat shows it and they are replayed."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    live = context.socket(zmq.XPUB)
    port = live.bind_to_random_port("tcp://127.0.0.1")
    publisher = open_publisher(ANYWHERE, heartbeat_s=0.1)
    closing(publisher)
    # This subscriber hears the control socket of the publisher, but a live socket on which messages are lost.
    subscriber = open_subscriber(Addresses(f"tcp://127.0.0.1:{port}", publisher.addresses.control))
    closing(subscriber)
    assert live.poll(int(1000 * TIMEOUT_S))
    _joined(subscriber)
    for index in range(3):
        publisher.publish(block(index))
    assert subscriber.receive(0.05) == []
    live.send_multipart([b"heartbeat", pack(Heartbeat(epoch=publisher.epoch, last_seq=3))])
    assert [one.seq for one in _receive(subscriber, 3)] == [1, 2, 3]
    live.close(0)
    context.term()


def test_a_restarted_publisher_begins_anew(tmp_path: Path, closing: Callable[[object], None]) -> None:
    """The subscriber finds the new publisher by itself, takes its snapshot, and mixes nothing of the old one in."""
    told = Told()
    addresses = Addresses(f"ipc://{tmp_path}/live", f"ipc://{tmp_path}/control")
    old = open_publisher(addresses)
    subscriber = open_subscriber(addresses, happened=told)
    closing(subscriber)
    old.publish(block(0))
    old.publish(block(1))
    assert len(_receive(subscriber, 2)) == 2
    old.close()
    new = open_publisher(addresses)
    closing(new)
    new.publish(block(7))
    received = _receive(subscriber, 1)
    assert [(one.epoch, one.seq) for one in received] == [(new.epoch, 1)]
    assert PeerReconnected(peer="stream") in told.told


def test_what_is_no_longer_kept_comes_as_a_snapshot(closing: Callable[[object], None]) -> None:
    """A subscriber that was away for too long gets the present state, and knows how many messages it lost."""
    publisher = open_publisher(ANYWHERE, replay_bytes=1000, live_messages=1)
    closing(publisher)
    subscriber = open_subscriber(publisher.addresses, live_messages=1)
    closing(subscriber)
    _joined(subscriber)
    for _ in range(100):
        publisher.publish(_large(0))
    received: list[Received] = []
    while not received or received[-1].seq < 100:
        received += _receive(subscriber, 1)
    seqs = [one.seq for one in received]
    assert seqs == sorted(set(seqs))
    assert subscriber.link().lost == 100 - len(seqs) > 0


def test_publishing_never_waits_for_a_subscriber(closing: Callable[[object], None]) -> None:
    """A subscriber that does not read holds nobody up."""
    publisher = open_publisher(ANYWHERE, live_messages=2)
    closing(publisher)
    stuck = open_subscriber(publisher.addresses)
    closing(stuck)
    _joined(stuck)
    began_s = time.monotonic()
    for index in range(200):
        publisher.publish(_large(index))
    assert time.monotonic() - began_s < 5.0


def test_what_is_said_is_heard_answered_and_repeated_to_the_next_publisher(
    tmp_path: Path, closing: Callable[[object], None]
) -> None:
    """A word that was not answered before the publisher ended is heard by the next one."""
    addresses = Addresses(f"ipc://{tmp_path}/live", f"ipc://{tmp_path}/control")
    subscriber = open_subscriber(addresses)
    closing(subscriber)
    subscriber.say(EXAMPLES["confirmed"])
    subscriber.receive(0.05)
    publisher = open_publisher(addresses)
    closing(publisher)
    said: list[object] = []
    deadline_s = time.monotonic() + TIMEOUT_S
    while not said and time.monotonic() < deadline_s:
        subscriber.receive(0.05)
        for one in publisher.said():
            said.append(one.message)
            one.answer(True, "noted")
    assert said == [EXAMPLES["confirmed"]]


def test_asking_gives_the_services_answer(addresses: Addresses, closing: Callable[[object], None]) -> None:
    """A single question comes back with what the service said."""
    publisher = open_publisher(addresses)
    closing(publisher)

    def serve() -> None:
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            for one in publisher.said():
                one.answer(False, f"heard {type(one.message).__name__}")
                return
            answered.wait(0.01)

    answered = threading.Event()
    thread = threading.Thread(target=serve)
    thread.start()
    answer = ask(publisher.addresses, EXAMPLES["hold_started"], TIMEOUT_S)
    answered.set()
    thread.join()
    assert answer == (False, "heard HoldStarted")


def test_asking_where_nobody_answers_ends_in_time(tmp_path: Path) -> None:
    """Without a service the answer is no, with a reason."""
    began_s = time.monotonic()
    answer = ask(Addresses(f"ipc://{tmp_path}/a", f"ipc://{tmp_path}/b"), EXAMPLES["hold_started"], 0.2)
    assert not answer.ok
    assert "no answer from ipc://" in answer.text
    assert time.monotonic() - began_s < 5.0


def _stranger(kind: int, address: str) -> tuple[zmq.Context[zmq.Socket[bytes]], zmq.Socket[bytes]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    one = context.socket(kind)
    one.setsockopt(zmq.LINGER, 0)
    one.connect(address)
    return context, one


@pytest.mark.parametrize(
    "request_parts",
    [[b""], [b"GET / HTTP/1.1\r\n\r\n"], [b"a"] * 200, [pack(Say(token="t")), b"?"], [bytes(1 << 20)]],
    ids=["empty", "browser", "many parts", "no message", "large"],
)
def test_strangers_are_told_what_is_wrong(request_parts: list[bytes], closing: Callable[[object], None]) -> None:
    """Nonsense on the control socket is refused and counted, and the publisher goes on."""
    told = Told()
    publisher = open_publisher(ANYWHERE, happened=told)
    closing(publisher)
    context, stranger = _stranger(zmq.DEALER, publisher.addresses.control)
    stranger.send_multipart(request_parts)
    assert stranger.poll(int(1000 * TIMEOUT_S))
    assert isinstance(unpack_reply(stranger.recv_multipart()[0]), Refused)
    stranger.send(pack(Pull(what="snapshot", epoch="", after=0)))
    assert isinstance(unpack_reply(stranger.recv_multipart()[0]), Batch)
    assert [one.reason for one in told.told if isinstance(one, MessageDropped)] == ["malformed"]
    stranger.close()
    context.term()


def test_garbage_on_the_ports_harms_nobody(closing: Callable[[object], None]) -> None:
    """Port scanners, requests that are too large and talkative subscribers do not stop the stream."""
    publisher = open_publisher(ANYWHERE)
    closing(publisher)
    for address in publisher.addresses:
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 5.0) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" + bytes(1000))
    control, too_large = _stranger(zmq.DEALER, publisher.addresses.control)
    too_large.send(bytes((16 << 20) + 1))
    live, talkative = _stranger(zmq.XSUB, publisher.addresses.live)
    for word in (b"\x01", b"hello", b"\x02" * 1000):
        talkative.send(word)
    subscriber = open_subscriber(publisher.addresses)
    closing(subscriber)
    publisher.publish(block(0))
    assert [one.seq for one in _receive(subscriber, 1)] == [1]
    for one, context in ((too_large, control), (talkative, live)):
        one.close(0)
        context.term()


def test_a_foreign_publisher_harms_no_subscriber(closing: Callable[[object], None]) -> None:
    """A subscriber that was pointed at something else counts what it refuses, and says it is not connected."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    foreign, router = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
    ports = [one.bind_to_random_port("tcp://127.0.0.1") for one in (foreign, router)]
    subscriber = open_subscriber(Addresses(*(f"tcp://127.0.0.1:{port}" for port in ports)))
    closing(subscriber)
    assert foreign.poll(int(1000 * TIMEOUT_S))
    messages: list[list[Part]] = [
        [b"x"],
        [b"{}", b"[]"],
        [b"live", pack(Envelope(epoch="e", seq=1))],
        [b"v", *encode(block())],
    ]
    deadline_s = time.monotonic() + TIMEOUT_S
    for parts in itertools.cycle(messages):
        if subscriber.link().refused >= len(messages) or time.monotonic() > deadline_s:
            break
        foreign.send_multipart(parts)
        assert subscriber.receive(0.01) == []
        while router.poll(0):
            router.send_multipart([router.recv_multipart()[0], b"no idea"])
    assert subscriber.link().refused >= len(messages)
    assert subscriber.link().epoch == ""
    for one in (foreign, router):
        one.close(0)
    context.term()


def test_who_listens_is_counted(closing: Callable[[object], None]) -> None:
    """Subscribers are counted as they come and as they go."""
    told = Told()
    publisher = open_publisher(ANYWHERE, name="frames", happened=told)
    closing(publisher)
    subscriber = open_subscriber(publisher.addresses)
    assert told.wait_for(Subscribers(stream="frames", count=1))
    subscriber.close()
    assert told.wait_for(Subscribers(stream="frames", count=0))


def test_what_was_published_last_still_goes_out(closing: Callable[[object], None]) -> None:
    """Closing sends what was published before, and takes less than the two seconds a service has."""
    publisher = open_publisher(ANYWHERE)
    subscriber = open_subscriber(publisher.addresses)
    closing(subscriber)
    _joined(subscriber)
    for index in range(20):
        publisher.publish(block(index))
    began_s = time.monotonic()
    publisher.close()
    assert time.monotonic() - began_s < 2.0
    assert [one.seq for one in _receive(subscriber, 20)] == list(range(1, 21))


def test_a_closed_publisher_takes_no_more() -> None:
    """Publishing after closing is a mistake of ours, and says so; closing twice is none."""
    publisher = open_publisher(ANYWHERE)
    publisher.close()
    publisher.close()
    with pytest.raises(RuntimeError, match="closed"):
        publisher.publish(block(0))


def test_an_address_in_use_is_named(closing: Callable[[object], None]) -> None:
    """The error names the address that could not be had, and leaves nothing open."""
    publisher = open_publisher(ANYWHERE)
    closing(publisher)
    with pytest.raises(OSError, match=f"cannot listen at {publisher.addresses.live}: Address already in use"):
        open_publisher(publisher.addresses)


def test_many_threads_may_publish(closing: Callable[[object], None]) -> None:
    """Messages published by several threads have one order without gaps."""
    publisher = open_publisher(ANYWHERE)
    closing(publisher)
    subscriber = open_subscriber(publisher.addresses)
    closing(subscriber)
    _joined(subscriber)
    seqs: list[int] = []

    def publish(first: int) -> None:
        seqs.extend(publisher.publish(block(first + index)) for index in range(50))

    threads = [threading.Thread(target=publish, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    received = _receive(subscriber, 200)
    assert sorted(seqs) == [one.seq for one in received] == list(range(1, 201))
    frames = np.sort([one.message.index[0] for one in received if isinstance(one.message, FrameBlock)])
    assert frames.tolist() == [100 * number + index for number in range(4) for index in range(50)]
