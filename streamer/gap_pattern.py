"""The pattern of gaps that a second reader of the detector leaves: a PUSH socket deals its messages out in turn."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

SEEN = 9
"""Frames in a row that must show the pattern: by chance, with one frame in ten lost, they do so (0.1 · 0.9)⁸ ≈ 4·10⁻⁹
of the time."""
MOST_READERS = 4


class GapPattern:
    """Looks at the indices of one series' frames in the order in which they come."""

    def __init__(self) -> None:
        self._last: deque[int] = deque(maxlen=SEEN)
        self._told = False

    def take(self, index: int) -> int | None:
        """A frame came. The number of readers that seem to share the series, once, when the pattern is clear."""
        self._last.append(index)
        if self._told or len(self._last) < SEEN:
            return None
        steps = {later - earlier for earlier, later in pairwise(self._last)}
        step = steps.pop()
        if steps or not 2 <= step <= MOST_READERS:
            return None
        self._told = True
        return step


def warning(scan: str, readers: int) -> str:
    """What to tell people, one or two plain sentences."""
    every = "every other frame" if readers == 2 else f"one frame in {readers}"
    return (
        f"scan {scan}: only {every} comes, so another program seems to read the same detector stream, which deals its "
        f"messages out among its readers. Disconnect it, or give each reader its own copy by a relay"
    )
