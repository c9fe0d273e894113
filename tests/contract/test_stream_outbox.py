"""What a publisher keeps, and what it gives to those who ask."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.stream_outbox import Outbox
from contract.stream_wire import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, Pull


def _outbox(count: int, *, size: int = 10, slots: int | None = None, **limits: Any) -> Outbox:
    """An outbox with `count` messages of `size` bytes, each in one of `slots` places in turn (None: in no place)."""
    outbox = Outbox("e1", **limits)
    for number in range(count):
        outbox.add((bytes(size),), "notice", None if slots is None else f"slot/{number % slots}", float(number))
    return outbox


def _replay(after: int, through: int, epoch: str = "e1", **limits: Any) -> Pull:
    return Pull(what="replay", epoch=epoch, after=after, through=through, **limits)


def _snapshot(after: int = 0, epoch: str = "", **limits: Any) -> Pull:
    return Pull(what="snapshot", epoch=epoch, after=after, **limits)


def _seqs(outbox: Outbox, pull: Pull) -> list[int]:
    return [stored.seq for stored in outbox.choose(pull).messages]


def test_messages_are_numbered_from_one() -> None:
    """The first message of an epoch has seq 1, and no number is left out."""
    assert [stored.seq for stored in _outbox(4).after(0)] == [1, 2, 3, 4]


def test_a_replay_is_the_range_asked_for() -> None:
    """A replay begins after what the subscriber has and ends where it goes on."""
    chosen = _outbox(9).choose(_replay(3, 6))
    assert ([stored.seq for stored in chosen.messages], chosen.what, chosen.through) == ([4, 5, 6], "replay", 6)


def test_a_range_is_bounded_in_bytes_and_messages() -> None:
    """One answer holds at most the bytes asked for, at most 16 MiB and at most 512 messages."""
    assert _seqs(_outbox(9), _replay(0, 9, max_bytes=35)) == [1, 2, 3]
    assert _seqs(_outbox(2 * MAX_BATCH_MESSAGES), _replay(0, 9999)) == list(range(1, MAX_BATCH_MESSAGES + 1))
    large = _outbox(3, size=MAX_BATCH_BYTES // 2)
    assert _seqs(large, _replay(0, 3, max_bytes=1 << 60)) == [1, 2]


def test_a_message_larger_than_a_range_comes_alone() -> None:
    """A single message is never too large to be had."""
    assert _seqs(_outbox(3, size=1000), _replay(0, 3, max_bytes=10)) == [1]


def test_the_replay_buffer_is_bounded_and_says_what_is_gone() -> None:
    """The oldest messages go first; who asks for one of them is sent to the snapshot."""
    outbox = _outbox(100, replay_bytes=55)
    assert (outbox.first_seq, outbox.last_seq) == (96, 100)
    assert outbox.choose(_replay(94, 100)).what == "gone"
    assert _seqs(outbox, _replay(95, 100)) == [96, 97, 98, 99, 100]


def test_the_newest_message_is_kept_however_large() -> None:
    """A message larger than the whole buffer can still be replayed."""
    outbox = _outbox(3, size=100, replay_bytes=10, state_bytes=10, slots=3)
    assert _seqs(outbox, _replay(2, 3)) == [3]
    assert _seqs(outbox, _snapshot()) == [3]


@pytest.mark.parametrize("pull", [_replay(0, 3, epoch="other"), _replay(7, 9), _replay(0, 0, epoch="")])
def test_a_replay_of_what_never_was_is_gone(pull: Pull) -> None:
    """Another epoch, or messages beyond the last, cannot be replayed."""
    assert _outbox(3).choose(pull).what == "gone"


def test_a_snapshot_is_the_newest_of_each_slot_in_order() -> None:
    """A late joiner gets what holds now, in order of seq, and goes on after the last message."""
    chosen = _outbox(10, slots=3).choose(_snapshot())
    assert [stored.seq for stored in chosen.messages] == [8, 9, 10]
    assert (chosen.through, chosen.more) == (10, False)


def test_a_snapshot_without_messages_settles_where_the_stream_is() -> None:
    """Messages without a place are over; the subscriber goes on after them."""
    chosen = _outbox(5).choose(_snapshot())
    assert (chosen.messages, chosen.through) == ([], 5)


def test_a_forgotten_slot_is_in_no_snapshot() -> None:
    """What is forgotten can still be replayed, but is not part of the present state."""
    outbox = _outbox(10, slots=3)
    assert outbox.forget("slot/1") == 1
    assert outbox.forget("nothing/") == 0
    assert _seqs(outbox, _snapshot()) == [9, 10]
    assert 8 in _seqs(outbox, _replay(0, 10))


def test_the_present_state_is_bounded_and_counts_what_it_lost() -> None:
    """When the state is full, its oldest slots go first, counted."""
    outbox = _outbox(10, slots=10, state_bytes=35)
    assert _seqs(outbox, _snapshot()) == [8, 9, 10]
    assert outbox.evicted == 7


def test_room_is_given_back_when_a_slot_is_filled_anew_or_forgotten() -> None:
    """Only what is kept counts against the limit."""
    outbox = _outbox(1000, slots=3, state_bytes=35)
    assert outbox.evicted == 0
    outbox.forget("slot/")
    for _ in range(3):
        outbox.add((bytes(10),), "notice", f"new/{_}", 0.0)
    assert (outbox.evicted, len(_seqs(outbox, _snapshot()))) == (0, 3)


def test_a_snapshot_of_another_epoch_begins_anew() -> None:
    """Numbers of an earlier epoch mean nothing in this one."""
    chosen = _outbox(3, slots=3).choose(_snapshot(after=900, epoch="earlier"))
    assert ([stored.seq for stored in chosen.messages], chosen.after) == ([1, 2, 3], 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 40), st.data())
def test_a_snapshot_in_ranges_misses_nothing(slots: list[int], max_bytes: int, data: st.DataObject) -> None:
    """Pulled range by range while more is published, a snapshot holds the newest of each slot up to where it ends."""
    outbox = Outbox("e1")
    published: list[tuple[int, int]] = []

    def publish(slot: int) -> None:
        published.append((outbox.add((bytes(7),), "notice", str(slot), 0.0).seq, slot))

    for slot in slots:
        publish(slot)
    got: list[int] = []
    after, more = 0, True
    while more:
        chosen = outbox.choose(_snapshot(after, "e1", max_bytes=max_bytes))
        got += [stored.seq for stored in chosen.messages]
        after, more = chosen.through, chosen.more
        for slot in data.draw(st.lists(st.integers(0, 5), max_size=2)) if len(published) < 100 else []:
            publish(slot)
    assert got == sorted(set(got))
    newest = {slot: seq for seq, slot in published if seq <= after}
    superseded_later = {slot for seq, slot in published if seq > after}
    assert {seq for slot, seq in newest.items() if slot not in superseded_later} <= set(got)
