"""What was received and not yet taken: a queue between two threads, bounded in messages and bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

from streamer.journal import At


class Message(NamedTuple):
    """One message as it came from a detector."""

    source: str
    """The address it came from"""
    parts: tuple[memoryview, ...]
    at: At

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.nbytes for part in self.parts)


class FrameQueue:
    """When it is full, `put` waits: so does ZeroMQ before it, and the detector before that. Nothing is dropped.

    Holds at most `messages`, and at most `size_bytes` unless a single message is larger.
    """

    def __init__(self, messages: int, size_bytes: int) -> None:
        self.capacity = messages
        self._size_bytes = size_bytes
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, message: Message) -> float:
        """Add a message, when there is room; how long there was none, in seconds. After `close` it does not wait."""
        begun = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._room(message.size))
            self._queue.append(message)
            self._bytes += message.size
            self._changed.notify_all()
        return time.monotonic() - begun

    def get(self, timeout_s: float) -> Message | None:
        """The oldest message; None if none came in time, or none is left after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed, timeout_s)
            if not self._queue:
                return None
            message = self._queue.popleft()
            self._bytes -= message.size
            self._changed.notify_all()
            return message

    def close(self) -> None:
        """Nobody waits any more, neither for room nor for messages; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _room(self, size: int) -> bool:
        return not self._queue or (len(self._queue) < self.capacity and self._bytes + size <= self._size_bytes)
