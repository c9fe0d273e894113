"""SIGTERM and SIGINT as a KeyboardInterrupt that cannot get lost."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import TypeVar

from contract.signals import STOPPING

Step = TypeVar("Step")


class Interrupt:
    """While the block runs, a signal to stop raises KeyboardInterrupt: at once, or after a step that is taken whole.

    Some extensions cannot pass an exception on: the CBOR encoder, while it asks for an object's type, prints and drops
    it, and the process would go on. Such work is done in steps (`whole`).
    """

    def __init__(self) -> None:
        self._came = self._held = False

    def whole(self, steps: Iterable[Step]) -> Iterator[Step]:
        """`steps`, none interrupted while it is made; a signal that came meanwhile raises before it is given out."""
        made = iter(steps)
        while True:
            self._held = True
            try:
                step = next(made)
            except StopIteration:
                return
            finally:
                self._held = False
            self._raise()
            yield step

    def __enter__(self) -> Interrupt:
        self._before = {one: signal.signal(one, self._asked) for one in STOPPING}
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        for one, before in self._before.items():
            signal.signal(one, before)
        if kind is None:
            self._raise()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        if not self._held:
            raise KeyboardInterrupt

    def _raise(self) -> None:
        if self._came:
            raise KeyboardInterrupt
