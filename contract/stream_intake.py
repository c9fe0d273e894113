"""A subscriber as bytes: parts in, messages and questions out. No sockets; time is an argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contract.codec import ContractError, Part, decode, encode
from contract.happened import Happened, MessageDropped, PeerReconnected, PeerUp, SubscriberLag
from contract.messages import AnyMessage
from contract.stream_follower import AHEAD_BYTES, Follower, Item
from contract.stream_types import Link, Received
from contract.stream_wire import (
    Answered,
    Batch,
    Envelope,
    Refused,
    Say,
    VersionError,
    pack,
    split_batch,
    unpack_live,
    unpack_reply,
)

SILENT_AFTER_S = 3.0
SAY_AGAIN_S = 2.0
SAY_LIMIT = 256


class Intake:
    """Feeds a `Follower` from what the sockets bring, decodes what it hands on, and words its questions.

    What is to be said waits in a queue of 256 and is repeated every 2 s until it is answered; when the queue is full
    the oldest goes, counted. What is no message of this contract is counted in `refused` and otherwise ignored.
    """

    def __init__(
        self, name: str, token: str, happened: Callable[[Happened], None], *, ahead_bytes: int = AHEAD_BYTES
    ) -> None:
        self.follower = Follower(ahead_bytes=ahead_bytes)
        self.refused = 0
        self.problem = ""
        self._name = name
        self._token = token
        self._tokens = 0
        self._happened = happened
        self._heard_at_s: float | None = None
        self._up = False
        self._lag = 0
        self._saying: dict[str, tuple[list[Part], float]] = {}

    def live(self, parts: Sequence[Part], now_s: float) -> list[Received]:
        """What can be handed on after these parts came on the live socket."""
        try:
            if len(parts) < 2:
                raise ContractError(f"live message has {len(parts)} parts, wanted a topic and an envelope")
            wire = unpack_live(parts[1])
        except ContractError as error:
            return self._refuse(error)
        self._hear(now_s)
        if isinstance(wire, Envelope):
            return self._decoded(self.follower.live(wire.epoch, Item(wire.seq, 0.0, parts[2:])))
        self.follower.heartbeat(wire.epoch, wire.last_seq)
        return []

    def reply(self, parts: Sequence[Part], now_s: float) -> list[Received]:
        """What can be handed on after these parts came on the control socket."""
        try:
            if not parts:
                raise ContractError("reply has no parts, wanted a Batch, an Answered or a Refused")
            wire = unpack_reply(parts[0])
            split = split_batch(wire, parts[1:]) if isinstance(wire, Batch) else []
        except ContractError as error:
            return self._refuse(error)
        if isinstance(wire, Batch):
            self._hear(now_s)
            items = [Item(entry.seq, entry.age_s, own) for entry, own in zip(wire.entries, split, strict=True)]
            return self._decoded(self._follow(wire, items))
        if isinstance(wire, Answered | Refused):
            self._saying.pop(wire.token, None)
        if isinstance(wire, Refused) or not wire.ok:
            self._happened(MessageDropped(stage=self._name, reason="refused_by_peer", detail=wire.text))
        return []

    def questions(self, now_s: float) -> list[list[Part]]:
        """What is to be sent on the control socket now."""
        self._tell_changes(now_s)
        pull = self.follower.wants(now_s)
        asked: list[list[Part]] = [] if pull is None else [[pack(pull)]]
        for token, (parts, due_s) in self._saying.items():
            if now_s >= due_s:
                self._saying[token] = (parts, now_s + SAY_AGAIN_S)
                asked.append(parts)
        return asked

    def unsent(self, now_s: float) -> None:
        """The questions could not be sent, for want of a connection: all are due again soon."""
        self.follower.unsent(now_s)
        self._saying = {token: (parts, now_s) for token, (parts, _) in self._saying.items()}

    def say(self, message: AnyMessage) -> None:
        """Have `message` said to the publisher's service."""
        self._tokens += 1
        token = f"{self._token}-{self._tokens}"
        parts: list[Part] = [pack(Say(token=token)), *(bytes(part) for part in encode(message))]
        self._saying[token] = (parts, float("-inf"))
        if len(self._saying) > SAY_LIMIT:
            self._saying.pop(next(iter(self._saying)))
            self._happened(MessageDropped(stage=self._name, reason="say_full"))

    def link(self, now_s: float) -> Link:
        """State of the connection."""
        follower = self.follower
        return Link(
            connected=self._heard_lately(now_s),
            last_heard_s=None if self._heard_at_s is None else max(0.0, now_s - self._heard_at_s),
            epoch=follower.epoch,
            gaps=follower.gaps,
            replays=follower.replays,
            lost=follower.lost,
            duplicates=follower.duplicates,
            refused=self.refused,
            dropped=follower.dropped,
            problem=self.problem,
        )

    def _follow(self, batch: Batch, items: list[Item]) -> list[Item]:
        """Feed the follower, and tell what came of it."""
        epoch, missed = self.follower.epoch, self.follower.missed
        ready = self.follower.batch(batch, items)
        if epoch and self.follower.epoch != epoch:
            self._happened(PeerReconnected(peer=self._name))
        if self.follower.missed > missed:
            count = self.follower.missed - missed
            self._happened(MessageDropped(stage=self._name, reason="missed", count=count))
        return ready

    def _heard_lately(self, now_s: float) -> bool:
        return self._heard_at_s is not None and now_s - self._heard_at_s < SILENT_AFTER_S

    def _tell_changes(self, now_s: float) -> None:
        """Tell when the publisher came, went silent, or is ahead by another number of messages."""
        up, lag = self._heard_lately(now_s), self.follower.lag
        if up != self._up:
            self._up = up
            self._happened(PeerUp(peer=self._name, up=up))
        if lag != self._lag:
            self._lag = lag
            self._happened(SubscriberLag(stream=self._name, messages=lag))

    def _hear(self, now_s: float) -> None:
        self._heard_at_s = now_s
        self.problem = ""

    def _decoded(self, items: list[Item]) -> list[Received]:
        received = []
        for item in items:
            try:
                message = decode(item.parts)
            except ContractError as error:
                self._refuse(error)
            else:
                received.append(Received(message, self.follower.epoch, item.seq, item.age_s))
        return received

    def _refuse(self, error: ContractError) -> list[Received]:
        self.refused += 1
        reason = "version" if isinstance(error, VersionError) else "malformed"
        if isinstance(error, VersionError):
            self.problem = str(error)
        self._happened(MessageDropped(stage=self._name, reason=reason, detail=str(error)))
        return []
