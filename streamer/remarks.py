"""What a person should know about a scan that begins. No I/O, no clock."""

from __future__ import annotations

import math

from contract.messages import Window
from streamer.corrections import fitted
from streamer.open_scan import OpenScan


def remarks(scan: OpenScan) -> list[str]:
    """What a person should know about a scan that begins: what is not known of it, or contradicts itself."""
    series = scan.series
    found = list(series.remarks)
    if scan.geometry is None:
        found.append(
            "no geometry came with the start and none is set in [streamer.geometry]: it can be shown in pixels only"
        )
    if math.isnan(scan.angle_deg(0)):
        found.append("no goniometer axis moves and no angles are listed: nothing can be phased until angles are told")
    moving = [axis for axis, (_, increment) in series.goniometer.items() if increment]
    if len(moving) > 1:
        found.append(f"the axes {', '.join(moving)} move at once; {series.rocking_axis} was taken as the rocking axis")
    wanted = scan.identity.window
    if wanted is not None and fitted(wanted, series.shape) != wanted:
        found.append(f"the window {_text(wanted)} does not fit the image of {series.shape} pixels; it was cut to it")
    return found


def _text(window: Window) -> str:
    return f"rows {window.row0}+{window.rows}, columns {window.column0}+{window.columns}"
