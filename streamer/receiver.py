"""The receiving thread: ZeroMQ PULL sockets connected to the detectors → the queue. Nothing is looked into here: two
threads that both run Python wait for each other (reading the messages here cost a fifth of the throughput).

Two traps of ZeroMQ, tried with 4.3.5. A message larger than MAXMSGSIZE ends its connection, and a PULL socket that
connected does not come back by itself: ingest would have stopped for ever, silently. So MAXMSGSIZE is a fence well
above the largest message that is used (which is refused later, by reason "size"), and a lost connection that ZeroMQ
does not restore is made anew. And the high-water mark counts messages, here frames: it bounds what is lost with the
process, which is listed as missing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import zmq
from zmq.utils.monitor import recv_monitor_message

from contract.security import Keys, secure_client
from contract.telemetry import AuthFailed, Backpressure, Happened, PeerReconnected, PeerUp
from streamer.frame_queue import Arrival, FrameQueue
from streamer.journal import At

POLL_MS = 100
AT_ONCE = 16
AT_ONCE_BYTES = 4 << 20
"""What is brought to the queue together, unless a single message is larger."""
RECONNECT_S = 1.0
"""ZeroMQ's own reconnection begins after 0.1 s; if it has not by then, it never does."""
REFUSED = zmq.Event.HANDSHAKE_FAILED_AUTH | zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
RECONNECTING = zmq.Event.CONNECT_DELAYED | zmq.Event.CONNECT_RETRIED | zmq.Event.CONNECTED


@dataclass(slots=True)
class _Leg:
    """One detector."""

    address: str
    socket: zmq.Socket[bytes]
    monitor: zmq.Socket[bytes]
    lost_s: float | None = None
    """Since when there has been no connection and no attempt at one."""
    up: bool = False
    before: bool = False
    """It was connected at some time."""


class Receiver:
    """`open`, then `start`; `queue` has what came; `close` stops the thread and leaves the queue to be emptied."""

    def __init__(
        self,
        addresses: tuple[str, ...],
        queue: FrameQueue,
        *,
        high_water_frames: int,
        fence_bytes: int,
        happened: Callable[[Happened], None],
        keys: Keys | None = None,
    ) -> None:
        self.queue = queue
        self._keys = keys
        self._addresses = addresses
        self._high_water_frames = high_water_frames
        self._fence_bytes = fence_bytes
        self._happened = happened
        self._legs: list[_Leg] = []
        self._stop = threading.Event()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="receiver")
        self._receiving: Future[None] | None = None

    def open(self) -> None:
        """Connect to all detectors, whether they are there yet or not. OSError: an address that is none."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        for address in self._addresses:
            pull = self._context.socket(zmq.PULL)
            pull.setsockopt(zmq.RCVHWM, self._high_water_frames)
            pull.setsockopt(zmq.MAXMSGSIZE, self._fence_bytes)
            pull.setsockopt(zmq.LINGER, 0)
            secure_client(pull, self._keys)
            monitor = pull.get_monitor_socket()
            try:
                pull.connect(address)
            except zmq.ZMQError as error:
                raise OSError(f"detector address {address!r} cannot be connected to: {error}") from error
            self._legs.append(_Leg(address, pull, monitor))

    def start(self) -> None:
        """Begin to receive."""
        self._receiving = self._executor.submit(self._receive)

    @property
    def running(self) -> bool:
        """Whether messages are being received."""
        return self._receiving is not None and not self._receiving.done()

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._receiving is not None and self._receiving.done():
            self._receiving.result()

    def close(self) -> None:
        """Receive nothing more. What has come, up to the high-water mark, is in the queue."""
        self._stop.set()
        self.queue.close()
        self._executor.shutdown(wait=True)
        for leg in self._legs:
            leg.socket.disable_monitor()
            leg.monitor.close(0)
            leg.socket.close(0)
        self._legs.clear()
        self._context.term()

    def _receive(self) -> None:
        poller = zmq.Poller()
        for leg in self._legs:
            poller.register(leg.socket, zmq.POLLIN)
            poller.register(leg.monitor, zmq.POLLIN)
        while not self._stop.is_set():
            ready = dict(poller.poll(POLL_MS))
            for leg in self._legs:
                if leg.monitor in ready:
                    self._watch(leg)
                if leg.socket in ready:
                    self._take(leg, AT_ONCE)
                if leg.lost_s is not None and At.now().monotonic_s - leg.lost_s > RECONNECT_S:
                    self._reconnect(leg)
        for leg in self._legs:
            leg.socket.disconnect(leg.address)
            left = self._high_water_frames
            while left > 0 and (taken := self._take(leg, left)):
                left -= taken

    def _take(self, leg: _Leg, most: int) -> int:
        """What waits, `most` at a time, so that all detectors have their turn; how many there were."""
        arrivals: list[Arrival] = []
        held = 0
        while len(arrivals) < most and held < AT_ONCE_BYTES:
            try:
                parts = leg.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            views = tuple(memoryview(part.buffer).cast("B") for part in parts)
            arrivals.append(Arrival(leg.address, views, At.now()))
            held += arrivals[-1].size
        waited_s = self.queue.put(arrivals)
        if waited_s > 1e-3:
            self._happened(Backpressure(queue="frames", waited_s=waited_s))
        return len(arrivals)

    def _watch(self, leg: _Leg) -> None:
        """Follow the connection."""
        while leg.monitor.poll(0):
            event = recv_monitor_message(leg.monitor)["event"]
            if event & RECONNECTING:
                leg.lost_s = None
            if event == zmq.Event.HANDSHAKE_SUCCEEDED:
                if leg.before:
                    self._happened(PeerReconnected(peer=leg.address))
                leg.up = leg.before = True
                self._happened(PeerUp(peer=leg.address, up=True))
            elif event & REFUSED:
                self._happened(AuthFailed(peer=leg.address))
            elif event == zmq.Event.DISCONNECTED:
                leg.lost_s = At.now().monotonic_s
                if leg.up:
                    leg.up = False
                    self._happened(PeerUp(peer=leg.address, up=False))

    def _reconnect(self, leg: _Leg) -> None:
        leg.lost_s = None
        leg.socket.disconnect(leg.address)
        leg.socket.connect(leg.address)
