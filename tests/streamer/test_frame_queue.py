"""The queue between receiving and journal: bounded, in order, and nobody waits for ever."""

from __future__ import annotations

import threading

from streamer.frame_queue import Arrival, FrameQueue
from streamer.journal import At


def message(size: int, name: str = "a") -> Arrival:
    return Arrival(name, (memoryview(bytes(size)),), At(0, 0))


def test_messages_come_out_in_order() -> None:
    """First in, first out; nothing after the last."""
    queue = FrameQueue(10, 1000)
    for name in "abc":
        queue.put([message(1, name)])
    assert [queue.get(0.0, 1, 1)[0].source for _ in range(3)] == ["a", "b", "c"]
    assert queue.get(0.0, 1, 1) == []


def test_messages_can_be_taken_together() -> None:
    """As many as are there, as are wanted and as are small enough, but at least one."""
    queue = FrameQueue(10, 1000)
    for size, name in ((1, "a"), (1, "b"), (1, "c"), (50, "d"), (1, "e")):
        queue.put([message(size, name)])
    taken = [[one.source for one in queue.get(0.0, most, 20)] for most in (2, 9, 9, 9, 9)]
    assert taken == [["a", "b"], ["c"], ["d"], ["e"], []]
    assert len(queue) == 0


def test_messages_put_together_wait_for_room_one_by_one() -> None:
    """What there is room for can be taken while the rest of the batch still waits, and nothing is overtaken."""
    queue = FrameQueue(2, 1000)
    thread = threading.Thread(target=queue.put, args=([message(1, name) for name in "abcde"],))
    thread.start()
    taken = [queue.get(5.0, 1, 1)[0].source for _ in range(5)]
    thread.join(5.0)
    assert not thread.is_alive()
    assert taken == ["a", "b", "c", "d", "e"]


def waits(queue: FrameQueue, size: int) -> bool:
    """Whether putting a message of `size` has to wait until another is taken, and goes on then."""
    thread = threading.Thread(target=queue.put, args=([message(size)],))
    thread.start()
    thread.join(0.1)
    waiting = thread.is_alive()
    if waiting:
        assert queue.get(1.0, 1, 1)
    thread.join(5.0)
    assert not thread.is_alive()
    return waiting


def test_it_is_bounded_in_messages() -> None:
    """A full queue makes the sender wait until one message is taken."""
    queue = FrameQueue(2, 1000)
    assert [waits(queue, 1), waits(queue, 1), waits(queue, 1)] == [False, False, True]
    assert len(queue) == 2


def test_it_is_bounded_in_bytes_but_takes_one_message_of_any_size() -> None:
    """Bytes are bounded together; a single larger message is let through when nothing else waits."""
    queue = FrameQueue(100, 1000)
    assert [waits(queue, 5000), waits(queue, 1)] == [False, True]
    assert [waits(queue, 999), waits(queue, 1)] == [False, True]


def test_closing_frees_everybody() -> None:
    """After closing neither side waits, and what is there can still be taken."""
    queue = FrameQueue(1, 1000)
    queue.put([message(1, "a")])
    thread = threading.Thread(target=queue.put, args=([message(1, "b")],))
    thread.start()
    queue.close()
    thread.join(5.0)
    assert not thread.is_alive()
    assert [queue.get(5.0, 1, 1)[0].source for _ in range(2)] == ["a", "b"]
    assert queue.get(5.0, 1, 1) == []
