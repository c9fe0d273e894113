"""What was received and not yet taken: a queue between two threads, bounded in messages and bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from streamer.detectors.decode_error import DecodeError
from streamer.detectors.records import Record
from streamer.journal import At


class Arrival(NamedTuple):
    """One message as it came from a detector, not yet looked into."""

    source: str
    """The address it came from"""
    parts: tuple[memoryview, ...]
    at: At

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.nbytes for part in self.parts)


class Message(NamedTuple):
    """One message that has been read."""

    source: str
    parts: tuple[memoryview, ...]
    at: At
    content: Record | DecodeError
    """What it says, or why it is refused"""


class FrameQueue:
    """When it is full, `put` waits: so does ZeroMQ before it, and the detector before that. Nothing is dropped.

    Holds at most `messages`, and at most `size_bytes` unless a single message is larger.
    """

    def __init__(self, messages: int, size_bytes: int) -> None:
        self.capacity = messages
        self._size_bytes = size_bytes
        self._queue: deque[tuple[Arrival, int]] = deque()
        """With their sizes"""
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, arrivals: Sequence[Arrival]) -> float:
        """Add messages, each when there is room; how long there was none, in seconds. After `close` it does not wait.

        Several at once cost one waking of the other thread.
        """
        waited_s = 0.0
        with self._changed:
            for arrival in arrivals:
                size = arrival.size
                if not self._room(size):
                    waited_s += self._wait_for_room(size)
                self._queue.append((arrival, size))
                self._bytes += size
            self._changed.notify_all()
        return waited_s

    def get(self, timeout_s: float, messages: int, size_bytes: int) -> list[Arrival]:
        """The oldest messages, as many as there are and at most so many and so large, but at least one; none if none
        came in time, or none is left after `close`.
        """
        taken: list[Arrival] = []
        with self._changed:
            if not self._queue and timeout_s > 0.0:
                self._changed.wait_for(lambda: self._queue or self._closed, timeout_s)
            while self._queue and len(taken) < messages:
                size_bytes -= self._queue[0][1]
                if taken and size_bytes < 0:
                    break
                arrival, size = self._queue.popleft()
                taken.append(arrival)
                self._bytes -= size
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """Nobody waits any more, neither for room nor for messages; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait_for_room(self, size: int) -> float:
        begun_s = time.monotonic()
        self._changed.notify_all()
        self._changed.wait_for(lambda: self._closed or self._room(size))
        return time.monotonic() - begun_s

    def _room(self, size: int) -> bool:
        return not self._queue or (len(self._queue) < self.capacity and self._bytes + size <= self._size_bytes)
