"""A crystal as a refinement would remember it, made of its truth."""

from __future__ import annotations

import numpy as np

from contract.messages import Geometry, Hold, Scan, ScanStarted, Window
from reconstructor.archive import Archived
from reconstructor.curve import Reading
from reconstructor.geometry import direct_steps, steps_at
from reconstructor.past import Past, past
from reconstructor.peak import find_peak
from reconstructor.upright import signature
from tests.reconstructor.archived import told
from tests.reconstructor.forecast.conftest import FRAMES, MIDDLE, SIDE, Held

STEP_DEG = 0.01


def beginning(geometry: Geometry, name: str, frames: int = FRAMES, window: Window | None = None) -> ScanStarted:
    """What a scan of the changing crystal begins with."""
    return ScanStarted(
        scan=Scan(name),
        source="test",
        frames_expected=frames,
        window_revision=1,
        window=window or Window(row0=0, column0=0, rows=SIDE, columns=SIDE),
        detector_shape=(SIDE, SIDE),
        geometry=geometry,
        hold=Hold(name),
        mask=np.zeros((SIDE, SIDE), np.uint32),
    )


def named(reading: Reading, started: ScanStarted) -> Reading:
    """The same curve under another beginning."""
    return Reading(**{**vars(reading), "started": started})


def archived(held: Held, geometry: Geometry, scan: str) -> Archived:
    """The archive of the crystal's first hold."""
    pattern, support = held.last()
    volume = told(scan, FRAMES, stage="refined", revision=1)
    at = steps_at(geometry, STEP_DEG, (STEP_DEG * MIDDLE[0], MIDDLE[1], MIDDLE[2]))
    reciprocal = at.binned(pattern.window.binning)
    steps = direct_steps(reciprocal, pattern.window.shape)
    return Archived(
        volume=volume,
        obj=pattern.obj,
        support=support,
        window=pattern.window,
        steps_nm=steps,
        reciprocal_inv_nm=reciprocal,
        q_centre_inv_a=(1.0, 0.0, 0.0),
        geometry=geometry,
        twinned=False,
        signature=signature(pattern.obj, support, steps),
        free_seed=1,
    )


def remembered(held: Held, geometry: Geometry) -> Past:
    """The crystal's first hold."""
    reading = named(held.scan("before").reading, beginning(geometry, "before"))
    peak = find_peak(reading)
    assert peak is not None
    found = past(archived(held, geometry, "before"), reading, peak)
    assert found is not None
    return found
