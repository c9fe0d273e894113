"""A publisher as bytes: messages in, parts out; requests in, answers out. No sockets; time is an argument."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from contract.codec import ContractError, Part, decode, encode, kind_of
from contract.happened import Happened, MessageDropped, Replayed
from contract.messages import AnyMessage
from contract.stream_outbox import Outbox, Stored
from contract.stream_slots import default_slot
from contract.stream_wire import (
    HEARTBEAT_TOPIC,
    Answered,
    Batch,
    Entry,
    Envelope,
    Heartbeat,
    Pull,
    Refused,
    Say,
    pack,
    unpack_request,
)

SAID_LIMIT = 128
ANSWERS_REMEMBERED = 256


class Heard(NamedTuple):
    """What a peer said, by whom and under which token."""

    sender: bytes
    token: str
    message: AnyMessage


class Outlet:
    """Keeps what was published and answers what subscribers ask.

    What peers say waits in a queue of 128; when it is full the peer is told to come again, counted. One token is
    heard once: when it is repeated, the answer is repeated too (of the last 256).
    """

    def __init__(self, outbox: Outbox, name: str, happened: Callable[[Happened], None]) -> None:
        self.outbox = outbox
        self.name = name
        self.happened = happened
        self._heard: deque[Heard] = deque()
        self._answers: OrderedDict[str, Answered | None] = OrderedDict()
        """By token; None while not yet answered."""

    def add(self, message: AnyMessage, slot: str | None, now_s: float) -> Stored:
        """Encode the message and keep it, with copies of its arrays, but for those that nobody can change any more."""
        parts = tuple(part if _final(part) else bytes(part) for part in encode(message))
        evicted = self.outbox.evicted
        stored = self.outbox.add(parts, kind_of(message), slot or default_slot(message), now_s)
        if self.outbox.evicted > evicted:
            dropped = self.outbox.evicted - evicted
            self.happened(MessageDropped(stage=self.name, reason="state_full", count=dropped))
        return stored

    def live(self, stored: Stored) -> list[Part]:
        """Parts of a new message."""
        return [stored.kind.encode(), pack(Envelope(epoch=self.outbox.epoch, seq=stored.seq)), *stored.parts]

    def heartbeat(self, last_sent: int) -> list[Part]:
        """Parts of a heartbeat."""
        return [HEARTBEAT_TOPIC, pack(Heartbeat(epoch=self.outbox.epoch, last_seq=last_sent))]

    def answer(self, sender: bytes, parts: Sequence[Part], now_s: float) -> list[Part] | None:
        """The answer to a request; None if it comes later (`said`) or there is none."""
        token = ""
        try:
            if not parts:
                raise ContractError("request has no parts, wanted a Pull or a Say")
            request = unpack_request(parts[0])
            if isinstance(request, Pull):
                return self._batch(request, now_s)
            token = request.token
            return self._hear(sender, request, parts[1:])
        except ContractError as error:
            self.happened(MessageDropped(stage=self.name, reason="malformed", detail=str(error)))
            return [pack(Refused(text=str(error), token=token))]

    def said(self) -> list[Heard]:
        """What peers said since the last call."""
        heard = list(self._heard)
        self._heard.clear()
        return heard

    def answer_said(self, heard: Heard, ok: bool, text: str) -> list[Part]:
        """Parts of the service's answer. ValueError: answered before."""
        if self._answers.get(heard.token) is not None:
            raise ValueError(f"{kind_of(heard.message)} said by a peer was answered before; answer once")
        answered = Answered(token=heard.token, ok=ok, text=text)
        self._answers[heard.token] = answered
        return [pack(answered)]

    def _batch(self, pull: Pull, now_s: float) -> list[Part]:
        chosen = self.outbox.choose(pull)
        self.happened(Replayed(stream=self.name, outcome=chosen.what))
        batch = Batch(
            what=chosen.what,
            epoch=self.outbox.epoch,
            after=chosen.after,
            through=chosen.through,
            more=chosen.more,
            last_seq=self.outbox.last_seq,
            first_seq=self.outbox.first_seq,
            question=pull.question,
            entries=tuple(
                Entry(stored.seq, max(0.0, now_s - stored.at_s), len(stored.parts)) for stored in chosen.messages
            ),
        )
        return [pack(batch), *(part for stored in chosen.messages for part in stored.parts)]

    def _hear(self, sender: bytes, say: Say, parts: Sequence[Part]) -> list[Part] | None:
        if say.token in self._answers:
            answered = self._answers[say.token]
            return None if answered is None else [pack(answered)]
        # Copied: what is said may be kept long after the receive buffer is gone.
        message = decode([bytes(part) for part in parts])
        if len(self._heard) == SAID_LIMIT:
            self.happened(MessageDropped(stage=self.name, reason="said_full"))
            return [pack(Answered(token=say.token, ok=False, text="too much is waiting to be heard; try again"))]
        self._answers[say.token] = None
        while len(self._answers) > ANSWERS_REMEMBERED:
            self._answers.popitem(last=False)
        self._heard.append(Heard(sender, say.token, message))
        return None


def _final(part: Part) -> bool:
    """Whether a part is the whole of a read-only array with memory of its own: there is no other way into it."""
    array: object = part.obj if isinstance(part, memoryview) else None
    return isinstance(array, np.ndarray) and array.flags.owndata and not array.flags.writeable
