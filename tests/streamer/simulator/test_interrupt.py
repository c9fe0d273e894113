"""A signal to stop that comes while an exception would be dropped."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Iterator

import pytest

from streamer.simulator.interrupt import Interrupt


class Thing:
    pass


def dropping() -> None:
    """Get a SIGTERM where Python prints exceptions and goes on: in a weak reference's callback."""
    thing = Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del thing
    assert reference() is None


def steps(made: list[int]) -> Iterator[int]:
    for step in range(3):
        if step == 1:
            dropping()
        made.append(step)
        yield step


def test_a_step_is_made_whole_and_not_given_out() -> None:
    """A signal in the middle of making step 1 lets it be made, raises after it, and nothing is printed or dropped."""
    made: list[int] = []
    given: list[int] = []

    def take() -> None:
        with Interrupt() as interrupt:
            given.extend(interrupt.whole(steps(made)))

    with pytest.raises(KeyboardInterrupt):
        take()
    assert (made, given) == ([0, 1], [0])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dropped_interrupt_comes_again_at_the_end() -> None:
    """A block whose interrupt was dropped is not taken for one that ended by itself; the old handlers are back."""
    before = signal.getsignal(signal.SIGTERM)
    ended = []

    def block() -> None:
        with Interrupt():
            dropping()
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        block()
    assert ended == [True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_a_signal_every_step_is_given_out() -> None:
    """Nothing is raised, and what was made is given out in order."""
    with Interrupt() as interrupt:
        assert list(interrupt.whole(range(5))) == [0, 1, 2, 3, 4]
