"""Shrinkwrap of a batch on the device: smoothing, level, cut; the host only judges how many voxels there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconstructor.phasing.kernel import Shrunk
from reconstructor.phasing.kernels.cuda import Array, Device
from reconstructor.phasing.kernels.cuda_volumes import Volumes
from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.support import LEVELS, Level, reach

_TRIALS = 24
_SPOKEN: dict[Level, str] = {"rms": "RMS", "mean": "mean", "max": "maximum"}


class Asked(NamedTuple):
    """What is asked of a support update, but for the threshold, which every run has of its own."""

    sigma_voxels: float
    fraction: tuple[float, float]
    by: Level
    grows: bool


def shrink(device: Device, at: Volumes, thresholds: Sequence[float], asked: Asked) -> list[Shrunk | PhasingError]:
    """Update the supports of the batch chosen; the object stays. See `support.shrunk` for what it does to one run."""
    batch = len(thresholds)
    # all of the wave's memory is free between two calls of `iterate`: two volumes of floats a run
    at.by_pairs("magnitudes", batch, at.g, at.support, at.slots, at.wave, np.int32(at.pairs))
    _smooth(device, at, batch, asked.sigma_voxels)
    place = (np.int32(at.voxels), np.int32(at.pitch))
    at.by_voxels("levels", batch, at.wave, at.support, at.slots, *place, at.partials)
    at.add_up(batch, 0, by_pairs=False, largest=3)
    trial, found = list(thresholds), list[Shrunk | PhasingError | None]([None] * batch)
    for _ in range(_TRIALS):
        device.send(at.thresholds[:batch], np.array(trial, np.float64))
        how = (at.sums[0], at.thresholds, np.int32(LEVELS.index(asked.by)), np.int32(asked.grows))
        at.by_voxels("cut", batch, at.wave, at.support, at.slots, *place, *how, at.partials)
        at.add_up(batch, 1, by_pairs=False, rows=1)
        measured, counted = device.fetch(at.sums)
        taken = [_judge(asked, at.voxels, trial, k, measured[k], counted[k, 0], found) for k in range(batch)]
        if any(taken):
            device.send(at.adopted[:batch], np.array(taken, np.int32))
            at.by_voxels("adopt", batch, at.wave, at.support, at.slots, at.adopted, *place)
        if all(found):
            break
    lost = "wanted a share of {:g} to {:g}".format(*asked.fraction)
    return [
        one
        or PhasingError(
            f"the support is {int(counted[k, 0])} of {at.voxels} voxels at threshold {trial[k]:.3g} × "
            f"{_SPOKEN[asked.by]}; {lost}"
        )
        for k, one in enumerate(found)
    ]


def _judge(
    asked: Asked,
    voxels: int,
    trial: list[float],
    k: int,
    measured: NDArray[np.float64],
    count: float,
    found: list[Shrunk | PhasingError | None],
) -> bool:
    """Whether run k's support is taken; if not yet, its threshold gives way."""
    if found[k] is not None:
        return False
    level = _level(asked.by, measured)
    if not math.isfinite(level) or level <= 0:
        spoken = f"the object's {_SPOKEN[asked.by]} inside its support is {level}"
        found[k] = PhasingError(f"{spoken}; wanted a finite number above 0")
        return False
    if count < max(1.0, asked.fraction[0] * voxels):
        trial[k] /= 1.1
    elif count > asked.fraction[1] * voxels:
        trial[k] *= 1.1
    else:
        found[k] = Shrunk(int(count), trial[k])
        return True
    return False


def _level(by: Level, measured: NDArray[np.float64]) -> float:
    squares, total, inside, most = (float(value) for value in measured)
    match by:
        case "rms":
            return math.sqrt(squares / inside) if inside else 0.0
        case "mean":
            return total / inside if inside else 0.0
        case "max":
            return most


def _smooth(device: Device, at: Volumes, batch: int, sigma_voxels: float) -> None:
    """The Gaussian of `support.smoothed`, axis by axis, from the first scratch volume to the second."""
    r = reach(sigma_voxels)
    x = np.arange(-r, r + 1)
    weights = np.exp(-0.5 * (x / sigma_voxels) ** 2)
    sent: Array = device.empty(weights.shape, np.float32)
    device.send(sent, (weights / weights.sum()).astype(np.float32))
    _, n1, n2 = at.shape
    for turn, (stride, length) in enumerate(zip((n1 * n2, n2, 1), at.shape, strict=True)):
        size = (np.int32(at.voxels), np.int32(at.pitch), np.int32(stride), np.int32(length))
        at.by_voxels("smooth", batch, at.wave, np.int32(turn % 2), *size, sent, np.int32(r))
