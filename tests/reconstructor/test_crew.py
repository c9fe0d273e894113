"""Threads that do what they are given."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from reconstructor.crew import Crew


def test_a_result_and_a_fault_reach_whoever_asked() -> None:
    """What a call gives, or what went wrong, is in its future."""
    crew = Crew(2, "test")
    crew.open()
    assert crew.call(lambda: 7).result(5) == 7
    with pytest.raises(ZeroDivisionError):
        crew.call(lambda: 1 // 0).result(5)
    assert crew.close(5)


def test_as_many_at_once_as_there_are_threads() -> None:
    """Two calls that wait for each other both end on two threads."""
    crew = Crew(2, "test")
    crew.open()
    meeting = threading.Barrier(2)
    calls = [crew.call(lambda: meeting.wait(5)) for _ in range(2)]
    assert sorted(call.result(5) for call in calls) == [0, 1]
    assert crew.close(5)


def test_what_was_not_begun_is_cancelled_at_the_end() -> None:
    """Closing waits for the call under way, for a while, and begins no other."""
    crew = Crew(1, "test")
    crew.open()
    begun, go_on = threading.Event(), threading.Event()

    def busy() -> bool:
        begun.set()
        return go_on.wait(5)

    first, second = crew.call(busy), crew.call(lambda: 1)
    assert begun.wait(5)
    assert not crew.close(0.01)
    go_on.set()
    assert first.result(5)
    with pytest.raises(CancelledError):
        second.result(5)
