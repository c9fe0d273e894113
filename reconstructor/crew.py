"""A few daemon threads that do what they are given, in order; what goes wrong is told to whoever asks."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")
_Call = tuple["Future[Any]", Callable[[], Any]]


class Crew:
    """Like an executor, but of daemon threads: a long computation never holds up the end of the process."""

    def __init__(self, size: int, name: str) -> None:
        self.size = size
        self._name = name
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def open(self) -> None:
        """Start the threads."""
        for k in range(self.size):
            thread = threading.Thread(target=self._work, name=f"bragglive-{self._name}-{k}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def call(self, what: Callable[[], Result]) -> Future[Result]:
        """Have `what()` done as soon as a thread is free; calls begin in order."""
        future: Future[Result] = Future()
        self._calls.put((future, what))
        return future

    def close(self, within_s: float) -> bool:
        """Begin nothing more; whether all threads ended within that time. What was not begun is cancelled."""
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                break
            if call is not None:
                call[0].cancel()
        for _ in self._threads:
            self._calls.put(None)
        until = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, what = call
            if future.set_running_or_notify_cancel():
                try:
                    result = what()
                except BaseException as fault:  # noqa: BLE001 - told to whoever holds the future, as executors do
                    future.set_exception(fault)
                else:
                    future.set_result(result)
