"""A streamer whose loop the test turns, with a detector and a subscriber on real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from contract.messages import Notice
from contract.stream import Addresses, open_subscriber
from contract.telemetry import Telemetry
from streamer.service import StreamerService
from streamer.settings import StreamerSettings

WAIT_S = 30.0


class Loop:
    """A service in this process, stepped by the test, with a detector and a subscriber on real sockets."""

    def __init__(self, folder: Path, sockets: Path | None = None, **settings: Any) -> None:
        self.source = f"ipc://{sockets or folder}/detector"
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.detector = self.context.socket(zmq.PUSH)
        self.detector.setsockopt(zmq.SNDTIMEO, int(1000 * WAIT_S))
        self.detector.bind(self.source)
        places = {"folder": folder, "live": "tcp://127.0.0.1:0", "control": "tcp://127.0.0.1:0"}
        chosen = StreamerSettings(detectors=(self.source,), **{**places, **settings})
        self.telemetry = Telemetry("streamer")
        self.service = StreamerService(chosen, self.telemetry)
        self.service.open()
        self.subscriber = open_subscriber(Addresses(**self.service.addresses()))
        self.heard: list[Any] = []

    def step_until(self, test: Callable[[], bool]) -> None:
        end_s = time.monotonic() + WAIT_S
        while not test():
            assert time.monotonic() < end_s, self.heard
            self.service.step(0.02)
            self.heard += [received.message for received in self.subscriber.receive(0.0)]

    def notices(self) -> list[str]:
        return [message.text for message in self.heard if isinstance(message, Notice)]

    def close(self) -> None:
        self.service.close()
        self.subscriber.close()
        self.context.destroy(0)
