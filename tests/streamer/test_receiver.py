"""The receiving thread on real sockets: what is pushed arrives, and no message ends the ingest for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from contract.security import Keys, secure_server
from contract.telemetry import Backpressure, Happened, PeerReconnected, PeerUp
from streamer.frame_queue import FrameQueue
from streamer.receiver import Receiver

FENCE = 50_000
WAIT_S = 20.0


class Happenings(list[Happened]):
    """What happened, and waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def __call__(self, record: Happened) -> None:
        with self._changed:
            self.append(record)
            self._changed.notify_all()

    def wait_for(self, test: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(test, WAIT_S)


class Rig:
    """Detectors that bind PUSH sockets, and a receiver that connects to them."""

    def __init__(self, addresses: list[str], queue: FrameQueue, keys: Keys | None) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.keys = keys
        self.detectors = [self.bind(address) for address in addresses]
        self.addresses = [str(one.getsockopt_string(zmq.LAST_ENDPOINT)) for one in self.detectors]
        self.happenings = Happenings()
        self.queue = queue
        self.receiver = Receiver(
            tuple(self.addresses),
            queue,
            high_water_frames=4,
            fence_bytes=FENCE,
            happened=self.happenings,
            keys=None if keys is None else keys._replace(server=keys.public),
        )
        self.receiver.open()

    def bind(self, address: str) -> zmq.Socket[bytes]:
        push = self.context.socket(zmq.PUSH)
        push.setsockopt(zmq.LINGER, 0)
        push.setsockopt(zmq.SNDHWM, 4)
        push.setsockopt(zmq.SNDTIMEO, int(1000 * WAIT_S))
        secure_server(push, self.keys)
        push.bind(address)
        return push

    def get(self) -> bytes:
        message = self.queue.get(WAIT_S, 1, 1)[0]
        return b"|".join(bytes(part) for part in message.parts)

    def close(self) -> None:
        self.receiver.close()
        self.context.destroy(0)


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    """Makes a `Rig`."""
    made: list[Rig] = []

    def make(*addresses: str, queue: FrameQueue | None = None, keys: Keys | None = None) -> Rig:
        made.append(Rig(list(addresses) or ["tcp://127.0.0.1:0"], queue or FrameQueue(100, 1 << 20), keys))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_messages_arrive_with_source_and_time(rig: Callable[..., Rig], tmp_path: Path) -> None:
    """Messages of several detectors, over tcp and ipc, of one part or more, arrive and tell where they came from."""
    one = rig("tcp://127.0.0.1:0", f"ipc://{tmp_path}/detector")
    one.receiver.start()
    one.detectors[0].send(b"a" * 30_000)
    (message,) = one.queue.get(WAIT_S, 1, 1)
    assert message is not None
    assert (message.source, message.size, message.at.wall_ns > 0) == (one.addresses[0], 30_000, True)
    one.detectors[1].send_multipart([b"header", b"body"])
    assert one.get() == b"header|body"


def test_an_oversized_message_does_not_end_the_ingest(rig: Callable[..., Rig]) -> None:
    """ZeroMQ drops the connection for good over a message beyond its limit; we make it anew, and frames come again."""
    one = rig()
    one.receiver.start()
    one.detectors[0].send(b"before")
    assert one.get() == b"before"
    one.detectors[0].send(bytes(FENCE + 1))
    assert one.happenings.wait_for(lambda: any(isinstance(record, PeerReconnected) for record in one.happenings))
    one.detectors[0].send(b"after")
    assert one.get() == b"after"
    ups = [record.up for record in one.happenings if isinstance(record, PeerUp)]
    assert ups == [True, False, True]


def test_a_detector_that_starts_anew_is_heard_again(rig: Callable[..., Rig]) -> None:
    """A detector that was away, and one that comes later than we, is received."""
    one = rig()
    one.receiver.start()
    one.context.destroy(0)
    one.context = zmq.Context()
    again = one.bind(one.addresses[0])
    again.send(b"again")
    assert one.get() == b"again"


def test_a_relay_with_curve_is_heard(rig: Callable[..., Rig]) -> None:
    """Where the detector's end demands CURVE, messages come as they do without."""
    public, secret = zmq.curve_keypair()
    one = rig(keys=Keys(public=public, secret=secret, server=public, allowed=frozenset()))
    one.receiver.start()
    one.detectors[0].send(b"secret")
    assert one.get() == b"secret"


def test_a_full_queue_makes_the_detector_wait(rig: Callable[..., Rig]) -> None:
    """Nothing is dropped when the queue is full: the sender waits, the time is counted, and all arrives in order."""
    one = rig(queue=FrameQueue(2, 1 << 20))
    one.receiver.start()
    count = 2000  # times 20 kB: more than the operating system keeps for a connection
    sent = threading.Thread(
        target=lambda: [one.detectors[0].send(b"%05d" % number + bytes(20_000)) for number in range(count)]
    )
    sent.start()
    sent.join(0.5)
    assert sent.is_alive()
    assert [int(one.get()[:5]) for _ in range(count)] == list(range(count))
    sent.join(WAIT_S)
    assert sum(record.waited_s for record in one.happenings if isinstance(record, Backpressure)) > 0.1


def test_closing_leaves_what_has_come_in_the_queue(rig: Callable[..., Rig]) -> None:
    """What was received before closing can still be taken, and the thread ends even while it waits for room."""
    one = rig(queue=FrameQueue(1, 1 << 20))
    one.receiver.start()
    for number in range(4):
        one.detectors[0].send(b"%d" % number)
    assert one.get() == b"0"
    one.receiver.close()
    left = [bytes(message.parts[0]) for message in one.queue.get(0.0, 9, 1 << 20)]
    assert left == [b"1", b"2", b"3"]
    assert not one.receiver.running


def test_an_address_that_is_none_is_refused_at_once() -> None:
    """A wrong address is named when the service opens, not when frames are missed."""
    receiver = Receiver(
        ("tcp//nowhere",),
        FrameQueue(1, 1),
        high_water_frames=1,
        fence_bytes=1,
        happened=lambda record: None,
    )
    with pytest.raises(OSError, match="detector address 'tcp//nowhere' cannot be connected to"):
        receiver.open()
