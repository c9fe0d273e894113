"""One slot between two threads: newest wins, and one wake-up from empty to full."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Holds the newest posted value until it is taken; each holds all that is known, so nothing goes with the old."""

    def __init__(self, on_full: Callable[[], None]) -> None:
        self._on_full = on_full
        self._lock = threading.Lock()
        self._item: Item | None = None

    def post(self, item: Item) -> None:
        """Put `item` in place of what is there; calls `on_full`, on this thread, if nothing was there."""
        with self._lock:
            was_empty = self._item is None
            self._item = item
        if was_empty:
            self._on_full()

    def take(self) -> Item | None:
        """Take out what is there, None if nothing."""
        with self._lock:
            item, self._item = self._item, None
        return item
