"""`bragglive bench stopping`: how soon a refined job leaves the machine when something newer needs it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from contract.messages import ScanStarted
    from reconstructor.flight import Finished
    from reconstructor.runners import LocalRunner
    from reconstructor.work import Task

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

STOP_S = 0.5
GOLDEN = 0.618034
"""Multiples of it, modulo 1, fall evenly upon a job from its first step to its last."""
LONGEST_S = 300.0
PHOTONS = 3e7


@app.command("stopping")
def stopping(
    size: Annotated[int, typer.Option(min=16, metavar="N", help="Voxels a side of the refined window.")] = 128,
    stops: Annotated[int, typer.Option(min=1, help="How often a job is stopped, each time at another moment.")] = 12,
    iterations: Annotated[int, typer.Option(min=1, help="Of each of its runs: a short job, so that all is hit.")] = 60,
    threads: Annotated[int, typer.Option(min=1, help="Runs at once.")] = 2,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write machine, figures and targets here.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Exit with 1 if a target is not met.")] = False,
) -> None:
    """Measure how soon a newer curve stops a running refinement, at moments spread over the whole job."""
    from rich.console import Console

    from contract.record import Record, Target, finish
    from reconstructor.runners import LocalRunner

    runner, task = LocalRunner(threads), _task(size, iterations, 2 * threads)
    runner.open()
    try:
        first = _until_over(runner, task, 0.0)  # compiled and planned
        whole = _until_over(runner, task, first.iteration_s or 0.0)
        whole_s, iteration_s = whole.took_s, whole.iteration_s or 0.0
        moments = [GOLDEN * k % 1 * whole_s for k in range(stops)]
        rows = [{"after_s": after_s, "stopped_s": _stopped(runner, task, after_s, iteration_s)} for after_s in moments]
    finally:
        runner.close()
    stopped = [row["stopped_s"] for row in rows if row["stopped_s"] is not None]
    name = f"a newer curve stops a running refinement, {size}³, longest of {len(stopped)}"
    target = Target.of(name, max(stopped, default=None), STOP_S, "<=", "s")
    settings = {
        "size": size,
        "stops": stops,
        "iterations": iterations,
        "threads": threads,
        "whole_s": whole_s,
        "iteration_s": iteration_s,
    }
    record = Record.now(command="bench stopping", settings=settings, rows=rows, targets=[target])
    raise typer.Exit(finish(record, json_file, check, Console()))


def _until_over(runner: LocalRunner, task: Task, iteration_s: float) -> Finished:
    """The whole job, whose iterations should take so long. RuntimeError: it gave no volume."""
    from reconstructor.flight import Finished

    runner.begin(task, iteration_s)
    if not isinstance(end := _end(runner), Finished):
        raise RuntimeError(f"the job gave no volume: {end}")
    return end


def _stopped(runner: LocalRunner, task: Task, after_s: float, iteration_s: float) -> float | None:
    """Seconds from the wish to stop, `after_s` after the job began, until the device is free; None if it was done."""
    from reconstructor.runners import Dropped

    runner.begin(task, iteration_s)
    time.sleep(after_s)
    wished = time.monotonic()
    runner.drop()
    return time.monotonic() - wished if isinstance(_end(runner), Dropped) else None


def _end(runner: LocalRunner) -> object:
    """What became of the job. RuntimeError: a fault of ours, or it takes for ever."""
    from reconstructor.flight import Finished
    from reconstructor.runners import Broken, Dropped, Failed

    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        for event in runner.events(1.0):
            if isinstance(event, Broken):
                raise RuntimeError("the runner broke") from event.fault
            if isinstance(event, Finished | Failed | Dropped):
                return event
    raise RuntimeError(f"a job took longer than {LONGEST_S:.0f} s")


def _task(size: int, iterations: int, runs: int) -> Task:
    """A refined job of a strained, cut ellipsoid on a window of this size."""
    import numpy as np

    from reconstructor.curve import Reading
    from reconstructor.free import free_pixels
    from reconstructor.jobs import Job, Offer
    from reconstructor.peak import find_peak
    from reconstructor.phasing import recipe_file
    from reconstructor.phasing.recipe import scaled
    from reconstructor.window import around
    from reconstructor.work import Task

    shape = (size, size, size)
    axis = (np.arange(size) - size // 2) / (0.17 * size)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    obj = ((z**2 + 1.3 * y**2 + x**2 < 1) & (x + 0.6 * y < 0.7)) * np.exp(1j * (z * x + 0.4 * y**2 - 0.3 * z))
    power = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(obj)))) ** 2
    counts = np.random.default_rng(0).poisson(PHOTONS * power / power.sum()).astype(np.uint32)
    started = _started(size)
    every = np.ones(size, np.bool_)
    angles, image = 0.003 * np.arange(size, dtype=np.float64), counts.sum(axis=0, dtype=np.float64)
    trusted = np.ones((size, size), np.bool_)
    reading = Reading(started, counts, every, angles, np.ones(size), image, trusted)
    peak = find_peak(reading)
    if peak is None or started.geometry is None:
        raise RuntimeError("the crystal has no Bragg peak, or nobody knows where")
    recipe = scaled(recipe_file.default("refined"), iterations)
    job = Job(started.scan, 1, "refined", size, Offer(around(peak.place, (1, 1, 1), shape), recipe), runs, 0, over=True)
    return Task(job, reading, started.geometry, peak, free_pixels(started.scan, shape, peak.place))


def _started(size: int) -> ScanStarted:
    """A scan of as many frames as its detector has rows and columns."""
    import numpy as np

    from contract.messages import Geometry, Scan, ScanStarted, Window

    geometry = Geometry(
        instrument="bench",
        energy_kev=9.0,
        distance_mm=500.0,
        pixel_um=(55.0, 55.0),
        sample_axes=("y+",),
        sample_angles_deg=(0.0,),
        rocking_axis=0,
        detector_axes=("y+",),
        detector_angles_deg=(30.0,),
        pixel_directions=("y-", "x+"),
        beam_centre_px=(size / 2, size / 2),
    )
    return ScanStarted(
        scan=Scan("bench"),
        source="bench",
        frames_expected=size,
        window_revision=1,
        window=Window(row0=0, column0=0, rows=size, columns=size),
        detector_shape=(size, size),
        geometry=geometry,
        mask=np.zeros((size, size), np.uint32),
    )
