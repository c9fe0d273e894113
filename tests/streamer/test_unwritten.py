"""What the disk refused: in order, bounded, and written when the disk takes it."""

from __future__ import annotations

import pytest

from streamer.journal import At, JournalError, Record
from streamer.unwritten import Unwritten, Write

FULL = JournalError("disk full")


class Disk:
    """A journal that takes what its `room` allows."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken: list[int | None] = []

    def commit(self, write: Write) -> None:
        if len(self.taken) + len(write.records) > self.room:
            raise FULL
        self.taken += [record.frame for record in write.records]


def write(journal: Disk, *frames: int) -> Write:
    return Write(journal, [Record("frame", frame, [bytes(100)], At(0, 0)) for frame in frames], {})


def test_what_waits_is_written_in_order_as_far_as_there_is_room() -> None:
    """Each journal gets its own in order, those that take nothing hold up no others, and the fault is remembered."""
    unwritten, small, large = Unwritten(10_000), Disk(2), Disk(9)
    for frames in ((0,), (1,), (2, 3)):
        unwritten.keep(write(small, *frames), FULL)
        unwritten.keep(write(large, *frames))
    assert (unwritten.messages, unwritten.size_bytes, unwritten.empty) == (8, 800, False)
    unwritten.flush(10_000)
    assert (small.taken, large.taken) == ([0, 1], [0, 1, 2, 3])
    assert (unwritten.messages, unwritten.size_bytes, unwritten.fault) == (2, 200, FULL)
    assert (unwritten.waits(small), unwritten.waits(large)) == (True, False)
    small.room = 9
    unwritten.flush(10_000)
    assert (unwritten.empty, unwritten.size_bytes, unwritten.fault) == (True, 0, None)


def test_memory_is_bounded() -> None:
    """What finds no room is refused, with the reason of the disk, and what is kept stays."""
    unwritten, disk = Unwritten(250), Disk(0)
    unwritten.keep(write(disk, 0, 1), FULL)
    with pytest.raises(JournalError, match=r"limit of \S+ MiB: disk full"):
        unwritten.keep(write(disk, 2))
    assert unwritten.messages == 2


def test_writing_it_takes_turns_with_other_work() -> None:
    """No more is written at a time than is asked for, rounded up to what belongs together."""
    unwritten, disk = Unwritten(10_000), Disk(9)
    for frame in range(4):
        unwritten.keep(write(disk, frame), FULL)
    unwritten.flush(150)
    assert disk.taken == [0, 1]
    unwritten.flush(150)
    assert unwritten.empty
