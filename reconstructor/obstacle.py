"""Why nothing of a scan can be phased. Pure."""

from __future__ import annotations

import numpy as np

from reconstructor.curve import Reading, rocking
from reconstructor.geometry import steps_at
from reconstructor.peak import Peak

MOST_UNEVEN_STEPS = 0.5
"""Angles further off an even grid cannot be phased as a grid."""


def obstacle(reading: Reading, peak: Peak | None, over: bool) -> str:
    """Why nothing can be phased (yet), in one sentence; "" if it can."""
    geometry = reading.geometry
    if geometry is None:
        return "No geometry was sent with the scan, so a volume could not be put into the laboratory frame."
    if not reading.located:
        unknown = int(np.count_nonzero(reading.measured & ~np.isfinite(reading.angle_deg)))
        return f"The rocking angles of {unknown} of {reading.frames} frames are not known yet."
    if peak is None:
        return "No Bragg peak is to be seen: there are too few counts." if over else ""
    try:
        line = rocking(reading)
        window = reading.started.window
        frame, row, column = peak.centre
        steps_at(geometry, line.step_deg, (line.angle(frame), row + window.row0, column + window.column0))
    except ValueError as reason:
        return f"{reason}."
    if line.worst_steps > MOST_UNEVEN_STEPS:
        return (
            f"The rocking angles are off an even grid by up to {line.worst_steps:.2f} steps; at most 0.5 can be phased."
        )
    return ""
