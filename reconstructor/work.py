"""What one job does, without knowing how it is run: the curve in, runs between, a crystal out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import Geometry, Quality
from reconstructor.candidates import BEGUN, SHOWN, Polish, candidates, no_polish, told_before
from reconstructor.choosing import Candidate, common, pick
from reconstructor.curve import Reading, Rocking, rocking
from reconstructor.doubtful import doubtful
from reconstructor.foretold import Foretold, foretold
from reconstructor.free import FreePixels
from reconstructor.geometry import Position, direct_steps, steps_at
from reconstructor.jobs import Job
from reconstructor.joining import joined
from reconstructor.past import Laid
from reconstructor.peak import Peak
from reconstructor.phasing import engine, population, resolution
from reconstructor.phasing import quality as measures
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Complex, Estimate, Mask, Problem, Start
from reconstructor.phasing.support import grown
from reconstructor.prepare import Prepared, prepare
from reconstructor.repeated import Evolution
from reconstructor.support_file import SupportFile
from reconstructor.upright import Signature, twin
from reconstructor.volume import Crystal3, crystal
from reconstructor.window import Place, Window3

KEPT = 20
"""Members kept for a better revision of the same curve."""
UNEVEN_STEPS = 0.1
"""Deviation from even angles, in steps, from which on it is stated."""


@dataclass(frozen=True, eq=False)
class Task:
    """A job and all it needs."""

    job: Job
    reading: Reading
    geometry: Geometry
    peak: Peak
    free: FreePixels
    like: Signature | None = None
    """Of an earlier volume of this crystal, whose hand is kept."""
    matched: bool = False
    """Whether that volume was of an earlier hold."""
    earlier: tuple[Member, ...] = ()
    """Runs of an earlier job that these join."""
    warm: Laid | None = None
    """An object that runs may begin from, as `job.begins` says; without any run it is shown as it was."""
    given: SupportFile | None = None
    """Cold runs begin in this support instead of the autocorrelation's."""
    measured: Reading | None = None
    """The scan's own frames, where `reading` is a finer grid or has other scans added."""
    others: tuple[Reading, ...] = ()
    """Earlier scans of the same hold, oldest first, to be added where they agree."""
    before: Laid | None = None
    """The provisional volume before this one."""
    assumed: tuple[str, ...] = ()
    """What is assumed already, one sentence each."""
    evolution: Evolution | None = None
    """Against the first scan of the hold, once that was looked at."""


class Space(NamedTuple):
    """Where the phased window's voxels are in the laboratory, (x, y, z)."""

    q_centre_inv_a: NDArray[np.float64]
    """At the window's voxel n // 2."""
    q_peak_inv_a: NDArray[np.float64]
    """At the measured Bragg peak."""
    reciprocal_inv_nm: NDArray[np.float64]
    """Change of q a voxel of the window, one row an axis."""
    steps_nm: NDArray[np.float64]
    """Direct steps A, B, C of the object's voxels, one row an axis."""


@dataclass(frozen=True, eq=False)
class Made:
    """The outcome of a task: one crystal, and all that is told about it."""

    task: Task
    crystal: Crystal3
    obj: Complex
    """The object the crystal was made of: array frame, phase ramp kept, in the crystal's hand."""
    support: Mask
    space: Space
    quality: Quality
    start: Literal["cold", "warm"]
    members: tuple[Member, ...]
    """The best first, to be joined by later runs."""
    seeds: tuple[int, ...]
    """Of all runs the volume was chosen from."""
    origin: str
    """Which of the runs, or what of them, the object is; for people."""
    iterations: int
    rejected: tuple[str, ...]
    """Runs that were not used, each with its seed and the reason."""
    prtf: measures.Prtf | None
    """Of the independent runs; None where there were too few of them."""
    assumptions: tuple[str, ...]
    foretold: Foretold | None = None
    """What is expected of the frames to come; None of refined volumes."""
    change: float | None = None
    """1 − complex overlap with the provisional volume before; None of the first."""


