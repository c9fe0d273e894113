"""The consuming end of a stream over ZeroMQ, and a single question to a service."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable

import zmq

from contract.codec import ContractError, Part, encode
from contract.happened import Happened, ignore
from contract.messages import AnyMessage
from contract.security import Keys, check_address, secure_client
from contract.stream_follower import AHEAD_BYTES
from contract.stream_intake import Intake
from contract.stream_types import Addresses, Answer, Link, Received
from contract.stream_wire import Answered, Refused, Say, pack, unpack_reply

LIVE_MESSAGES = 100
CONTROL_MESSAGES = 100
MAX_PART_BYTES = 1 << 30
LINGER_MS = 500
LOOK_EVERY_S = 0.1
READ_AT_ONCE = 100


def open_subscriber(
    addresses: Addresses,
    *,
    name: str = "stream",
    keys: Keys | None = None,
    happened: Callable[[Happened], None] = ignore,
    live_messages: int = LIVE_MESSAGES,
    ahead_bytes: int = AHEAD_BYTES,
) -> ZmqSubscriber:
    """Connect to a stream, whether or not its publisher is there yet.

    `live_messages` bounds what waits between two calls of `receive`; what finds no room comes by replay.
    SecurityError: an address beyond loopback without keys.
    """
    for address in addresses:
        check_address(address, keys)
    context = _context()
    live, control = context.socket(zmq.SUB), context.socket(zmq.DEALER)
    live.setsockopt(zmq.RCVHWM, live_messages)
    live.setsockopt(zmq.SUBSCRIBE, b"")
    control.setsockopt(zmq.IMMEDIATE, 1)
    for one, address in zip((live, control), addresses, strict=True):
        _connect(one, address, keys)
    intake = Intake(name, uuid.uuid4().hex, happened, ahead_bytes=ahead_bytes)
    return ZmqSubscriber(intake, live, control)


class ZmqSubscriber:
    """See `contract.stream_types.Subscriber`. It has no thread: sockets are served while `receive` is called."""

    def __init__(
        self,
        intake: Intake,
        live: zmq.Socket[bytes],
        control: zmq.Socket[bytes],
    ) -> None:
        self._intake = intake
        self._live = live
        self._control = control
        self._poller = zmq.Poller()
        self._poller.register(live, zmq.POLLIN)
        self._poller.register(control, zmq.POLLIN)

    def receive(self, timeout_s: float) -> list[Received]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._ask()
            received = self._read(self._live, self._intake.live) + self._read(self._control, self._intake.reply)
            if received:
                self._ask()
                return received
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return []
            # Not longer, because a question may become due again.
            self._poller.poll(math.ceil(1000 * min(left_s, LOOK_EVERY_S)))

    def say(self, message: AnyMessage) -> None:
        self._intake.say(message)
        self._ask()

    def link(self) -> Link:
        return self._intake.link(time.monotonic())

    def close(self) -> None:
        self._live.close(0)
        self._control.close(LINGER_MS)

    def _ask(self) -> None:
        for question in self._intake.questions(time.monotonic()):
            try:
                self._control.send_multipart(question, zmq.DONTWAIT)
            except zmq.Again:
                self._intake.unsent(time.monotonic())
                return

    def _read(self, one: zmq.Socket[bytes], take: Callable[[list[Part], float], list[Received]]) -> list[Received]:
        received: list[Received] = []
        for _ in range(READ_AT_ONCE):
            try:
                frames = one.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                break
            received += take([frame.buffer for frame in frames], time.monotonic())
        return received


def ask(addresses: Addresses, message: AnyMessage, timeout_s: float, *, keys: Keys | None = None) -> Answer:
    """Say `message` to the service that publishes at `addresses` and wait for its answer.

    Answer(False, reason) if there is none in time. SecurityError: an address beyond loopback without keys.
    """
    check_address(addresses.control, keys)
    control = _context().socket(zmq.DEALER)
    try:
        _connect(control, addresses.control, keys)
        token = uuid.uuid4().hex
        control.send_multipart([pack(Say(token=token)), *encode(message)])
        return _await(control, addresses.control, token, timeout_s)
    finally:
        control.close(0)


def _await(control: zmq.Socket[bytes], address: str, token: str, timeout_s: float) -> Answer:
    deadline_s = time.monotonic() + timeout_s
    while control.poll(int(1000 * max(0.0, deadline_s - time.monotonic()))):
        try:
            wire = unpack_reply(control.recv_multipart()[0])
        except ContractError as error:
            return Answer(False, f"answer of {address} is not understood: {error}")
        if isinstance(wire, Answered | Refused) and wire.token in (token, ""):
            return Answer(isinstance(wire, Answered) and wire.ok, wire.text)
    return Answer(False, f"no answer from {address} within {timeout_s:g} s; is the service running?")


def _context() -> zmq.Context[zmq.Socket[bytes]]:
    """The context of this process: one of our own would block its garbage collection while a socket is left open."""
    return zmq.Context.instance()


def _connect(one: zmq.Socket[bytes], address: str, keys: Keys | None) -> None:
    secure_client(one, keys)
    one.setsockopt(zmq.LINGER, 0)
    one.setsockopt(zmq.SNDHWM, CONTROL_MESSAGES)
    one.setsockopt(zmq.MAXMSGSIZE, MAX_PART_BYTES)
    one.setsockopt(zmq.RECONNECT_IVL, 100)
    one.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    one.setsockopt(zmq.HEARTBEAT_IVL, 2000)
    one.setsockopt(zmq.HEARTBEAT_TIMEOUT, 6000)
    one.connect(address)
