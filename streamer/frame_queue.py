"""What was received and not yet taken: a queue between two threads, bounded in messages and bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

from streamer.detectors.decode_error import DecodeError
from streamer.detectors.records import Record, SeriesStarted
from streamer.journal import At


class Message(NamedTuple):
    """One message as it came from a detector."""

    source: str
    """The address it came from"""
    parts: tuple[memoryview, ...]
    at: At
    content: Record | DecodeError
    """What it says, or why it is refused"""

    @property
    def size(self) -> int:
        """Bytes of memory: all parts, and the masks and flat fields that a start has unpacked."""
        held = sum(part.nbytes for part in self.parts)
        if isinstance(self.content, SeriesStarted):
            for channel in self.content.channels.values():
                held += sum(array.nbytes for array in (channel.mask, channel.flat_field) if array is not None)
        return held


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

    def get(self, timeout_s: float, messages: int, size_bytes: int) -> list[Message]:
        """The oldest messages, as many as there are and at most so many and so large, but at least one; none if none
        came in time, or none is left after `close`.
        """
        taken: list[Message] = []
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed, timeout_s)
            while self._queue and len(taken) < messages:
                size_bytes -= self._queue[0].size
                if taken and size_bytes < 0:
                    break
                taken.append(self._queue.popleft())
                self._bytes -= taken[-1].size
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """Nobody waits any more, neither for room nor for messages; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _room(self, size: int) -> bool:
        return not self._queue or (len(self._queue) < self.capacity and self._bytes + size <= self._size_bytes)
