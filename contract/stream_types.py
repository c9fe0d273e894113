"""What a program sees of a stream: publisher, subscriber, what they hand over. No sockets here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from contract.messages import AnyMessage


class Addresses(NamedTuple):
    """Where a stream is: `live` carries new messages (XPUB), `control` snapshot, replay and what peers say (ROUTER)."""

    live: str
    control: str


class Received(NamedTuple):
    """A message from a stream and its place in it."""

    message: AnyMessage
    epoch: str
    """Names one start of the producer; a new epoch begins again at seq 1 and has nothing of the old one."""
    seq: int
    """From 1, strictly growing within an epoch."""
    age_s: float
    """How long ago it was published, by the publisher's monotonic clock: 0 for a live message."""


class Answer(NamedTuple):
    """What the publisher's service answered to something said to it."""

    ok: bool
    text: str


class Said(NamedTuple):
    """What a peer said to the publisher's service, to be answered exactly once."""

    message: AnyMessage
    answer: Callable[[bool, str], None]
    """`answer(ok, text)`; ValueError when called a second time."""


class Link(NamedTuple):
    """State of a subscriber's connection, and what was counted since it was opened."""

    connected: bool
    """The publisher was heard within the last three heartbeats."""
    last_heard_s: float | None
    """Seconds since the publisher was last heard; None if never."""
    epoch: str
    gaps: int
    """Times that live messages were missing and had to be asked for."""
    replays: int
    """Ranges of missed messages that came."""
    lost: int
    """Messages of the present epoch that could not be had again; the newest of each slot came by the snapshot."""
    duplicates: int = 0
    refused: int = 0
    """Parts that were no message of this contract."""
    dropped: int = 0
    """Live messages that came while earlier ones were missing and found no room; they come by replay."""
    problem: str = ""
    """What keeps the stream from being read, in one sentence, e.g. another major version; "" if nothing."""


class Publisher(Protocol):
    """The producing end of a stream. All methods may be called from any thread; none waits for the network."""

    @property
    def epoch(self) -> str: ...

    @property
    def addresses(self) -> Addresses:
        """Where the stream can be reached, with the ports really bound."""

    def publish(self, message: AnyMessage, *, slot: str | None = None) -> int:
        """Send `message` to all who listen and keep it for those who missed it; its seq.

        `slot` is the message's place in the present state (see `contract.stream_slots`); None takes the place
        its kind has by default. ContractError: the message does not keep to its declaration.
        """

    def forget(self, prefix: str) -> int:
        """Drop the slots that begin with `prefix` from the present state; how many there were."""

    def said(self) -> list[Said]:
        """What peers have said since the last call, oldest first; each is to be answered."""

    def close(self) -> None:
        """Send what is not yet sent, for half a second at most, and let go of the addresses."""


class Subscriber(Protocol):
    """The consuming end of a stream, to be used from one thread."""

    def receive(self, timeout_s: float) -> list[Received]:
        """Messages in order of seq, after a loss once they were replayed; [] if none came within `timeout_s`."""

    def say(self, message: AnyMessage) -> None:
        """Tell the publisher's service something; repeated until it answers, sent by calls of `receive`."""

    def link(self) -> Link: ...

    def close(self) -> None: ...
