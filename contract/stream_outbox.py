"""What a publisher keeps: a replay buffer of its newest messages, and the present state (no I/O)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from contract.codec import Part
from contract.stream_wire import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, Pull

REPLAY_BYTES = 256 << 20
STATE_BYTES = 1 << 30


class Stored(NamedTuple):
    """A published message in its encoded parts."""

    seq: int
    kind: str
    slot: str | None
    parts: tuple[Part, ...]
    size: int
    """Bytes of all parts."""
    at_s: float
    """When it was published, by the publisher's monotonic clock."""


class Chosen(NamedTuple):
    """What answers a `Pull`; see `contract.stream_wire.Batch`."""

    what: Literal["replay", "snapshot", "gone"]
    after: int
    through: int
    more: bool
    messages: list[Stored]


class Outbox:
    """The messages of one epoch: numbers them from 1, and chooses what a subscriber that asks shall get.

    Two queues, both bounded in bytes, each keeping at least its newest message. From the replay buffer the oldest
    messages go first; who wants them is told that they are gone and takes the present state. The present state
    is the newest message of each slot; when it is full its oldest slots go first, counted in `evicted`.
    """

    def __init__(self, epoch: str, *, replay_bytes: int = REPLAY_BYTES, state_bytes: int = STATE_BYTES) -> None:
        self.epoch = epoch
        self.first_seq = 1
        """The oldest message that can be replayed; last_seq + 1 if there is none."""
        self.last_seq = 0
        self.evicted = 0
        self._replay: dict[int, Stored] = {}
        """By seq, from first_seq to last_seq without a gap."""
        self._replay_room = replay_bytes
        self._slots: dict[str, Stored] = {}
        """In order of seq: a slot that is filled anew moves to the end."""
        self._state_room = state_bytes

    def add(self, parts: tuple[Part, ...], kind: str, slot: str | None, at_s: float) -> Stored:
        """Number the message and keep it."""
        self.last_seq += 1
        size = sum(memoryview(part).nbytes for part in parts)
        stored = Stored(self.last_seq, kind, slot, parts, size, at_s)
        self._replay[stored.seq] = stored
        self._replay_room -= size
        while self._replay_room < 0 and self.first_seq < self.last_seq:
            self._replay_room += self._replay.pop(self.first_seq).size
            self.first_seq += 1
        if slot is not None:
            self._drop(slot)
            self._slots[slot] = stored
            self._state_room -= size
            while self._state_room < 0 and len(self._slots) > 1:
                self._drop(next(iter(self._slots)))
                self.evicted += 1
        return stored

    def forget(self, prefix: str) -> int:
        """Drop the slots that begin with `prefix` from the present state; how many there were."""
        names = [name for name in self._slots if name.startswith(prefix)]
        for name in names:
            self._drop(name)
        return len(names)

    def after(self, seq: int) -> Iterator[Stored]:
        """What the replay buffer still holds of the messages after `seq`, in order."""
        return (self._replay[one] for one in range(max(seq + 1, self.first_seq), self.last_seq + 1))

    def choose(self, pull: Pull) -> Chosen:
        """What a subscriber that asks shall get: at least one message, if there is any, and at most one range.

        A range has ≤ `pull.max_bytes` ≤ 16 MiB, unless a single message is larger. The present state is pulled in
        order of seq, so that what is published meanwhile cannot be missed: it comes later in the same order.
        """
        if pull.what == "replay":
            if pull.epoch != self.epoch or not self.first_seq - 1 <= pull.after <= self.last_seq:
                return Chosen("gone", pull.after, pull.after, False, [])
            wanted = (stored for stored in self.after(pull.after) if stored.seq <= pull.through)
            messages, _ = _range(wanted, pull.max_bytes)
            return Chosen("replay", pull.after, messages[-1].seq if messages else pull.after, False, messages)
        after = pull.after if pull.epoch == self.epoch else 0
        messages, more = _range((stored for stored in self._slots.values() if stored.seq > after), pull.max_bytes)
        return Chosen("snapshot", after, messages[-1].seq if more else max(after, self.last_seq), more, messages)

    def _drop(self, slot: str) -> None:
        stored = self._slots.pop(slot, None)
        if stored is not None:
            self._state_room += stored.size


def _range(messages: Iterator[Stored], max_bytes: int) -> tuple[list[Stored], bool]:
    """As many messages as fit, and whether there were more."""
    room = min(max_bytes, MAX_BATCH_BYTES)
    taken: list[Stored] = []
    for stored in messages:
        room -= stored.size
        if taken and (room < 0 or len(taken) == MAX_BATCH_MESSAGES):
            return taken, True
        taken.append(stored)
    return taken, False
