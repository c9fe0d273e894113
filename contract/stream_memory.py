"""A stream inside one process, without sockets, threads or time: the same bytes and the same recovery, for tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from contract.codec import Part
from contract.happened import Happened, MessageDropped, ignore
from contract.messages import AnyMessage
from contract.stream_intake import Intake
from contract.stream_outbox import REPLAY_BYTES, STATE_BYTES, Outbox
from contract.stream_outlet import Heard, Outlet
from contract.stream_types import Addresses, Link, Received, Said

LIVE_LIMIT = 1000
NOWHERE = Addresses(live="memory", control="memory")


def deliver_all(seq: int, message: AnyMessage) -> bool:
    """No live message is lost."""
    return True


class MemoryStream:
    """One publisher, which may be started anew, and any number of subscribers.

    `delivered(seq, message)` is asked for every live message and every subscriber; False loses it on the way, and
    the subscriber has it by replay. `now` is the publisher's and the subscribers' clock; it stands still unless given.
    Each subscriber's live messages wait in a queue of 1000; what finds no room comes by replay.
    """

    def __init__(
        self,
        *,
        delivered: Callable[[int, AnyMessage], bool] = deliver_all,
        now: Callable[[], float] = lambda: 0.0,
        happened: Callable[[Happened], None] = ignore,
        replay_bytes: int = REPLAY_BYTES,
        state_bytes: int = STATE_BYTES,
    ) -> None:
        self.delivered = delivered
        self.now = now
        self.happened = happened
        self.outlet: Outlet | None = None
        """The bytes side of the present publisher; None while there is none."""
        self.queues: list[deque[list[Part]]] = []
        self.replies: dict[bytes, deque[list[Part]]] = {}
        self._limits = (replay_bytes, state_bytes)
        self._epochs = 0

    def publisher(self) -> MemoryPublisher:
        """A new publisher, which begins a new epoch; an earlier one is as good as dead."""
        self._epochs += 1
        replay_bytes, state_bytes = self._limits
        outbox = Outbox(f"memory-{self._epochs}", replay_bytes=replay_bytes, state_bytes=state_bytes)
        self.outlet = Outlet(outbox, "memory", self.happened)
        return MemoryPublisher(self, self.outlet)

    def subscriber(self) -> MemorySubscriber:
        """A new subscriber; it hears live what is published from now on, and the present state before."""
        return MemorySubscriber(self)


class MemoryPublisher:
    """The producing end; see `contract.stream_types.Publisher`."""

    def __init__(self, stream: MemoryStream, outlet: Outlet) -> None:
        self._stream = stream
        self._outlet = outlet

    @property
    def epoch(self) -> str:
        return self._outlet.outbox.epoch

    @property
    def addresses(self) -> Addresses:
        return NOWHERE

    def publish(self, message: AnyMessage, *, slot: str | None = None) -> int:
        stored = self._outlet.add(message, slot, self._stream.now())
        for queue in self._stream.queues:
            if self._stream.outlet is self._outlet and self._stream.delivered(stored.seq, message):
                if len(queue) < LIVE_LIMIT:
                    queue.append(self._outlet.live(stored))
                else:
                    self._stream.happened(MessageDropped(stage="memory", reason="full"))
        return stored.seq

    def forget(self, prefix: str) -> int:
        return self._outlet.outbox.forget(prefix)

    def said(self) -> list[Said]:
        return [Said(heard.message, self._answer(heard)) for heard in self._outlet.said()]

    def close(self) -> None:
        if self._stream.outlet is self._outlet:
            self._stream.outlet = None

    def _answer(self, heard: Heard) -> Callable[[bool, str], None]:
        def answer(ok: bool, text: str) -> None:
            self._stream.replies[heard.sender].append(self._outlet.answer_said(heard, ok, text))

        return answer


class MemorySubscriber:
    """The consuming end; see `contract.stream_types.Subscriber`. `receive` never waits."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream
        self._name = f"subscriber-{len(stream.replies) + 1}".encode()
        self._intake = Intake("memory", self._name.decode(), stream.happened)
        self._live: deque[list[Part]] = deque()
        stream.queues.append(self._live)
        stream.replies[self._name] = deque()

    def receive(self, timeout_s: float) -> list[Received]:
        now_s = self._stream.now()
        received: list[Received] = []
        received += self._ask(now_s)
        while self._live:
            received += self._intake.live(self._live.popleft(), now_s)
        outlet = self._stream.outlet
        if outlet is not None:
            received += self._intake.live(outlet.heartbeat(outlet.outbox.last_seq), now_s)
        return received + self._ask(now_s)

    def say(self, message: AnyMessage) -> None:
        self._intake.say(message)

    def link(self) -> Link:
        return self._intake.link(self._stream.now())

    def close(self) -> None:
        self._stream.queues = [queue for queue in self._stream.queues if queue is not self._live]

    def _ask(self, now_s: float) -> list[Received]:
        """Ask until nothing is missing; answers come at once."""
        received: list[Received] = []
        replies = self._stream.replies[self._name]
        outlet = self._stream.outlet
        while outlet is not None and (questions := self._intake.questions(now_s)):
            for question in questions:
                answer = outlet.answer(self._name, question, now_s)
                if answer is not None:
                    replies.append(answer)
            while replies:
                received += self._intake.reply(replies.popleft(), now_s)
        while replies:
            received += self._intake.reply(replies.popleft(), now_s)
        return received
