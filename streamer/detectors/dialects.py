"""The dialects there are, by the name they have in the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from streamer.detectors import dectris_v2
from streamer.detectors.records import Frame, Record, SeriesStarted


class Dialect(Protocol):
    """What a dialect's module offers; see `streamer.detectors`."""

    def read(self, parts: Sequence[memoryview]) -> Record: ...

    def agree(self, frame: Frame, series: SeriesStarted) -> None: ...

    def pixels(self, frame: Frame, channel: str, row0: int, row1: int) -> NDArray[Any]: ...


DIALECTS: Mapping[str, Dialect] = {"dectris-stream-v2": dectris_v2}
