"""SIGTERM and SIGINT: the first asks to stop, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from types import FrameType, TracebackType

STOPPING = (signal.SIGTERM, signal.SIGINT)
TOO_LATE = 1


class Signals:
    """While the block runs, `stop` tells whether a signal asked the process to stop.

    A thread of its own reads the signals as the operating system gives them, because Python's handlers wait until the
    main thread leaves a long computation. It ends the process when `within_s` after the first signal the block still
    runs, with exit code 0 while `expendable` and else 1, and at once on a second signal.
    """

    def __init__(self, within_s: float) -> None:
        self.stop = False
        self.expendable = False
        """Nothing would be lost if the process ended now."""
        self._within_s = within_s

    def __enter__(self) -> Signals:
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._before = {one: signal.signal(one, self._asked) for one in STOPPING}
        self._before_wakeup = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._watch = threading.Thread(target=self._watching, name="signals", daemon=True)
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        signal.set_wakeup_fd(self._before_wakeup)
        for one, before in self._before.items():
            signal.signal(one, before)
        self._waker.close()
        self._watch.join()
        self._woken.close()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.stop = True

    def _watching(self) -> None:
        first = self._next()
        if first is None:
            return
        self.stop = True
        self._woken.settimeout(self._within_s)
        try:
            second = self._next()
        except TimeoutError:
            sys.stderr.write(f"not closed within {self._within_s:g} s after {signal.Signals(first).name}: ended\n")
            sys.stderr.flush()
            os._exit(0 if self.expendable else TOO_LATE)
        if second is not None:
            os._exit(128 + second)

    def _next(self) -> int | None:
        """The next stopping signal; None when the block was left."""
        while True:
            read = self._woken.recv(1)
            if not read:
                return None
            if read[0] in STOPPING:
                return read[0]
