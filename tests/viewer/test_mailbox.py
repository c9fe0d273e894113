"""One slot between two threads: newest wins, one wake-up at a time."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from viewer.mailbox import Mailbox


@given(st.lists(st.booleans(), max_size=50))
def test_newest_wins_and_one_wake_up_is_pending_at_most(steps: list[bool]) -> None:
    """Posting wakes up only from empty to full; taking gives the newest and empties."""
    calls: list[int] = []
    mailbox: Mailbox[int] = Mailbox(lambda: calls.append(1))
    inside, newest = False, 0
    for number, post in enumerate(steps, start=1):
        before = len(calls)
        if post:
            mailbox.post(number)
            assert len(calls) - before == (0 if inside else 1)
            inside, newest = True, number
        else:
            assert mailbox.take() == (newest if inside else None)
            inside = False


def test_nothing_is_lost_between_threads() -> None:
    """A reader that takes at every wake-up ends with the last value posted by another thread."""
    woken = threading.Semaphore(0)
    mailbox: Mailbox[int] = Mailbox(woken.release)
    writer = threading.Thread(target=lambda: [mailbox.post(number) for number in range(1, 2001)])
    writer.start()
    last = 0
    while last < 2000:
        assert woken.acquire(timeout=10)
        taken = mailbox.take()
        if taken is not None:
            assert taken > last
            last = taken
    writer.join()
    assert mailbox.take() is None
