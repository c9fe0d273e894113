"""A simulated scan played back from its archive: what could have been shown as it grew, against the truth behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reconstructor import archive, scan_file
from reconstructor.forecast.growing import SHARES, Play, Shown, shown
from reconstructor.forecast.pattern import Pattern
from reconstructor.peak import find_peak
from reconstructor.phasing.kernel import Kernel
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.problem import Complex, Shape
from reconstructor.phasing.recipe import Recipe
from reconstructor.score import Score, score, true_object
from reconstructor.window import Window3


@dataclass(frozen=True)
class Playback:
    """What became of one scan."""

    scan: str
    frames: int
    """Of the whole curve."""
    peak_frame: int | None
    """Where its peak is; None if there is none to be seen."""
    ways: tuple[Shown, ...]
    """LAST HOLD, and one warm and one cold run, at each share of the frames; none without a last hold."""
    published: tuple[Score, ...]
    """The volumes that were given to be scored."""


def play_back(
    scan: Path,
    truth: Path,
    last: Path | None,
    volumes: Sequence[Path],
    cold: Recipe,
    threads: int,
    shares: tuple[float, ...] = SHARES,
) -> Playback:
    """Play an archived scan back.

    `last` is the archived volume of the crystal's last hold, `volumes` are those to be scored, `cold` is the recipe of
    cold runs. Raises ValueError for a file that is not what it should be; the text names it.
    """
    reading = scan_file.read(scan)
    peak = find_peak(reading)
    name = str(reading.started.scan)

    def true(window: Window3) -> Complex:
        return true_object(truth, window, name, None)[1]

    @cache
    def kernel(shape: Shape) -> Kernel:
        return cpu.choose(shape, threads)

    ways: tuple[Shown, ...] = ()
    if last is not None:
        before = archive.read(last)
        pattern = Pattern(before.obj, before.window)
        play = Play(reading, true, pattern, before.support, cold, lambda problem: kernel(problem.shape))
        ways = tuple(shown(play, shares))
    return Playback(
        scan=name,
        frames=reading.sizes[0],
        peak_frame=None if peak is None else peak.at[0],
        ways=ways,
        published=tuple(score(path, truth) for path in volumes),
    )
