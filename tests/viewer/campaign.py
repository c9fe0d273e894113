"""A made-up campaign as the messages that the viewer gets, each with its age in seconds."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from contract.messages import (
    AnyMessage,
    Crystal,
    FrameBlock,
    Hold,
    HoldStarted,
    JobProgress,
    Scan,
    ScanEnded,
    ScanStarted,
    Stage,
    Volume,
    Window,
)
from viewer.intake import Intake
from viewer.sample import sample_volume
from viewer.state import LinkKnown, State

FRAMES = 201
SIZE = 64
Aged = tuple[AnyMessage, float]


def hold_name(number: int) -> Hold:
    return Hold(f"IV-{4.1 - 0.1 * number:.3f}V")


def scan_name(number: int) -> Scan:
    return Scan(f"series-{number + 1:04d}")


def hold_started(number: int, planned_s: float = 31.0) -> HoldStarted:
    return HoldStarted(
        hold=hold_name(number), crystal=Crystal("IV"), voltage_v=round(4.1 - 0.1 * number, 3), planned_s=planned_s
    )


def scan_started(number: int, revision: int = 0) -> ScanStarted:
    mask = np.zeros((SIZE, SIZE), np.uint32)
    mask[10, 20:24] = 1
    return ScanStarted(
        scan=scan_name(number),
        source="simulated",
        frames_expected=FRAMES,
        window_revision=revision,
        window=Window(row0=96, column0=96, rows=SIZE, columns=SIZE),
        detector_shape=(256, 256),
        crystal=Crystal("IV"),
        hold=hold_name(number),
        frame_time_s=0.1,
        saturation_counts=1_000_000,
        mask=mask,
    )


def frame_block(number: int, first: int, last: int, revision: int = 0) -> FrameBlock:
    """Frames `first` ≤ index < `last` of a peak about the middle of the scan."""
    rng = np.random.default_rng(first)
    index = np.arange(first, last, dtype=np.int32)
    angle = 26.0 + 0.005 * index
    rows, columns = np.mgrid[:SIZE, :SIZE]
    off = (index - FRAMES / 2)[:, None, None] / 9.0
    speckle = 1 / (1 + ((rows - 31) / 2.5) ** 2) / (1 + ((columns - 33 - off) / 3.0) ** 2)
    counts = rng.poisson(0.02 + 6000 * speckle * np.exp(-(off**2) / 2)).astype(np.uint32)
    return FrameBlock(
        scan=scan_name(number),
        window_revision=revision,
        index=index,
        angle_deg=angle,
        monitor=np.ones(len(index)),
        total_counts=counts.sum(axis=(1, 2)).astype(np.float64),
        counts=counts,
    )


def scan_ended(number: int, missing: tuple[int, ...] = ()) -> ScanEnded:
    return ScanEnded(
        scan=scan_name(number),
        window_revision=0,
        status="incomplete" if missing else "complete",
        frames_received=FRAMES - len(missing),
        frames_expected=FRAMES,
        missing=missing,
    )


def volume(number: int, stage: Stage = "refined", revision: int = 9, size: int = 32, **fields: Any) -> Volume:
    provisional = stage == "provisional"
    made = sample_volume(
        size=size, voxel_nm=512.0 / size, provisional=provisional, swelling=1.0 + 0.2 * number, seed=revision
    )
    given = {
        "scan": scan_name(number),
        "crystal": Crystal("IV"),
        "hold": hold_name(number),
        "voltage_v": round(4.1 - 0.1 * number, 3),
        "revision": revision,
        "first_frame_to_volume_s": 6.0 + revision,
        "last_frame_to_volume_s": None if provisional else 4.2,
        "assumptions": (),
        "hand": "matched",
        "recipe": "(ER**20 * HIO**80)**5 * ER**40",
    }
    return msgspec.structs.replace(made, **{**given, **fields})


def running_scan(number: int, until: int) -> list[Aged]:
    """A hold in whose scan `until` frames have come and a provisional volume was made."""
    return [
        (hold_started(number), 0.1 * until + 1.0),
        (scan_started(number), 0.1 * until),
        *((frame_block(number, k, min(k + 5, until)), 0.1 * (until - k)) for k in range(0, until, 5)),
        (
            JobProgress(
                scan=scan_name(number),
                stage="provisional",
                state="running",
                iteration=60,
                iterations=120,
                run=1,
                runs=1,
                recipe="(ER**20 * HIO**80)**5 * ER**40",
            ),
            0.4,
        ),
        (volume(number, "provisional", revision=1, frames_used=until - 20), 2.6),
        (volume(number, "provisional", revision=2, frames_used=until - 5), 1.1),
    ]


def finished_hold(number: int, ended_ago_s: float, missing: tuple[int, ...] = ()) -> list[Aged]:
    """A hold whose whole scan came and was refined."""
    began = ended_ago_s + 31.0
    refined = volume(
        number,
        frames_used=FRAMES - len(missing),
        missing=missing,
        completion="incomplete" if missing else "complete",
    )
    return [
        (hold_started(number), began),
        (scan_started(number), began - 1.0),
        *((frame_block(number, k, min(k + 40, FRAMES)), began - 1.0 - 0.1 * k) for k in range(0, FRAMES, 40)),
        (scan_ended(number, missing), began - 21.5),
        (refined, began - 25.0),
    ]


class Maker:
    """The functions of this file, for tests."""

    hold_name = staticmethod(hold_name)
    scan_name = staticmethod(scan_name)
    hold_started = staticmethod(hold_started)
    scan_started = staticmethod(scan_started)
    frame_block = staticmethod(frame_block)
    scan_ended = staticmethod(scan_ended)
    volume = staticmethod(volume)
    running_scan = staticmethod(running_scan)
    finished_hold = staticmethod(finished_hold)

    @staticmethod
    def situation(name: str) -> list[Aged]:
        """The messages of a situation at the beamline, in order of publication."""
        return situation(name)

    @staticmethod
    def known(aged: list[Aged], now_s: float = 1000.0) -> State:
        """What is known at `now_s` after these messages, all work done, both services just heard."""
        intake = Intake(maximum_faces=30_000)
        for message, age_s in aged:
            intake.take(message, now_s - age_s)
        for name in ("streamer", "reconstructor"):
            intake.hear(name, LinkKnown(f"tcp://{name}", heard_s=now_s))
        while intake.work():
            pass
        return intake.state


def situation(name: str) -> list[Aged]:
    match name:
        case "provisional":
            return [*finished_hold(0, 36.0), *finished_hold(1, 14.0), *running_scan(2, 123)]
        case "refined":
            return [*finished_hold(0, 40.0), *finished_hold(1, 4.0), *finished_hold(2, -24.5)]
        case "incomplete":
            return finished_hold(0, -5.0, missing=(17, 18, 140))
        case "first frames":
            return [(hold_started(0), 3.0), (scan_started(0), 2.0), (frame_block(0, 0, 20), 0.1)]
        case _:
            raise LookupError(name)
