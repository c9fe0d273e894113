"""The sending end of a detector control unit: binds PUSH and sends one message after the other, at a pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import zmq

from streamer.simulator.faults import Outgoing

HIGH_WATER = 50
"""Messages that wait for a slow reader; then `send` waits."""
LINGER_MS = 10_000
"""How long closing waits for what was sent to leave."""


class SenderError(RuntimeError):
    """Nobody takes what is to be sent, or the address cannot be bound."""


class Sender:
    """One PUSH socket, bound. Interrupting a wait (KeyboardInterrupt) is safe; close it then with `linger_ms` 0."""

    def __init__(self, address: str, patience_s: float = 60.0) -> None:
        self.address = address
        self._patience_s = patience_s
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None

    def open(self) -> str:
        """Bind; the address really bound."""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        try:
            self._socket.bind(self.address)
        except zmq.ZMQError as error:
            self.close(0)
            raise SenderError(f"cannot bind {self.address}: {error.strerror}") from error
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        return self.address

    def wait_for_peer(self, timeout_s: float) -> None:
        """Return when somebody is connected to read; SenderError after `timeout_s`."""
        if not self._opened().poll(int(timeout_s * 1000), zmq.POLLOUT):
            raise SenderError(f"nobody connected to {self.address} within {timeout_s:g} s; start `bragglive streamer`")

    def send(self, message: bytes) -> None:
        """Send, waiting while the reader is behind; SenderError when it stays behind for the sender's patience."""
        socket = self._opened()
        if not socket.poll(int(self._patience_s * 1000), zmq.POLLOUT):
            raise SenderError(f"the reader of {self.address} took nothing for {self._patience_s:g} s")
        socket.send(message)

    def close(self, linger_ms: int = LINGER_MS) -> None:
        """Let go of the address when everything has left, or `linger_ms` has passed."""
        if self._socket is not None:
            self._socket.close(linger_ms)
            self._socket = None
        if self._context is not None:
            self._context.term()
            self._context = None

    def _opened(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            raise SenderError(f"the sender at {self.address} is not open")
        return self._socket


def send_series(
    sender: Sender,
    messages: Iterable[Outgoing],
    frame_time_s: float,
    sent: Callable[[Outgoing], None] = lambda message: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send a series: image i leaves (i + 1) · `frame_time_s` after the start message, by the monotonic clock.

    Late images follow at once, so delays do not add up. `sent` is called after each message.
    """
    began_s = clock()
    for message in messages:
        if message.image_id is not None:
            left_s = began_s + (message.image_id + 1) * frame_time_s - clock()
            if left_s > 0:
                sleep(left_s)
        sender.send(message.data)
        if message.kind == "start":
            began_s = clock()
        sent(message)
