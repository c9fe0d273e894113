"""One message of each kind, small enough to be read byte by byte; and what makes two messages the same."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np

from contract.codec import kind_of
from contract.messages import (
    Advice,
    Angles,
    AnyMessage,
    Confirmed,
    Crystal,
    Deadline,
    ForecastScored,
    FrameBlock,
    Geometry,
    Hold,
    HoldEnded,
    HoldStarted,
    JobProgress,
    Notice,
    Quality,
    RegionChosen,
    RegionSet,
    Scan,
    ScanAborted,
    ScanEnded,
    ScanStarted,
    Volume,
    Window,
)

SCAN, CRYSTAL, HOLD = Scan("s0054"), Crystal("IV"), Hold("IV-4.100V-20261123T031500")

GEOMETRY = Geometry(
    instrument="APS 34-ID-C",
    energy_kev=9.0,
    distance_mm=500.0,
    pixel_um=(55.0, 55.0),
    sample_axes=("y+", "z-", "y+"),
    sample_angles_deg=(0.5, 90.0, 0.0),
    rocking_axis=0,
    detector_axes=("y+", "x-"),
    detector_angles_deg=(31.5, 12.25),
    pixel_directions=("y-", "x+"),
    beam_centre_px=(128.0, 128.5),
)


def block(index: int = 0, frames: int = 1, scan: str = SCAN, rows: int = 2, columns: int = 3) -> FrameBlock:
    """Frames `index` … of a scan, their counts growing by one from pixel to pixel."""
    counts = np.arange(frames * rows * columns, dtype="<u4").reshape(frames, rows, columns) + index
    return FrameBlock(
        scan=Scan(scan),
        window_revision=0,
        index=np.arange(index, index + frames, dtype="<i4"),
        angle_deg=0.25 * np.arange(index, index + frames, dtype="<f8"),
        monitor=np.ones(frames),
        total_counts=counts.sum(axis=(1, 2)).astype("<f8"),
        counts=counts,
        since_received_s=0.125,
    )


def _volume() -> Volume:
    density = np.linspace(0, 1, 8, dtype="<f4").reshape(1, 2, 4)
    outside = density < 0.5
    return Volume(
        scan=SCAN,
        stage="refined",
        revision=4,
        supersedes=3,
        crystal=CRYSTAL,
        hold=HOLD,
        voltage_v=4.1,
        frames_used=199,
        frames_expected=201,
        missing=(7, 8),
        completion="incomplete",
        recipe="HIO**300 * ER**200",
        recipe_sha256="ab" * 32,
        seeds=(1, 2),
        start="warm",
        runs=2,
        iterations=500,
        quality=Quality(r_factor=0.0125, free_llk=1.5, support_voxels=4),
        q_inv_a=(2.5, 0.5, -0.25),
        q_norm_inv_a=2.5617376914898995,
        crystal_volume_um3=0.0275,
        outer_volume_um3=0.031,
        isosurface=0.5,
        voxel_nm=(8.0, 8.0, 8.0),
        origin_nm=(0.0, -4.0, -12.0),
        hand="matched",
        assumptions=("No flat field was given: the detector was taken as uniform.",),
        first_frame_to_volume_s=26.5,
        last_frame_to_volume_s=6.5,
        hold_left_s=3.5,
        archive="s0054_refined_4.cxi",
        made_at="2026-11-23T03:15:26Z",
        density=density,
        displacement_a=np.where(outside, np.nan, density / 4).astype("<f4"),
        strain=np.where(outside, np.nan, 1e-4).astype("<f4"),
        support=(~outside).astype("|u1"),
    )


_ALL: tuple[AnyMessage, ...] = (
    HoldStarted(
        hold=HOLD, crystal=CRYSTAL, voltage_v=4.1, planned_s=30.0, elapsed_s=0.5, started_at="2026-11-23T03:15:00Z"
    ),
    HoldEnded(hold=HOLD, crystal=CRYSTAL),
    ScanStarted(
        scan=SCAN,
        source="detector",
        frames_expected=201,
        window_revision=0,
        window=Window(row0=126, column0=127, rows=2, columns=3),
        detector_shape=(256, 256),
        geometry=GEOMETRY,
        crystal=CRYSTAL,
        hold=HOLD,
        frame_time_s=0.1,
        count_time_s=0.099,
        saturation_counts=1_000_000,
        started_at="2026-11-23T03:15:01Z",
        mask=np.array([[0, 0, 1], [0, 0, 0]], dtype="<u4"),
        flat_field=np.array([[1, 1, 1], [1, 0.5, 1]], dtype="<f4"),
    ),
    block(index=5, frames=2),
    Angles(scan=SCAN, index=np.array([5, 6], dtype="<i4"), angle_deg=np.array([0.25, 0.5])),
    ScanEnded(
        scan=SCAN,
        window_revision=0,
        status="incomplete",
        frames_received=199,
        frames_expected=201,
        missing=(7, 8),
        reason="end marker",
        archive="s0054.h5",
    ),
    _volume(),
    ForecastScored(
        scan=SCAN,
        revision=2,
        frames_used=110,
        frames_scored=131,
        residual=0.03125,
        baseline=0.125,
    ),
    JobProgress(
        scan=SCAN,
        stage="provisional",
        state="running",
        detail="Run 1 of 2 from 120 frames.",
        recipe="HIO**300 * ER**200",
        run=1,
        runs=2,
        iteration=150,
        iterations=500,
        r_factor=0.0625,
        expected_refined_s=12.5,
        hold_left_s=18.0,
    ),
    Confirmed(scan=SCAN, revision=4),
    ScanAborted(scan=SCAN, reason="The beam was lost."),
    RegionChosen(
        scan=SCAN,
        window_revision=2,
        window=Window(row0=126, column0=127, rows=2, columns=3),
        chosen="moved",
        crystal=CRYSTAL,
        since=Scan("s0053"),
        shift_px=(70, -2),
        peak_px=(127.25, 128.5),
        reason="The peak lay outside.",
    ),
    RegionSet(scan=SCAN, window=Window(row0=126, column0=127, rows=2, columns=3)),
    Notice(level="warning", text="Two frames of the scan never came.", scan=SCAN),
    Advice(
        scan=SCAN,
        kind="window_cut",
        level="warning",
        frames_used=120,
        text="The window cuts the fringes at its last columns: about 1500 counts are beyond.",
        numbers=(("beyond_counts", 1500.0), ("share", 0.03125)),
    ),
    Deadline(
        scan=SCAN,
        met=False,
        ready_s=7.5,
        hold_left_s=3.0,
        text="No refined volume of s0054 will be ready before its hold ends in 3 s.",
    ),
)

EXAMPLES: dict[str, AnyMessage] = {kind_of(message): message for message in _ALL}


def same(one: Any, other: Any) -> bool:
    """Whether two messages have the same kind, the same values and the same bytes in their arrays (NaN equals NaN)."""
    if type(one) is not type(other):
        return False
    for field in msgspec.structs.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            if not isinstance(right, np.ndarray) or (left.dtype, left.shape) != (right.dtype, right.shape):
                return False
            if left.tobytes() != right.tobytes():
                return False
        elif _plain(left) != _plain(right):
            return False
    return True


def _plain(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value))
