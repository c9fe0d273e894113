"""From a planned job and what is known of its scan to a task that can be carried out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reconstructor.curve import Reading
from reconstructor.followed import FollowedScan
from reconstructor.forecast.pattern import Pattern
from reconstructor.free import no_free_pixels
from reconstructor.jobs import Job
from reconstructor.past import Laid
from reconstructor.support_file import SupportFile
from reconstructor.work import Made, Task


def task_of(scan: FollowedScan, job: Job, others: Sequence[Reading] = (), given: SupportFile | None = None) -> Task:
    """The task of a job of a scan; `others` are the scans of its hold that it may be joined with.

    RuntimeError where too little is known of the scan: such a job should not have been planned.
    """
    foreseen = scan.prospect.foreseen
    seen = scan.peak is not None and (scan.peak.passed or scan.over)
    peak = scan.peak if seen or foreseen is None else foreseen.peak
    if scan.reading is None or peak is None or scan.started.geometry is None:
        raise RuntimeError(f"a {job.stage} job of {job.scan} was due before anything was known of it")
    reading, own = scan.reading, None if scan.measured is scan.reading else scan.measured
    joins = scan.refined_by if job.more else None
    assumed = () if foreseen is None else foreseen.grid.assumptions
    if foreseen is not None and job.begins == "last hold":
        assumed = (*assumed, foreseen.text())
    return Task(
        job=job,
        reading=reading if joins is None else joins.reading,
        geometry=scan.started.geometry,
        peak=peak,
        free=scan.free or no_free_pixels(reading.sizes),
        like=scan.signature,
        matched=scan.matched,
        earlier=scan.members if job.more else (),
        warm=_warm(scan, job),
        given=given,
        measured=own if joins is None else joins.measured,
        others=tuple(others) if job.stage == "refined" and not job.more else (),
        before=None if scan.shown is None or job.stage == "refined" else _laid(scan.shown),
        assumed=assumed if joins is None else joins.assumed,
        evolution=None if joins is None else joins.evolution,
    )


def _warm(scan: FollowedScan, job: Job) -> Laid | None:
    """What runs of a job may begin from: while the scan grows the crystal's last object, then the newest volume.

    A refined job begins from the provisional volume of the same frames, which was chosen among cold and warm runs.
    Runs that join others do not begin from their volume, but it stays if it tells the free pixels better.
    """
    if job.more:
        return None if scan.refined is None else _laid(scan.refined)._replace(told=True)
    if job.stage == "refined" and scan.shown is not None and scan.shown.task.job.frames == job.frames:
        return _laid(scan.shown)._replace(told=True)
    return scan.prospect.laid


def _laid(shown: Made) -> Laid:
    """A volume of the same scan, where it lies already."""
    pattern = Pattern(shown.obj, shown.task.job.offer.window)
    return Laid(pattern, shown.support, earlier_hold=shown.start == "warm")
