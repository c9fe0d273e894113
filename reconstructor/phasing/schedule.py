"""When a stage does what: its iterations cut where something happens between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from reconstructor.phasing.recipe import Stage, Step


class Chunk(NamedTuple):
    """Iterations of one step in a row, and what comes before and after them."""

    step: Step
    iterations: int
    halve: bool
    """Before: go on with half of the support."""
    restore: bool
    """After: go back to the whole support."""
    sigma_voxels: float | None
    """After: update the support with this smoothing; None for no update."""
    coherence: bool
    """After: update the point-spread function of partial coherence."""
    report: bool
    """After: give an estimate."""
    end: bool
    """The stage is over."""


def chunks(stage: Stage, every: int) -> Iterator[Chunk]:
    """All iterations of a stage in order, an estimate at least each `every`."""
    starts, twin = _starts(stage), _twin(stage)
    updates = set(_updates(stage))
    updates -= set(range(twin.start + 1, twin.stop))
    coherence = set(_coherence(stage)) - set(range(twin.start + 1, twin.stop))
    reports = {*range(every, stage.iterations, every), stage.iterations}
    events = {0, *starts, twin.start, twin.stop, *updates, *coherence, *reports}
    cuts = sorted(events & set(range(stage.iterations + 1)))
    for begin, end in pairwise(cuts):
        yield Chunk(
            step=starts[max(s for s in starts if s <= begin)],
            iterations=end - begin,
            halve=begin == twin.start and len(twin) > 0,
            restore=end == twin.stop and len(twin) > 0,
            sigma_voxels=_sigma(stage, end) if end in updates else None,
            coherence=end in coherence,
            report=end in reports,
            end=end == stage.iterations,
        )


def _starts(stage: Stage) -> dict[int, Step]:
    starts, at = {}, 0
    for step in stage.steps:
        starts[at] = step
        at += step.iterations
    return starts


def _twin(stage: Stage) -> range:
    """The iterations with half of the support; empty when there are none."""
    if stage.twin is None:
        return range(0)
    begin = int(stage.twin.at * stage.searching)
    return range(begin, min(begin + stage.twin.iterations, stage.iterations))


def _updates(stage: Stage) -> range:
    """After how many iterations the support is updated: as long as the search lasts."""
    if stage.shrinkwrap is None:
        return range(0)
    every = stage.shrinkwrap.every
    return range(every, stage.searching + 1, every)


def _coherence(stage: Stage) -> range:
    """After how many iterations the point-spread function is updated."""
    if stage.coherence is None:
        return range(0)
    first = max(1, int(stage.coherence.at * stage.searching))
    return range(first, stage.searching + 1, stage.coherence.every)


def _sigma(stage: Stage, iteration: int) -> float:
    """Exponentially from the first to the last width over the search."""
    if stage.shrinkwrap is None:
        raise ValueError("a stage without shrinkwrap has no smoothing")
    first, last = stage.shrinkwrap.sigma_voxels
    return float(first * (last / first) ** (iteration / stage.searching))
