"""The dialects there are, by the name they have in the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from streamer.detectors import dectris_v2
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.records import Frame, Record, SeriesStarted


class Dialect(Protocol):
    """What a dialect's module offers; see `streamer.detectors`."""

    def read(self, parts: Sequence[memoryview]) -> Record: ...

    def agree(self, frame: Frame, series: SeriesStarted) -> None: ...

    def pixels(self, frame: Frame, channel: str, row0: int, row1: int) -> NDArray[Any]: ...


DIALECTS: Mapping[str, Dialect] = {"dectris-stream-v2": dectris_v2}


def checked(dialect: str, parts: Sequence[memoryview], max_bytes: int) -> Record | DecodeError:
    """The record in one received message, or why it is refused. Its size is looked at before anything else."""
    size = sum(part.nbytes for part in parts)
    if size > max_bytes:
        return DecodeError("size", f"a message has {size} bytes, wanted at most {max_bytes}")
    try:
        return DIALECTS[dialect].read(parts)
    except DecodeError as error:
        return error
