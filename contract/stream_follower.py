"""What a subscriber knows of a stream: where it stands, what it lacks, what it must ask for (no I/O; time is given)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from contract.codec import Part
from contract.stream_wire import Batch, Pull

AHEAD_BYTES = 64 << 20
AHEAD_MESSAGES = 4096
RETRY_S = 2.0
RETRY_MOST_S = 30.0
UNSENT_RETRY_S = 0.1
STRANGERS = 64


class Item(NamedTuple):
    """A message as it came: its number, its age and its parts, not yet decoded."""

    seq: int
    age_s: float
    parts: Sequence[Part]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(memoryview(part).nbytes for part in self.parts)


class Follower:
    """Turns live messages, heartbeats and batches, lossy and in any order, into one gapless sequence an epoch.

    It begins with a snapshot. Then every message is handed on once and in order of seq; what is missing is asked
    for, one range at a time, while later live messages wait in a queue bounded in bytes and number (what finds
    no room is counted in `dropped` and comes by replay). What can no longer be replayed is made good by a snapshot
    and counted in `lost`.

    Epochs have no order, and what an ended publisher sent can still come when its successor was heard already. So a
    message of another epoch only raises the question which epoch it is; the answer to the newest question tells, since
    it was given after the question was asked. A new epoch begins with a snapshot of its own.
    """

    def __init__(self, *, ahead_bytes: int = AHEAD_BYTES) -> None:
        self.epoch = ""
        self.cursor = 0
        """All messages up to this seq are settled: handed on, superseded or lost."""
        self.gaps = self.replays = self.lost = self.duplicates = self.dropped = self.strange = 0
        self.missed = 0
        """Messages that did not come live and were handed on from a replay."""
        self._strangers: deque[tuple[str, Item]] = deque(maxlen=STRANGERS)
        """The newest live messages of another epoch, until it is known which one it is."""
        self._doubt = False
        self._question = 0
        self._snapshot = True
        self._recovering = False
        self._in_gap = False
        self._newest = 0
        self._ahead: dict[int, Item] = {}
        self._ahead_limit = self._ahead_room = ahead_bytes
        self._asked: Pull | None = None
        self._ask_again_s = 0.0
        self._patience_s = RETRY_S

    def live(self, epoch: str, item: Item) -> list[Item]:
        """A live message came; what can now be handed on."""
        if epoch != self.epoch:
            self._doubt_epoch()
            if item.size + sum(waiting.size for _, waiting in self._strangers) <= self._ahead_limit:
                self._strangers.append((epoch, item))
            return []
        self._newest = max(self._newest, item.seq)
        if item.seq <= self.cursor or item.seq in self._ahead:
            self.duplicates += 1
            return []
        if not self._snapshot and item.seq == self.cursor + 1:
            self.cursor = item.seq
            return [item, *self._contiguous()]
        if item.size > self._ahead_room or len(self._ahead) == AHEAD_MESSAGES:
            self.dropped += 1
        else:
            self._ahead[item.seq] = item
            self._ahead_room -= item.size
        self._notice_gap()
        return []

    def heartbeat(self, epoch: str, last_seq: int) -> None:
        """The publisher says which message was the last it sent."""
        if epoch != self.epoch:
            self._doubt_epoch()
            return
        self._newest = max(self._newest, last_seq)
        self._notice_gap()

    def batch(self, batch: Batch, items: Sequence[Item]) -> list[Item]:
        """An answer to a `Pull` came (perhaps late, perhaps twice); what can now be handed on."""
        newest_question = batch.question == self._question
        if batch.epoch != self.epoch and (newest_question or not self.epoch):
            return self._enter(batch, items)
        if batch.epoch != self.epoch or batch.after > self.cursor:
            self.strange += batch.epoch != self.epoch
            return []
        if newest_question:
            self._doubt = False
            self._strangers.clear()
        if batch.what == "gone":
            if not self._snapshot and batch.after == self.cursor:
                self._snapshot = self._recovering = True
            return []
        if (batch.what == "snapshot") != self._snapshot:
            return []
        fresh = [item for item in items if item.seq > self.cursor]
        before, self.cursor = self.cursor, max(self.cursor, batch.through)
        if batch.what == "replay":
            self.replays += 1
            self.missed += len(fresh)
            # Believed anew each time, so that a wrong number once heard is not asked for for ever.
            self._newest = max(batch.last_seq, self.cursor, *self._ahead)
        else:
            self.lost += self.cursor - before - len(fresh) if self._recovering else 0
            self._snapshot = batch.more
            self._recovering = self._recovering and batch.more
        for seq in [seq for seq in self._ahead if seq <= self.cursor]:
            self._take(seq)
        return fresh if self._snapshot else [*fresh, *self._contiguous()]

    def wants(self, now_s: float) -> Pull | None:
        """What to ask for now; None if nothing is missing, or an answer is still waited for.

        One question is outstanding; it is repeated when no answer came within 2 s, then 4 s … 30 s.
        """
        pull = self._pull()
        if pull is None:
            self._asked = None
            return None
        asked = self._asked
        if asked is None or (asked.what, asked.epoch, asked.after) != (pull.what, pull.epoch, pull.after):
            self._patience_s = RETRY_S
        elif now_s < self._ask_again_s:
            return None
        self._question += 1
        self._asked = pull
        self._ask_again_s = now_s + self._patience_s
        self._patience_s = min(2 * self._patience_s, RETRY_MOST_S)
        return msgspec.structs.replace(pull, question=self._question)

    def unsent(self, now_s: float) -> None:
        """The question could not be sent, for want of a connection: ask again soon."""
        self._patience_s = RETRY_S
        self._ask_again_s = now_s + UNSENT_RETRY_S

    @property
    def lag(self) -> int:
        """How many messages the publisher is known to be ahead of what was handed on."""
        return max(0, self._newest - self.cursor)

    def _pull(self) -> Pull | None:
        if self._snapshot:
            return Pull(what="snapshot", epoch=self.epoch, after=self.cursor)
        through = min(self._ahead) - 1 if self._ahead else self._newest
        if through <= self.cursor and not self._doubt:
            return None
        return Pull(what="replay", epoch=self.epoch, after=self.cursor, through=max(through, self.cursor))

    def _notice_gap(self) -> None:
        if not self._snapshot and not self._in_gap and self._newest > self.cursor:
            self._in_gap = True
            self.gaps += 1

    def _doubt_epoch(self) -> None:
        self.strange += 1
        self._doubt = True

    def _enter(self, batch: Batch, items: Sequence[Item]) -> list[Item]:
        """Begin the epoch of this answer."""
        strangers = [item for epoch, item in self._strangers if epoch == batch.epoch]
        self.epoch, self.cursor, self._newest = batch.epoch, 0, 0
        self._ahead, self._ahead_room = {}, self._ahead_limit
        self._snapshot, self._recovering, self._in_gap = True, False, False
        self._strangers.clear()
        self._doubt = False
        ready = self.batch(batch, items)
        for item in strangers:
            ready += self.live(batch.epoch, item)
        return ready

    def _contiguous(self) -> list[Item]:
        """What waited for the messages that have come now."""
        items = []
        while self.cursor + 1 in self._ahead:
            self.cursor += 1
            items.append(self._take(self.cursor))
        self._in_gap = self._newest > self.cursor
        return items

    def _take(self, seq: int) -> Item:
        item = self._ahead.pop(seq)
        self._ahead_room += item.size
        return item
