"""Repeated scans in one hold: summed when they agree, else their differences are what is reported. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from contract.messages import Scan
from reconstructor.curve import CurveError, Reading, rocking
from reconstructor.peak import Peak, find_peak
from reconstructor.registration import Registration, known_voxels, registered
from reconstructor.window import Triple

AGREE = 0.97
"""Pearson correlation of the counts from which on two scans show one state of the crystal (as they are summed)."""
SAME_STEP = 0.01
"""Relative difference of rocking steps that is none."""
LARGEST_COUNT = 2**32 - 1


@dataclass(frozen=True)
class Evolution:
    """How a scan differs from the first one of its hold."""

    scan: Scan
    registration: Registration
    counts_ratio: float
    """Counts of this scan over those of the first, in the box about the peak, for the same incident intensity."""
    summed: bool

    def text(self) -> str:
        """In one or two sentences."""
        frame, row, column = self.registration.shift
        moved = f"by {frame:+.2f} frames, {row:+.2f} rows and {column:+.2f} columns"
        like = f"correlation {self.registration.pearson_whole:.3f}"
        if self.summed:
            return f"{self.scan} agrees with the first scan of the hold ({like}) and is summed with it, moved {moved}."
        return (
            f"{self.scan} is not summed with the first scan of the hold: {like}, wanted {AGREE}. It moved {moved}, "
            f"and has {self.counts_ratio:.2f} times the counts."
        )


@dataclass(frozen=True, eq=False)
class Repeated:
    """The scans of one hold as one curve."""

    reading: Reading
    """The first scan with those that agree added to it; the first scan as it is, where none does."""
    evolutions: tuple[Evolution, ...]
    """One for each later scan."""
    assumptions: tuple[str, ...]


def repeated(readings: Sequence[Reading]) -> Repeated:
    """Register each later scan to the first and add those that agree with it, oldest first.

    CurveError where a scan has no peak, other steps, or next to nothing known in common with the first.
    """
    first = readings[0]
    peak = _peak(first)
    total, evolutions, assumptions = first, [], []
    for other in readings[1:]:
        _check_steps(first, other)
        there = _peak(other)
        found = registered(first, peak, other, there)
        agrees = found.pearson_whole >= AGREE
        evolutions.append(Evolution(other.started.scan, found, there.counts / peak.counts, agrees))
        if agrees:
            total = summed(total, other, found.whole)
            assumptions.append(_assumed(found, other))
    return Repeated(total, tuple(evolutions), tuple(assumptions))


def summed(one: Reading, other: Reading, shift: Triple) -> Reading:
    """Counts of both scans together, on the grid of `one`, voxel v of which is voxel v + `shift` of the other.

    `shift` counts on the whole detector. Counts are added as they are, never interpolated: they stay Poisson. A pixel
    is trusted where it is in both; a frame that only one of them measured is that one's; the monitor is added, and the
    flat field is the mean of both, weighted by the monitor. A saturated voxel of either stays saturated.
    """
    frames, inside = _overlap(one, other, shift)
    a, b = one.started, other.started
    known_a, known_b = np.zeros_like(one.measured), np.zeros_like(one.measured)
    known_a |= one.measured
    known_b[frames[0]] = other.measured[frames[1]]
    trusted = np.zeros_like(one.trusted)
    trusted[inside[0]] = one.trusted[inside[0]] & other.trusted[inside[1]]
    counts = np.where(known_a[:, None, None], one.counts, 0).astype(np.uint64)
    limit = _limit(one, other)
    if limit is not None:
        counts = np.where(known_voxels(one) | ~known_a[:, None, None] | ~one.trusted, counts, limit)
    place, there = (frames[0], *inside[0]), (frames[1], *inside[1])
    more = np.where(other.measured[there[0], None, None], other.counts[there], 0).astype(np.uint64)
    if limit is not None and b.saturation_counts is not None:
        more = np.where(more >= b.saturation_counts, limit, more)
    counts[place] += more
    total = np.minimum(counts, LARGEST_COUNT if limit is None else limit).astype(np.uint32)
    monitor = np.where(known_a, one.monitor, 0.0)
    monitor[frames[0]] += np.where(other.measured[frames[1]], other.monitor[frames[1]], 0.0)
    flat = _flat_field(one, other, inside)
    angle = one.angle_deg.copy()
    step, start = rocking(one).step_deg, rocking(one).start_deg
    angle[known_b & ~known_a] = (start + step * np.arange(len(angle)))[known_b & ~known_a]
    started = msgspec.structs.replace(
        a, mask=(~trusted).astype(np.uint32), flat_field=flat, saturation_counts=None if limit is None else int(limit)
    )
    measured = known_a | known_b
    image = np.where(trusted, total[measured].sum(axis=0, dtype=float), 0.0)
    return Reading(started, total, measured, angle, np.where(measured, monitor, 1.0), image, trusted, one.ended)


def _peak(reading: Reading) -> Peak:
    peak = find_peak(reading)
    if peak is None:
        raise CurveError(f"no Bragg peak is to be seen in {reading.started.scan}; wanted one to lay scans by")
    return peak


def _check_steps(one: Reading, other: Reading) -> None:
    wanted, found = rocking(one).step_deg, rocking(other).step_deg
    if abs(found / wanted - 1) > SAME_STEP:
        raise CurveError(
            f"{other.started.scan} has rocking steps of {found:.5f} deg; wanted {wanted:.5f} as {one.started.scan}"
        )


def _overlap(
    one: Reading, other: Reading, shift: Triple
) -> tuple[tuple[slice, slice], tuple[tuple[slice, slice], ...]]:
    """Slices of `one` and of `other` that are the same frames, and the same (rows, columns)."""
    a, b = one.started.window, other.started.window
    own = (shift[0], shift[1] - b.row0 + a.row0, shift[2] - b.column0 + a.column0)
    pairs = []
    for n, m, by in zip(one.sizes, other.sizes, own, strict=True):
        low, high = max(0, -by), min(n, m - by)
        high = max(low, high)
        pairs.append((slice(low, high), slice(low + by, high + by)))
    rows, columns = pairs[1], pairs[2]
    return pairs[0], ((rows[0], columns[0]), (rows[1], columns[1]))


def _limit(one: Reading, other: Reading) -> int | None:
    """What no sum of unsaturated counts reaches; None if neither scan has a limit."""
    limits = (one.started.saturation_counts, other.started.saturation_counts)
    known = [limit for limit in limits if limit is not None]
    if not known:
        return None
    return min(LARGEST_COUNT, sum(known) if len(known) == 2 else LARGEST_COUNT)


def _flat_field(
    one: Reading, other: Reading, inside: tuple[tuple[slice, slice], ...]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    fields = one.started.flat_field, other.started.flat_field
    if fields[0] is None and fields[1] is None:
        return None
    own = np.ones(one.trusted.shape) if fields[0] is None else fields[0].astype(float)
    there = np.ones(other.trusted.shape) if fields[1] is None else fields[1].astype(float)
    weights = [float(reading.monitor[reading.measured].sum()) for reading in (one, other)]
    mean = own.copy()
    rows, columns = inside
    mean[rows] = (weights[0] * own[rows] + weights[1] * there[columns]) / sum(weights)
    return mean.astype(np.float32)


def _assumed(found: Registration, other: Reading) -> str:
    frame, row, column = found.rest
    return (
        f"{other.started.scan} was added, moved by whole voxels (off by {frame:+.2f} frames, {row:+.2f} rows and "
        f"{column:+.2f} columns); its flat field is averaged with the first scan's."
    )
