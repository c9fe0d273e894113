"""From what a job made to what is told and kept: the Volume message and the archive's record. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.happened import VolumePublished
from contract.messages import Completion, Quality, Volume
from reconstructor.archive import Archived
from reconstructor.choosing import POLISH
from reconstructor.followed import First, HeldCell
from reconstructor.phasing import notation
from reconstructor.work import Made

SURE_HAND = 0.5
"""Likeness to the last hold's signature from which on its hand counts as found again."""

HAND_ASSUMED = "The hand is a convention: object and twin fit the data alike."


@dataclass(frozen=True)
class Occasion:
    """Which volume of its scan this is, and when, on the service's clock."""

    revision: int
    completion: Completion | None
    hold: HeldCell | None
    first_frame_at: float
    last_frame_at: float
    archive: str
    made_at: str
    """Wall clock, RFC 3339, to be shown."""
    last_hold: bool = False
    """Whether it is captioned LAST HOLD."""
    first_of: frozenset[First] = frozenset()
    """Which volumes it is that were waited for."""


def record(made: Made, occasion: Occasion, now: float) -> Archived:
    """Everything about a volume, as it is archived; its message is `record(...).volume`."""
    free = made.task.free
    return Archived(
        volume=timed(_volume(made, occasion), occasion, now),
        obj=made.obj,
        support=made.support,
        window=made.task.job.offer.window,
        steps_nm=made.space.steps_nm,
        reciprocal_inv_nm=made.space.reciprocal_inv_nm,
        q_centre_inv_a=_three(made.space.q_centre_inv_a),
        geometry=made.task.geometry,
        twinned=made.crystal.twinned,
        signature=made.crystal.signature,
        free_seed=free.seed,
        rejected=made.rejected,
        prtf=made.prtf,
    )


def timed(volume: Volume, occasion: Occasion, now: float) -> Volume:
    """The volume with its latencies as they are when it is published at `now`."""
    over = occasion.completion is not None
    ends_at = None if occasion.hold is None else occasion.hold.ends_at
    return msgspec.structs.replace(
        volume,
        first_frame_to_volume_s=now - occasion.first_frame_at,
        last_frame_to_volume_s=now - occasion.last_frame_at if over else None,
        hold_left_s=None if ends_at is None else ends_at - now,
    )


def published(volume: Volume, occasion: Occasion) -> VolumePublished:
    """What is counted of a volume that goes out: how long those that were waiting for it had waited."""
    first, last = volume.first_frame_to_volume_s, volume.last_frame_to_volume_s
    return VolumePublished(
        stage=volume.stage,
        scan=volume.scan,
        revision=volume.revision,
        r_factor=volume.quality.r_factor,
        first_volume_s=first if "first" in occasion.first_of else None,
        full_curve_volume_s=last if "full" in occasion.first_of else None,
        refined_volume_s=last if "refined" in occasion.first_of else None,
    )


def improves(new: Quality, old: Quality | None) -> bool:
    """Whether a better revision is worth its name: a lower free LLK, or a mode weight that was not determined."""
    if old is None or old.free_llk is None or new.free_llk is None:
        return True
    return new.free_llk < old.free_llk or (new.mode_weight is not None and old.mode_weight is None)


def without_archive(kept: Archived) -> Archived:
    """The record of a volume whose archive could not be written."""
    return replace(kept, volume=msgspec.structs.replace(kept.volume, archive=""))


def _volume(made: Made, occasion: Occasion) -> Volume:
    job, crystal, hold = made.task.job, made.crystal, occasion.hold
    reading = made.task.measured or made.task.reading
    started, phased = reading.started, made.iterations > 0
    hand = _hand(made)
    return Volume(
        scan=started.scan,
        stage=job.stage,
        revision=occasion.revision,
        supersedes=occasion.revision - 1 if occasion.revision > 1 else None,
        crystal=started.crystal if started.crystal is not None or hold is None else hold.said.crystal,
        hold=started.hold if started.hold is not None or hold is None else hold.said.hold,
        voltage_v=None if hold is None else hold.said.voltage_v,
        frames_used=reading.frames,
        frames_expected=started.frames_expected,
        missing=reading.missing,
        completion=occasion.completion,
        recipe=notation.written(job.offer.recipe) + _went_on(made.origin) if phased else "",
        recipe_sha256=notation.sha256(job.offer.recipe) if phased else "",
        seeds=made.seeds,
        start=made.start,
        last_hold=occasion.last_hold,
        runs=len(made.seeds),
        iterations=made.iterations,
        window_shape=job.offer.window.shape,
        binning=job.offer.window.binning,
        quality=made.quality,
        q_inv_a=_three(made.space.q_peak_inv_a),
        q_norm_inv_a=float(np.linalg.norm(made.space.q_peak_inv_a)),
        crystal_volume_um3=crystal.isosurface_volume_um3,
        outer_volume_um3=crystal.outer_volume_um3,
        isosurface=crystal.isosurface,
        voxel_nm=(crystal.voxel_nm,) * 3,
        origin_nm=crystal.origin_nm,
        hand=hand,
        assumptions=made.assumptions if hand == "matched" else (*made.assumptions, HAND_ASSUMED),
        archive=occasion.archive,
        made_at=occasion.made_at,
        density=crystal.density,
        displacement_a=crystal.displacement_a,
        strain=crystal.strain,
        support=crystal.support,
    )


def _hand(made: Made) -> Literal["unknown", "matched"]:
    return "matched" if made.task.matched and made.crystal.likeness > SURE_HAND else "unknown"


def _went_on(origin: str) -> str:
    """What was done after the runs, behind the recipe's line (which alone is digested)."""
    return f" ; {origin} by {notation.written(POLISH)}" if origin.endswith("polished") else ""


def _three(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in vector)
    return x, y, z
