"""The sender over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from streamer.simulator.faults import Outgoing
from streamer.simulator.sender import Sender, SenderError, send_series


@pytest.fixture
def pull() -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    yield socket
    socket.close(0)
    context.term()


def received(socket: zmq.Socket[bytes]) -> bytes:
    assert socket.poll(10_000), "nothing came within 10 s"
    return socket.recv()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "ipc"])
def test_messages_arrive_in_order(address: str, tmp_path: Path, pull: zmq.Socket[bytes]) -> None:
    """What is sent comes out of a PULL socket, each message one part, in order, also when the sender has closed."""
    sender = Sender(f"ipc://{tmp_path}/detector" if address == "ipc" else address)
    pull.connect(sender.open())
    sender.wait_for_peer(10.0)
    send_series(sender, [Outgoing("image", i, bytes([i])) for i in range(20)], frame_time_s=0.0)
    sender.close()
    assert [received(pull) for _ in range(20)] == [bytes([i]) for i in range(20)]


def test_pace_is_kept_by_the_clock(tmp_path: Path, pull: zmq.Socket[bytes]) -> None:
    """Image i leaves (i + 1) frame times after the start; what is late leaves at once and does not delay the rest."""
    sender = Sender(f"ipc://{tmp_path}/detector")
    pull.connect(sender.open())
    sender.wait_for_peer(10.0)
    now_s = [100.0]
    left_s: dict[int | None, float] = {}

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    def sent(message: Outgoing) -> None:
        left_s.setdefault(message.image_id, now_s[0] - 100.0)
        if message.image_id == 2:
            now_s[0] += 0.35  # something else took the processor

    series = [Outgoing("start", None, b"s"), *(Outgoing("image", i, b"i") for i in range(8))]
    send_series(sender, series, 0.1, sent, clock=lambda: now_s[0], sleep=sleep)
    sender.close()
    expected = {None: 0.0, 0: 0.1, 1: 0.2, 2: 0.3, 3: 0.65, 4: 0.65, 5: 0.65, 6: 0.7, 7: 0.8}
    assert left_s == pytest.approx(expected)


def test_nobody_connected_is_an_error(tmp_path: Path) -> None:
    """Without a reader the error names the address and what to start."""
    sender = Sender(f"ipc://{tmp_path}/detector")
    sender.open()
    with pytest.raises(SenderError, match=r"nobody connected to ipc://.* within 0.05 s; start `bragglive streamer`"):
        sender.wait_for_peer(0.05)
    sender.close(0)


def flood(sender: Sender) -> None:
    for _ in range(10_000):
        sender.send(b"x" * 100_000)


def test_a_reader_that_stops_is_an_error(tmp_path: Path, pull: zmq.Socket[bytes]) -> None:
    """When the queues are full and nothing is taken, sending gives up after its patience."""
    sender = Sender(f"ipc://{tmp_path}/detector", patience_s=0.1)
    pull.setsockopt(zmq.RCVHWM, 1)
    pull.connect(sender.open())
    sender.wait_for_peer(10.0)
    with pytest.raises(SenderError, match=r"took nothing for 0.1 s"):
        flood(sender)
    sender.close(0)


def test_an_address_in_use_is_an_error(tmp_path: Path) -> None:
    """Binding twice names the address."""
    first = Sender("tcp://127.0.0.1:0")
    address = first.open()
    with pytest.raises(SenderError, match=f"cannot bind {address}"):
        Sender(address).open()
    first.close()