def with_others(task: Task) -> Task:
    """The task with earlier scans of its hold added to its curve, where they agree."""
    if not task.others:
        return task
    curve, evolution, assumptions = joined(task.reading, task.others)
    return replace(
        task,
        reading=curve,
        measured=task.measured or task.reading,
        others=(),
        evolution=evolution,
        assumed=(*task.assumed, *assumptions),
    )


LookUp = Callable[[], None]
"""Called between steps; it raises where the volume is not wanted any more."""


def undisturbed() -> None:
    """Go on."""


def prepared(task: Task, free: NDArray[np.bool_], look_up: LookUp = undisturbed) -> Prepared:
    """The task's phasing problem; `free` is the mask that `task.free` draws."""
    return prepare(task.reading, task.job.offer.window, free, look_up)


def whole(estimate: Estimate, problem: Problem) -> Estimate:
    """An estimate at the problem's full size with its misfit, also where the run was cut short before its end."""
    if estimate.shape != problem.shape:
        support = grown(resolution.resampled_support(estimate.support, problem.shape), 1)
        obj = np.where(support, resolution.resampled(estimate.obj, problem.shape), np.complex64(0))
        estimate = replace(
            estimate, shape=problem.shape, corner=(0, 0, 0), block=obj.astype(np.complex64), inside=support, misfit=None
        )
    return estimate if estimate.misfit is not None else engine.finished(estimate, problem)


def made(
    task: Task, ready: Prepared, runs: Sequence[Member], polish: Polish = no_polish, look_up: LookUp = undisturbed
) -> Made:
    """Choose among the runs (and the earlier ones they join), and bring the chosen object to the laboratory.

    `polish` runs `choosing.POLISH` from each of some starts; it may decline any by giving None.
    """
    members = (*task.earlier, *runs)
    # of a whole curve there is nothing left to foretell
    waits = task.job.stage == "provisional" and not task.job.over
    choice = population.choose(members)
    shared = common(members, choice, look_up)
    space = _space(task, ready.window)
    alike = None
    if shared is not None and shared.mean is not None:
        alike = measures.prtf(shared.mean, ready.problem, space.reciprocal_inv_nm)
    look_up()
    objects = candidates(members[choice.best].estimate, shared, *_begun(task, ready), polish)
    known = task.warm is not None and task.warm.earlier_hold
    picked = pick(objects, shared and shared.weight, alike, shared.warm_cold if shared and known else None)
    warm = picked.origin in (BEGUN, SHOWN) or members[choice.best].warm
    look_up()
    found = crystal(picked.obj, picked.support, space.steps_nm, space.q_centre_inv_a, task.like)
    look_up()
    rejected = tuple(f"{_named(members[place])}: {reason}" for place, reason in choice.rejected)
    return Made(
        task=task,
        crystal=found,
        obj=twin(picked.obj) if found.twinned else picked.obj,
        support=twin(picked.support) if found.twinned else picked.support,
        space=space,
        quality=picked.quality,
        start="warm" if warm and task.warm is not None and task.warm.earlier_hold else "cold",
        members=tuple(members[k] for k in choice.kept[:KEPT]),
        seeds=tuple(dict.fromkeys(member.seed for member in members)),
        origin=picked.origin,
        iterations=task.job.offer.recipe.iterations,
        rejected=rejected,
        prtf=alike,
        assumptions=(
            *(*ready.assumptions, *_assumed(task)),
            *(*_told(len(members), rejected, alike), *doubtful(picked.support)),
        ),
        foretold=foretold(picked.obj, runs, ready.problem, ready.window, task.warm) if waits else None,
        change=_change(task, ready.window, picked.obj) if waits else None,
    )


def _begun(task: Task, ready: Prepared) -> tuple[Start | None, Estimate | None]:
    """What the warm runs of a refined job began from, if any did; and the volume that was shown of the same frames."""
    if task.warm is None or task.job.stage == "provisional":
        return None, None
    start = task.warm.on(ready.window)
    told = told_before(start, ready.problem) if task.warm.told else None
    return None if task.job.more else start, told


