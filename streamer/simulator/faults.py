"""What can go wrong between a detector and us, chosen frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec
import numpy as np


class Outgoing(NamedTuple):
    """A message about to be sent; `image_id` is the image's, None for start and end."""

    kind: Literal["start", "image", "end"]
    image_id: int | None
    data: bytes


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Indices of the images to which each fault happens."""

    drop: frozenset[int] = frozenset()
    duplicate: frozenset[int] = frozenset()
    swap: frozenset[int] = frozenset()
    """Sent after the next message."""
    corrupt: frozenset[int] = frozenset()
    """One bit of the pixels flipped."""
    truncate: frozenset[int] = frozenset()
    """Only the first half is sent."""
    no_end: bool = False
    """The end message is not sent."""


def damaged(messages: Iterable[Outgoing], faults: Faults, seed: int = 0) -> Iterator[Outgoing]:
    """`messages` as they leave after `faults`; `seed` chooses the bits."""
    rng = np.random.default_rng(seed)
    held: Outgoing | None = None
    for message in messages:
        if message.kind == "end" and faults.no_end:
            continue
        if message.image_id in faults.drop:
            continue
        if message.image_id in faults.corrupt:
            message = message._replace(data=_flipped(message.data, rng))
        if message.image_id in faults.truncate:
            message = message._replace(data=message.data[: len(message.data) // 2])
        if held is None and message.image_id in faults.swap:
            held = message
            continue
        yield message
        if message.image_id in faults.duplicate:
            yield message
        if held is not None:
            yield held
            held = None
    if held is not None:
        yield held


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """One bit of the second quarter, which in an image message lies within the pixels."""
    damaged_data = bytearray(data)
    place = int(rng.integers(len(data) // 4, len(data) // 2))
    damaged_data[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged_data)
