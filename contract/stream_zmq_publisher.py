"""The producing end of a stream over ZeroMQ: XPUB for new messages, ROUTER for snapshot, replay and what peers say."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from itertools import islice

import zmq

from contract.codec import Part
from contract.handshakes import Handshakes
from contract.happened import Happened, MessageDropped, Subscribers, ignore
from contract.messages import AnyMessage
from contract.security import Keys, check_address, guard, secure_server
from contract.stream_outbox import REPLAY_BYTES, STATE_BYTES, Outbox
from contract.stream_outlet import Heard, Outlet
from contract.stream_types import Addresses, Said

HEARTBEAT_S = 1.0
LIVE_MESSAGES = 100
CONTROL_MESSAGES = 100
MAX_REQUEST_BYTES = 16 << 20
LINGER_MS = 500
CLOSE_TIMEOUT_S = 1.5
SENT_AT_ONCE = 64


def open_publisher(
    addresses: Addresses,
    *,
    name: str = "stream",
    keys: Keys | None = None,
    happened: Callable[[Happened], None] = ignore,
    replay_bytes: int = REPLAY_BYTES,
    state_bytes: int = STATE_BYTES,
    live_messages: int = LIVE_MESSAGES,
    heartbeat_s: float = HEARTBEAT_S,
) -> ZmqPublisher:
    """Bind both addresses (port 0: any free one) and begin a new epoch.

    `live_messages` bounds what waits for one slow subscriber; what it loses it gets by replay. SecurityError: an
    address beyond loopback without keys. OSError: an address cannot be bound.
    """
    for address in addresses:
        check_address(address, keys)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    authenticator = guard(context, keys, happened, name)
    stop_guard = authenticator.stop if authenticator is not None else lambda: None
    live, control = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
    live.setsockopt(zmq.XPUB_VERBOSER, 1)
    live.setsockopt(zmq.SNDHWM, live_messages)
    control.setsockopt(zmq.ROUTER_MANDATORY, 1)
    control.setsockopt(zmq.SNDHWM, CONTROL_MESSAGES)
    control.setsockopt(zmq.RCVHWM, CONTROL_MESSAGES)
    handshakes = (Handshakes.of(live), Handshakes.of(control))
    try:
        bound = Addresses(*(_bind(one, address, keys) for one, address in zip((live, control), addresses, strict=True)))
    except OSError:
        stop_guard()
        context.destroy(linger=0)
        raise
    outbox = Outbox(uuid.uuid4().hex, replay_bytes=replay_bytes, state_bytes=state_bytes)
    publisher = ZmqPublisher(Outlet(outbox, name, happened), bound, socket.socketpair(), heartbeat_s)
    publisher.start(context, live, control, handshakes, stop_guard)
    return publisher


class ZmqPublisher:
    """See `contract.stream_types.Publisher`. One thread serves both sockets; `open_publisher` makes and starts it.

    `publish` only puts the message into the replay buffer and wakes that thread, so it never waits for a peer. When the
    thread falls behind by more than the replay buffer, messages go out to nobody; that is counted.
    """

    def __init__(
        self,
        outlet: Outlet,
        addresses: Addresses,
        wake: tuple[socket.socket, socket.socket],
        heartbeat_s: float,
    ) -> None:
        self._outlet = outlet
        self._addresses = addresses
        self._heartbeat_s = heartbeat_s
        self._lock = threading.Lock()
        """Over outlet and answers, which several threads use."""
        self._answers: deque[tuple[bytes, list[Part]]] = deque()
        self._wake_out, self._wake_in = wake
        for end in wake:
            end.setblocking(False)
        self._stop = False
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._sent = 0
        self._subscribers = 0

    @property
    def epoch(self) -> str:
        return self._outlet.outbox.epoch

    @property
    def addresses(self) -> Addresses:
        return self._addresses

    def publish(self, message: AnyMessage, *, slot: str | None = None) -> int:
        self._check()
        with self._lock:
            seq = self._outlet.add(message, slot, time.monotonic()).seq
        self._wake()
        return seq

    def forget(self, prefix: str) -> int:
        with self._lock:
            return self._outlet.outbox.forget(prefix)

    def said(self) -> list[Said]:
        self._check()
        with self._lock:
            heard = self._outlet.said()
        return [Said(one.message, self._answer(one)) for one in heard]

    def close(self) -> None:
        self._stop = True
        self._wake()
        if self._thread is not None:
            self._thread.join(CLOSE_TIMEOUT_S)
        self._wake_out.close()

    def start(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        live: zmq.Socket[bytes],
        control: zmq.Socket[bytes],
        handshakes: tuple[Handshakes, ...],
        stop_guard: Callable[[], None],
    ) -> None:
        """Hand the bound sockets over to the I/O thread."""

        def serve() -> None:
            try:
                self._serve(live, control, handshakes)
            except BaseException as fault:  # told by the next call from the service's own thread; raised again
                self._fault = fault
                raise
            finally:
                for one in handshakes:
                    one.close()
                live.close(LINGER_MS)
                control.close(LINGER_MS)
                self._wake_in.close()
                stop_guard()
                context.term()

        self._thread = threading.Thread(target=serve, name=f"{self._outlet.name} publisher", daemon=True)
        self._thread.start()

    def _check(self) -> None:
        if self._fault is not None:
            raise RuntimeError(f"the I/O thread of {self._outlet.name} has ended: {self._fault!r}") from self._fault
        if self._stop:
            raise RuntimeError(f"the publisher of {self._outlet.name} is closed")

    def _answer(self, heard: Heard) -> Callable[[bool, str], None]:
        def answer(ok: bool, text: str) -> None:
            with self._lock:
                self._answers.append((heard.sender, self._outlet.answer_said(heard, ok, text)))
            self._wake()

        return answer

    def _wake(self) -> None:
        # Full: so many wakes are waiting that one more is not needed. Closed: nobody is left to be woken.
        with contextlib.suppress(OSError):
            self._wake_out.send(b"!")

    def _serve(self, live: zmq.Socket[bytes], control: zmq.Socket[bytes], handshakes: tuple[Handshakes, ...]) -> None:
        poller = zmq.Poller()
        for one in (live, control, self._wake_in, *(failed.events for failed in handshakes)):
            poller.register(one, zmq.POLLIN)
        heartbeat_at_s = 0.0
        behind = False
        while True:
            stop = self._stop
            wait_s = 0.0 if behind or stop else max(0.0, heartbeat_at_s - time.monotonic())
            ready = dict(poller.poll(math.ceil(1000 * wait_s)))
            if self._wake_in.fileno() in ready:
                self._wake_in.recv(4096)
            for failed in handshakes:
                if failed.events in ready:
                    failed.tell(self._outlet.name, self._outlet.happened)
            joined = live in ready and self._count_subscribers(live)
            if control in ready:
                self._answer_requests(control)
            self._send_answers(control)
            behind = self._send_live(live)
            if joined or time.monotonic() >= heartbeat_at_s:
                live.send_multipart(self._outlet.heartbeat(self._sent))
                heartbeat_at_s = time.monotonic() + self._heartbeat_s
            if stop and not behind:
                return

    def _send_live(self, live: zmq.Socket[bytes]) -> bool:
        """Send what was published since; whether there is more. XPUB drops for a slow subscriber and never waits."""
        with self._lock:
            pending = list(islice(self._outlet.outbox.after(self._sent), SENT_AT_ONCE))
            last_seq = self._outlet.outbox.last_seq
        for stored in pending:
            if stored.seq > self._sent + 1:
                skipped = stored.seq - self._sent - 1
                self._outlet.happened(MessageDropped(stage=self._outlet.name, reason="backlog", count=skipped))
            live.send_multipart(self._outlet.live(stored), copy=False)
            self._sent = stored.seq
        return self._sent < last_seq

    def _count_subscribers(self, live: zmq.Socket[bytes]) -> bool:
        """Read who subscribed and left; whether somebody subscribed, who is then told at once where the stream is."""
        joined = False
        for _ in range(CONTROL_MESSAGES):
            try:
                said = live.recv(zmq.DONTWAIT)
            except zmq.Again:
                break
            if said in (b"\x01", b"\x00"):
                self._subscribers += 1 if said == b"\x01" else -1
                joined = joined or said == b"\x01"
                self._outlet.happened(Subscribers(stream=self._outlet.name, count=self._subscribers))
        return joined

    def _answer_requests(self, control: zmq.Socket[bytes]) -> None:
        for _ in range(CONTROL_MESSAGES):
            try:
                sender, *parts = control.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            with self._lock:
                answer = self._outlet.answer(sender, parts, time.monotonic())
            if answer is not None:
                self._send(control, sender, answer)

    def _send_answers(self, control: zmq.Socket[bytes]) -> None:
        with self._lock:
            answers = list(self._answers)
            self._answers.clear()
        for sender, parts in answers:
            self._send(control, sender, parts)

    def _send(self, control: zmq.Socket[bytes], sender: bytes, parts: list[Part]) -> None:
        try:
            control.send_multipart([sender, *parts], zmq.DONTWAIT, copy=False)
        except zmq.ZMQError as error:
            # Full or gone: the peer asks again if it is still there.
            if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise
            self._outlet.happened(MessageDropped(stage=self._outlet.name, reason="peer_full_or_gone"))


def _bind(one: zmq.Socket[bytes], address: str, keys: Keys | None) -> str:
    secure_server(one, keys)
    one.setsockopt(zmq.LINGER, LINGER_MS)
    one.setsockopt(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
    one.setsockopt(zmq.HEARTBEAT_IVL, 2000)
    one.setsockopt(zmq.HEARTBEAT_TIMEOUT, 6000)
    try:
        one.bind(address)
    except zmq.ZMQError as error:
        raise OSError(error.errno, f"cannot listen at {address}: {error.strerror}") from error
    return one.getsockopt_string(zmq.LAST_ENDPOINT)
