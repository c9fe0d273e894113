"""What goes wrong in one run of the soak of all services: a seed says what is lost and who is hit when. No I/O."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Service = Literal["streamer", "reconstructor", "listener"]
Act = Literal["kill -9", "SIGSTOP"]
Moment = Literal[
    "frames come",
    "a commit is made",
    "the scan has ended",
    "its archive is being written",
    "a job runs",
    "a volume is in its archive",
    "a volume is told",
    "it takes over",
]
MOMENTS: dict[Service, tuple[Moment, ...]] = {
    "streamer": (
        "frames come",
        "a commit is made",
        "the scan has ended",
        "its archive is being written",
        "it takes over",
    ),
    "reconstructor": (
        "frames come",
        "a job runs",
        "a volume is in its archive",
        "a volume is told",
        "it takes over",
    ),
    "listener": ("frames come", "the scan has ended", "a volume is told"),
}
"""When a service can be hit; each can be seen from outside. "It takes over": it is killed, and killed once more as
soon as it is ready again."""
FRAMES = 41
WIRE = ("drop", "duplicate", "swap", "corrupt", "truncate")


class Deed(NamedTuple):
    """One service that is hit."""

    service: Service
    act: Act
    moment: Moment
    after_s: float
    """From the moment on"""
    stopped_s: float

    @property
    def name(self) -> str:
        """In words, for the table."""
        return f"{self.act} of the {self.service}: {self.moment}"


class ChainRun(NamedTuple):
    """What one seed makes."""

    wire: tuple[tuple[str, int], ...]
    """Faults of the sender, each with the frame it hits"""
    no_end: bool
    deeds: tuple[Deed, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of what goes wrong on the wire."""
        return (*(name for name, _ in self.wire), *(["no end"] if self.no_end else []))

    def sender_arguments(self, seed: int, truth: str) -> list[str]:
        """Of `python -m streamer.simulator`, but for the addresses."""
        scan = ["simulate", "--voltages", "4.1", "--frames", str(FRAMES), "--rows", "48", "--columns", "48"]
        scan += ["--rate", "16", "--hold-margin", "9", "--photons", "3e6", "--seed", str(seed), "--truth", truth]
        for name, frame in self.wire:
            scan += [f"--{name}", str(frame)]
        return [*scan, "--no-end"] if self.no_end else scan


def plan(seed: int) -> ChainRun:
    """The run of a seed: up to three faults of the wire, one to three services hit."""
    random = np.random.default_rng([20261123, 7, seed])
    frames = random.permutation(np.arange(1, FRAMES - 2))[: int(random.integers(0, 4))]
    wire = tuple((str(random.choice(WIRE)), int(frame)) for frame in frames)
    deeds = {_deed(random) for _ in range(int(random.integers(1, 4)))}
    return ChainRun(wire, bool(random.random() < 0.15), tuple(sorted(deeds)))


def _deed(random: np.random.Generator) -> Deed:
    names = list(MOMENTS)
    service = names[int(random.integers(len(names)))]
    moment = MOMENTS[service][int(random.integers(len(MOMENTS[service])))]
    act: Act = "kill -9" if moment == "it takes over" or random.random() < 0.7 else "SIGSTOP"
    after_s = float(random.uniform(0.0, 1.5)) if moment in ("frames come", "it takes over") else 0.0
    return Deed(service, act, moment, after_s, float(random.uniform(1.0, 3.0)))
