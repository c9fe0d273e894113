"""A reconstructor between two streams, in memory or over real sockets, for tests through the service's own path."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from contract.happened import Happened
from contract.messages import AnyMessage, Volume
from contract.stream import Addresses, MemoryStream, Publisher, Subscriber, open_publisher, open_subscriber
from reconstructor.runners import LocalRunner
from reconstructor.service import ReconstructorService
from reconstructor.settings import ReconstructorSettings

WITHIN_S = 90.0
PROVISIONAL = "Runs(cold=2) * Sup(every=10, threshold=0.2) * HIO**40 * ER**20"
REFINED = "Runs(cold=2, least=2) * Sup(every=10, threshold=0.15..0.25) * HIO**100 * RAAR**100 * ER**60"
ANY = Addresses("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
Kind = TypeVar("Kind")


@dataclass
class Bench:
    """A reconstructor between two streams, and all it has said."""

    folder: Path
    refined: str = REFINED
    provisional: str = PROVISIONAL
    frames: MemoryStream = field(default_factory=MemoryStream)
    streamer: Any = None
    """The publisher of frames, if there is one already."""
    volumes: MemoryStream = field(default_factory=MemoryStream)
    sockets: bool = False
    """Whether both streams go over ZeroMQ, on any free ports."""
    said: list[AnyMessage] = field(default_factory=list)
    heard: list[AnyMessage] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)

    def __post_init__(self) -> None:
        follow: Callable[[], Subscriber] = self.frames.subscriber
        publish: Callable[[], Publisher] = self.volumes.publisher
        if self.sockets:
            streamer = self.streamer = open_publisher(ANY)
            follow, publish = partial(open_subscriber, streamer.addresses), partial(open_publisher, ANY)
        self.streamer = self.streamer or self.frames.publisher()
        settings = ReconstructorSettings(
            folder=self.folder,
            workers=2,
            provisional_recipe=self.provisional,
            refined_recipes=(self.refined,),
            scans_kept=3,
        )
        self.service = ReconstructorService(
            settings,
            follow,
            publish,
            runner=LocalRunner(2),
            happened=self.happened.append,
        )
        self.service.open()
        there = self.service.addresses()
        self.listener = open_subscriber(Addresses(**there)) if self.sockets else self.volumes.subscriber()
        self.listener.receive(1.0 if self.sockets else 0.0)

    def close(self) -> None:
        """Stop the service and let go of the sockets."""
        self.service.close()
        if self.sockets:
            self.listener.close()
            self.streamer.close()

    def step_until(self, there: Callable[[], bool]) -> None:
        """Let the service work until a condition holds; it waits by itself while jobs are in flight."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            if there():
                return
            self.service.step(0.05)
            self.said += [received.message for received in self.listener.receive(0)]
            for peer in self.streamer.said():
                self.heard.append(peer.message)
                peer.answer(True, "")
        raise AssertionError(f"it did not come to pass; the last messages were {self.said[-5:]}")

    def all(self, kind: type[Kind]) -> list[Kind]:
        """Everything of one kind that was published."""
        return [message for message in self.said if isinstance(message, kind)]

    def stages(self) -> list[str]:
        """Stages of the volumes so far."""
        return [volume.stage for volume in self.all(Volume)]
