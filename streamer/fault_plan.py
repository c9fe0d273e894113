"""What goes wrong in one run of the soak: a seed makes the series and, in order, all that is done. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from contract.messages import Scan
from streamer.checker import SentSeries
from streamer.simulator.dectris_v2 import Goniometer, SeriesStart, encode_end, encode_image, encode_start

SHAPE = (24, 20)
FEWEST, MOST = 12, 41
"""Frames a series"""
Deed = Literal["send", "kill", "rot", "stop", "disk", "abort", "strangers", "pause"]


class Step(NamedTuple):
    """One thing that is done."""

    deed: Deed
    message: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """What one seed makes."""

    series: tuple[SentSeries, ...]
    steps: tuple[Step, ...]
    faults: tuple[str, ...]
    """Names of what goes wrong, one each time"""
    silent: bool
    """Nothing follows, and the scan must be closed for want of frames"""


class _Draft:
    """A series being spoilt: its messages in the order in which they will leave."""

    def __init__(self, name: str, random: np.random.Generator) -> None:
        frames = int(random.integers(FEWEST, MOST + 1))
        self.random = random
        self.name = name
        self.counts = random.poisson(0.5, (frames, *SHAPE)).astype(np.uint32)
        self.description = SeriesStart(
            series_id=1,
            series_unique_id=name,
            number_of_images=frames,
            image_shape=SHAPE,
            image_dtype="uint16",
            energy_kev=11.0,
            pixel_um=(55.0, 55.0),
            distance_mm=2900.0,
            beam_centre_px=(12.0, 10.0),
            frame_time_s=0.01,
            count_time_s=0.01,
            saturation_value=60_000,
            goniometer={"omega": Goniometer(start=6.0, increment=0.005)},
            arm_date="2026-11-23T03:15:00+00:00",
        )
        self.images = [encode_image(self.description, index, image) for index, image in enumerate(self.counts)]
        self.start, self.end = encode_start(self.description), encode_end(self.description)
        self.messages: list[bytes] = [self.start, *self.images, self.end]
        self.faults: list[str] = []

    def place(self) -> int:
        """Anywhere behind the start."""
        return int(self.random.integers(1, max(1, len(self.messages)) + 1))

    def image(self) -> int:
        """The place of some image that is still to leave."""
        places = [place for place, message in enumerate(self.messages) if message in self.images]
        return int(self.random.choice(places)) if places else len(self.messages) - 1

    def sent(self) -> SentSeries:
        """What leaves in the end."""
        left = set(self.messages)
        whole = {index: self.counts[index] for index, image in enumerate(self.images) if image in left}
        announced = len(self.images) if self.start in left else 0
        return SentSeries(Scan(self.name), announced, whole)


def _drop(one: _Draft) -> None:
    del one.messages[one.image()]


def _duplicate(one: _Draft) -> None:
    one.messages.insert(one.place(), one.messages[one.image()])


def _reorder(one: _Draft) -> None:
    window = int(one.random.integers(2, 12))
    keys = [place + one.random.uniform(0, window) for place in range(1, len(one.messages))]
    order = sorted(range(1, len(one.messages)), key=lambda place: keys[place - 1])
    one.messages = [one.messages[0], *(one.messages[place] for place in order)]


def _corrupt(one: _Draft) -> None:
    place = one.image()
    message = bytearray(one.messages[place])
    begin = message.find(b"bslz4") + 25  # behind the header and the length of the first block
    message[begin : begin + 60] = b"\xff" * len(message[begin : begin + 60])
    one.messages[place] = bytes(message)


def _truncate(one: _Draft) -> None:
    place = one.image()
    one.messages[place] = one.messages[place][: -int(one.random.integers(1, 60))]


def _oversize(one: _Draft) -> None:
    """An image whose header claims 2⁴⁰ bytes."""
    message = bytearray(one.messages[one.image()])
    begin = message.find(b"bslz4") + 9
    message[begin : begin + 8] = (1 << 40).to_bytes(8, "big")
    one.messages.insert(one.place(), bytes(message))


def _garbage(one: _Draft) -> None:
    one.messages.insert(one.place(), one.random.bytes(int(one.random.integers(1, 3000))))


def _wrong_series(one: _Draft) -> None:
    """The end of a series that never began."""
    one.messages.insert(one.place(), one.end.replace(one.name.encode(), one.name[::-1].encode()))


def _no_start(one: _Draft) -> None:
    one.messages = [message for message in one.messages if message != one.start]


def _late_start(one: _Draft) -> None:
    one.messages.remove(one.start)
    one.messages.insert(one.place(), one.start)


def _start_again(one: _Draft) -> None:
    one.messages.insert(one.place(), one.start)


def _early_end(one: _Draft) -> None:
    one.messages.insert(one.place(), one.end)


def _no_end(one: _Draft) -> None:
    one.messages = [message for message in one.messages if message != one.end]


def _stops(one: _Draft) -> None:
    """Aborted at the detector: from some frame on nothing comes any more."""
    del one.messages[one.place() :]


SPOILERS: dict[str, Callable[[_Draft], None]] = {
    "drop": _drop,
    "duplicate": _duplicate,
    "reorder": _reorder,
    "corrupt": _corrupt,
    "truncate": _truncate,
    "oversized claim": _oversize,
    "garbage": _garbage,
    "wrong series": _wrong_series,
    "start again": _start_again,
    "end too early": _early_end,
    "no end": _no_end,
    "detector stops": _stops,
    "start late": _late_start,
    "no start": _no_start,
}
DEEDS: dict[str, Deed] = {
    "kill -9": "kill",
    "flipped bit in the journal": "rot",
    "SIGSTOP": "stop",
    "disk full": "disk",
    "abort": "abort",
    "strangers": "strangers",
    "pause": "pause",
}

LIKELY = [*DEEDS, "kill -9", "flipped bit in the journal"]
"""These two are drawn twice as often as the others, for they cannot be done in every run."""


def plan(seed: int, spoilers: tuple[str, ...] | None = None, deeds: tuple[str, ...] | None = None) -> Run:
    """The run of a seed; what goes wrong can be told instead of being drawn."""
    random = np.random.default_rng([20261123, seed])
    drafts = [_Draft(f"soak-{seed}-{letter}", random) for letter in "ab"[: 2 if random.random() < 0.25 else 1]]
    faults = ["interleaved series"] * (len(drafts) - 1)
    for draft in drafts:
        chosen = _drawn(random, list(SPOILERS), 6) if spoilers is None else spoilers
        # What takes the start or the end away comes last, for the others count from them.
        for name in sorted(chosen, key=list(SPOILERS).index):
            SPOILERS[name](draft)
            faults.append(name)
    steps = [Step("send", message) for message in _interleaved(drafts, random)]
    startless = any(draft.start not in draft.messages[:1] for draft in drafts)
    for name in _possible(_drawn(random, LIKELY, 4) if deeds is None else list(deeds), startless):
        place = int(random.integers(1, len(steps) + 1))
        steps.insert(place, Step(DEEDS[name], seconds=float(random.uniform(0.05, 0.4))))
        faults.append(name)
    series = tuple(draft.sent() for draft in drafts)
    silent = len(drafts) == 1 and bool(random.random() < 0.2)
    return Run(series, tuple(steps), tuple(faults), silent)


def sentinel(name: str) -> tuple[bytes, bytes]:
    """Start and only frame of a series that is sent to know that all before it was taken."""
    random = np.random.default_rng(0)
    draft = _Draft(name, random)
    one = msgspec.structs.replace(draft.description, number_of_images=1)
    return encode_start(one), encode_image(one, 0, draft.counts[0])


def _drawn(random: np.random.Generator, names: list[str], most: int) -> list[str]:
    return [names[k] for k in random.integers(0, len(names), int(random.integers(0, most + 1)))]


def _possible(names: list[str], startless: bool) -> list[str]:
    """Without a start nobody can know what was lost with a killed process, and what the disk has not taken is lost
    with it, as it is said: neither says anything about the streamer.
    """
    return [name for name in names if DEEDS[name] not in ("kill", "rot") or not (startless or "disk full" in names)]


def _interleaved(drafts: list[_Draft], random: np.random.Generator) -> list[bytes]:
    """The messages of all series, each in its own order."""
    turns = random.permutation([number for number, draft in enumerate(drafts) for _ in draft.messages])
    left = [iter(draft.messages) for draft in drafts]
    return [next(left[number]) for number in turns]