def last_hold(task: Task, ready: Prepared) -> Made:
    """The crystal's last object as it was, laid over the frames there are. ValueError: the task has none."""
    if task.warm is None:
        raise ValueError(f"{task.job.scan} has no earlier object to show; wanted one")
    start, space = task.warm.on(ready.window), _space(task, ready.window)
    if start.obj is None or start.support is None:
        raise ValueError(f"the earlier object of {task.job.scan} is empty; wanted one")
    obj = np.where(start.support, start.obj * np.float32(np.sqrt(task.warm.scale)), np.complex64(0))
    voxels = int(np.count_nonzero(start.support))
    estimate = Estimate(ready.problem.shape, (0, 0, 0), obj, start.support, 0, 0, "", 0, 0.0, 0.0)
    if float(ready.problem.counts.sum(where=ready.problem.known)) > 0:
        estimate = replace(estimate, misfit=measures.misfit(ready.problem, obj, voxels))
    picked = pick([Candidate(estimate, "the last hold's object")], None)
    found = crystal(obj, start.support, space.steps_nm, space.q_centre_inv_a, task.like)
    return Made(
        task=task,
        crystal=found,
        obj=twin(obj) if found.twinned else obj,
        support=twin(start.support) if found.twinned else start.support,
        space=space,
        quality=msgspec.structs.replace(picked.quality, energy_outside=None),
        start="warm",
        members=(),
        seeds=(),
        origin=picked.origin,
        iterations=0,
        rejected=(),
        prtf=None,
        assumptions=(*ready.assumptions, *_assumed(task)),
    )


def _change(task: Task, window: Window3, obj: Complex) -> float | None:
    before = None if task.before is None else task.before.on(window).obj
    return None if before is None else 1 - overlap(before, obj)


def _space(task: Task, window: Window3) -> Space:
    """Where the window's voxels are, from the geometry at its centre and at the peak."""
    line = rocking(task.reading)
    centre = steps_at(task.geometry, line.step_deg, _position(task.reading, line, window.centre))
    at_peak = steps_at(task.geometry, line.step_deg, _position(task.reading, line, task.peak.centre))
    reciprocal = centre.binned(window.binning)
    return Space(centre.q_inv_a, at_peak.q_inv_a, reciprocal, direct_steps(reciprocal, window.shape))


def _position(reading: Reading, line: Rocking, place: Place) -> Position:
    """Angle and pixel of the full detector image at a place of the curve."""
    window = reading.started.window
    return line.angle(place[0]), place[1] + window.row0, place[2] + window.column0


def _assumed(task: Task) -> tuple[str, ...]:
    found = []
    worst = rocking(task.reading).worst_steps
    if worst > UNEVEN_STEPS:
        found.append(f"The rocking steps are even (measured angles are off by up to {worst:.2f} steps).")
    if not task.reading.started.saturation_counts:
        found.append("No pixel is saturated (no limit was sent).")
    if task.given is not None:
        found.append(f"Cold runs began in the support of {task.given.path}.")
    return (*task.assumed, *found)


def _named(member: Member) -> str:
    """What tells a run from the others of its job; generations are counted from 1 for people."""
    return f"seed {member.seed}" + (f", generation {member.generation + 1}" if member.generation else "")


def _told(runs: int, rejected: tuple[str, ...], alike: measures.Prtf | None) -> tuple[str, ...]:
    """What else is to be known of the population."""
    found = []
    if rejected:
        found.append(f"{len(rejected)} of {runs} runs were not used ({'; '.join(rejected)}).")
    if alike is not None and alike.resolution_nm is None:
        finest = 2 * np.pi / float(alike.q_inv_nm[-1])
        found.append(f"Independent runs agree up to the window's edge: the resolution is {finest:.1f} nm or finer.")
    return tuple(found)
