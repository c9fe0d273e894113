"""A network that swallows: connections that are open at both ends and carry nothing, or are reset."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from contract.messages import AnyMessage, Confirmed, Scan
from contract.stream import Addresses, Subscriber, open_publisher, open_subscriber

ANYWHERE = Addresses("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
DEADLINE_S = 30.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket that is reset when it is closed"""


class Relay:
    """Stands between two ends and passes on what they say, until it does not."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("tcp://").split(":")
        self._target = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._swallowed: set[socket.socket] = set()
        self._stop = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def swallow(self) -> None:
        """What comes over the connections that there are goes nowhere from now on; new ones are passed on."""
        self._swallowed |= set(self._pairs)

    def reset(self) -> None:
        """Cut the connections that there are, with RST."""
        for one in list(self._pairs):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            one.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        self._stop = True
        self._thread.join()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as waiting, self._listening:
            waiting.register(self._listening, selectors.EVENT_READ)
            while not self._stop:
                for key, _ in waiting.select(0.05):
                    if key.fileobj is self._listening:
                        self._accept(waiting)
                    elif isinstance(key.fileobj, socket.socket):
                        self._pass_on(key.fileobj, waiting)
            for one in self._pairs:
                one.close()

    def _accept(self, waiting: selectors.BaseSelector) -> None:
        near, _ = self._listening.accept()
        far = socket.create_connection(self._target)
        self._pairs |= {near: far, far: near}
        for one in (near, far):
            waiting.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket, waiting: selectors.BaseSelector) -> None:
        if one not in self._pairs:
            return
        try:
            data = one.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            for end in (one, self._pairs[one]):
                waiting.unregister(end)
                del self._pairs[end]
                end.close()
        elif one not in self._swallowed:
            with contextlib.suppress(OSError):
                self._pairs[one].sendall(data)


@pytest.fixture
def relay() -> Iterator[Callable[[str], Relay]]:
    """Makes a `Relay`."""
    made: list[Relay] = []

    def make(target: str) -> Relay:
        made.append(Relay(target))
        return made[-1]

    yield make
    for one in made:
        one.close()


def heard(subscriber: Subscriber, wanted: int) -> list[AnyMessage]:
    """The messages that came, once they are so many."""
    messages: list[AnyMessage] = []
    deadline_s = time.monotonic() + DEADLINE_S
    while len(messages) < wanted:
        assert time.monotonic() < deadline_s, f"{len(messages)} messages came, wanted {wanted}"
        messages += [one.message for one in subscriber.receive(0.1)]
    return messages


@pytest.mark.parametrize("what", ["swallow", "reset"])
def test_a_connection_that_is_lost_without_a_word_is_made_anew(relay: Callable[[str], Relay], what: str) -> None:
    """What was said while nothing came through arrives in the end, each message once and in order."""
    publisher = open_publisher(ANYWHERE)
    between = [relay(address) for address in publisher.addresses]
    subscriber = open_subscriber(Addresses(*(one.address for one in between)))
    said = [Confirmed(scan=Scan(f"scan-{number}"), revision=number) for number in range(6)]
    try:
        for message in said[:3]:
            publisher.publish(message, slot=message.scan)
        assert heard(subscriber, 3) == said[:3]
        for one in between:
            getattr(one, what)()
        for message in said[3:]:
            publisher.publish(message, slot=message.scan)
        assert heard(subscriber, 3) == said[3:]
    finally:
        subscriber.close()
        publisher.close()
