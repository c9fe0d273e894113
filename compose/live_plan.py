"""What `bragglive bench live` does in a run: three holds of one crystal, drawn by the run's seed. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

Role = Literal["before", "after", "impossible"]
FRAMES = 201
LONGEST_SCAN_S = FRAMES / 10
"""At the demo's ten frames a second."""
HOLD_S = (20.0, 120.0)
OFFSET_FRAMES = 25.0
BRIGHTNESS = (0.5, 2.0)
IMPOSSIBLE_S = 3.0
IMPOSSIBLE_SCAN_S = 2.8


@dataclass(frozen=True)
class PlannedHold:
    """One hold and its scan."""

    role: Role
    """before: where the crystal is seen for the first time; after: when it has changed; impossible: it ends with its
    scan, so that no refined volume can be ready."""
    voltage_v: float
    hold_s: float
    """From the start of the scan, with which it begins."""
    scan_s: float
    offset_frames: float
    """By how much the peak comes later than in the first hold, but for what the crystal itself does."""
    brightness: float
    """Intensity in that of the first hold, but for what the crystal itself does."""


def planned(seed: int) -> tuple[PlannedHold, ...]:
    """The holds of a run.

    A scan takes at most half of its hold. From 4.1 to 3.9 V a dislocation is born and strain grows: over twelve seeds
    the overlap of the two states was 0.71 to 0.92, its median 0.84.
    """
    rng = np.random.default_rng(seed)
    shortest, longest = HOLD_S
    after_s = round(float(np.exp(rng.uniform(np.log(shortest), np.log(longest)))), 1)
    before = PlannedHold("before", 4.1, 24.0, 10.0, 0.0, 1.0)
    after = PlannedHold("after", 3.9, after_s, min(LONGEST_SCAN_S, after_s / 2), *_conditions(rng))
    impossible = PlannedHold("impossible", 4.0, IMPOSSIBLE_S, IMPOSSIBLE_SCAN_S, *_conditions(rng))
    return before, after, impossible


def sender_arguments(holds: Sequence[PlannedHold], seed: int, truth: Path) -> tuple[str, ...]:
    """Arguments of `python -m streamer.simulator` that send these holds."""
    told = {
        "--voltages": [hold.voltage_v for hold in holds],
        "--for": [hold.hold_s for hold in holds],
        "--scan-for": [hold.scan_s for hold in holds],
        "--offsets": [hold.offset_frames for hold in holds],
        "--brightness": [hold.brightness for hold in holds],
    }
    lists = [f"{option}={','.join(f'{value:.6g}' for value in values)}" for option, values in told.items()]
    return ("simulate", *lists, "--frames", str(FRAMES), "--seed", str(seed), "--truth", str(truth))


def _conditions(rng: np.random.Generator) -> tuple[float, float]:
    offset = round(float(rng.uniform(-OFFSET_FRAMES, OFFSET_FRAMES)), 2)
    dim, bright = BRIGHTNESS
    return offset, round(float(np.exp(rng.uniform(np.log(dim), np.log(bright)))), 3)
