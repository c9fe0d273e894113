"""Random histories of a beamtime.

What can happen: scans of several crystals and holds, one after another or interleaved; frames early, late, twice,
never; holds that end when they said, or sooner; jobs slower or faster than estimated, and failing ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from contract.messages import Scan
from reconstructor.agenda import Agenda
from reconstructor.jobs import Forecast, Offer, Outlook
from reconstructor.phasing.notation import parse
from reconstructor.speed import Speed
from reconstructor.window import Window3

TICK_S = 0.1
SMALL, LARGE = (64, 64, 64), (128, 128, 128)
REFINED = parse("Runs(cold=20, least=3) * HIO**300 * RAAR**500 * ER**200", "refined")
SWIFT = parse("Runs(cold=20, least=3) * HIO**100 * ER**50", "swift")
PROVISIONAL = parse("Runs(cold=3, warm=1) * HIO**250 * ER**50", "provisional")


def window(shape: tuple[int, int, int]) -> Window3:
    """A window of a shape."""
    return Window3((0, 0, 0), (1, 1, 1), shape)


OFFERS = (Offer(window(LARGE), REFINED), Offer(window(LARGE), SWIFT), Offer(window(SMALL), REFINED))
SHOWN = (Offer(window(SMALL), PROVISIONAL),)


@dataclass(frozen=True)
class Played:
    """One scan of a history; times in seconds."""

    scan: Scan
    begins_at: float
    frames: int
    frame_time_s: float
    hold_ends_at: float | None
    told_at: float
    """When the end of the hold becomes known, if it does."""
    peak_at: float = 0.5
    """Share of the frames after which the peak has passed."""
    lost: frozenset[int] = frozenset()
    """Frames that never come."""
    late: frozenset[int] = frozenset()
    """Frames that come `late_s` after the scan was over."""
    late_s: float = 5.0
    warm: bool = False
    """Whether the crystal's last object can be laid over the frames."""

    @property
    def over_at(self) -> float:
        """When the scan is said to be over."""
        return self.begins_at + (self.frames + 1) * self.frame_time_s

    def here(self, now: float) -> int:
        """Frames that have come; those that come twice count once."""
        due = min(self.frames, int((now - self.begins_at) / self.frame_time_s))
        missing = self.lost | (self.late if now < self.over_at + self.late_s else frozenset())
        return due - sum(index < due for index in missing)

    def outlook(self, now: float, known: Outlook | None) -> Outlook:
        """What the service would see of it."""
        frames, share = self.here(now), (now - self.begins_at) / (self.frames * self.frame_time_s)
        laid: Forecast = "fitted" if self.warm and share > 0.1 else "none"
        blank = Outlook(self.scan, 1, self.begins_at, 0, self.frames, False, False, False, 0.0, None, None)
        passed, over = share > self.peak_at, now >= self.over_at
        return replace(
            known or blank,
            frames=frames,
            located=passed or over or laid == "fitted",
            peak_passed=passed,
            peak_reached=share > 0.9 * self.peak_at,
            over=over,
            last_frame_at=min(now, self.begins_at + self.frames * self.frame_time_s),
            frame_time_s=self.frame_time_s,
            hold_ends_at=self.hold_ends_at if now >= self.told_at else None,
            forecast=laid,
            likely=OFFERS,
            provisional=SHOWN if passed or laid == "fitted" else (),
            refined=OFFERS if passed or over else (),
        )


@dataclass(frozen=True)
class History:
    """Scans, the machine and what goes wrong with it."""

    scans: tuple[Played, ...]
    speed: float
    """Of the machine, relative to two cores of 2022."""
    slower: float
    """What jobs really take, over their estimate."""
    devices: int = 1
    failing: frozenset[int] = frozenset()
    """The so-manieth jobs that fail."""

    @property
    def agenda(self) -> Agenda:
        """The agenda of that machine."""
        iteration, around = {SMALL: 0.002, LARGE: 0.02}, {SMALL: 0.2, LARGE: 0.8}
        iteration = {shape: value / self.speed for shape, value in iteration.items()}
        return Agenda(
            2, Speed(iteration, {shape: value / self.speed for shape, value in around.items()}), 2.0, self.devices
        )

    @property
    def ends_at(self) -> float:
        """When all is over that can happen, but for the jobs."""
        return max(max(scan.over_at + scan.late_s, scan.hold_ends_at or 0.0) for scan in self.scans) + 2 * TICK_S


@st.composite
def histories(
    draw: st.DrawFn, most_scans: int = 5, devices: int = 1, crowded: bool = False, short: bool = False
) -> History:
    """Scans that overlap or not, of 20 to 120 frames, holds of 3 to 120 s, speeds over two orders of magnitude.

    `crowded`: all in holds that end nearly together, as soon after the last scan as the machine needs for some of
    them, and no job fails. `short`: holds end about when their scans do, or before.
    """
    scans, begins = [], 0.0
    speed = float(np.exp(draw(st.floats(np.log(0.1), np.log(10.0)))))
    for number in range(draw(st.integers(2 if crowded else 1, most_scans))):
        frames, period = draw(st.integers(20, 120)), draw(st.floats(0.02, 0.3))
        long = frames * period
        holds = draw(st.one_of(st.none(), st.floats(3.0, 120.0)))
        ends = None if holds is None else begins + draw(st.sampled_from([0.0, long])) + holds
        if short:
            ends = begins + draw(st.floats(0.5, 1.1)) * long + draw(st.floats(0.0, 2.0))
        odd = draw(st.sets(st.integers(0, frames - 1), max_size=6))
        lost = frozenset(index for index in odd if index % 2)
        scans.append(
            Played(
                Scan(f"s{number}"),
                begins,
                frames,
                period,
                ends,
                begins + draw(st.sampled_from([0.0, 0.0, 0.5])) * long,
                peak_at=draw(st.floats(0.2, 0.9)),
                lost=lost,
                late=frozenset(odd) - lost,
                late_s=draw(st.floats(0.5, 30.0)),
                warm=draw(st.booleans()),
            )
        )
        begins = max(0.0, begins + long + draw(st.floats(-0.8 * long, 5.0 if crowded else 30.0)))
    if crowded:
        last = max(scan.over_at for scan in scans) + draw(st.floats(1.0, 8.0)) * len(scans) / speed
        ends = [last + draw(st.floats(0.0, 3.0)) / speed for _ in scans]
        scans = [replace(scan, hold_ends_at=end, told_at=0.0) for scan, end in zip(scans, ends, strict=True)]
    failing = frozenset() if crowded else draw(st.frozensets(st.integers(0, 12), max_size=3))
    return History(tuple(scans), speed, draw(st.floats(0.5, 2.0)), devices, failing)
