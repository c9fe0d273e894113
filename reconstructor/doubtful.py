"""Supports that no crystal has: what is to be said of a volume whose support vanished or never closed in. Pure."""

from __future__ import annotations

import numpy as np

from reconstructor.phasing.problem import Mask

LEAST_EXTENT = 4
"""Voxels along each axis: a support that is thinner has collapsed, or the crystal is not resolved."""
MOST_SHARE = 0.5
"""Of the window, in volume and along an axis. With less than twice as many voxels as the crystal has the counts do not
determine it (Miao, Sayre & Chapman, J. Opt. Soc. Am. A 15, 1662 (1998))."""
AXES = ("rocking", "row", "column")


def doubtful(support: Mask) -> tuple[str, ...]:
    """Warnings to be published with the volume, each with the value found and wanted; none for a likely support.

    `support` (rocking, row, column) in the window it was phased in.
    """
    voxels, size = int(np.count_nonzero(support)), support.size
    extents = [_extent(support, axis) for axis in range(3)]
    found = []
    if min(extents) < LEAST_EXTENT:
        across = " × ".join(str(extent) for extent in extents)
        wanted = f"wanted at least {LEAST_EXTENT} along each axis"
        found.append(f"The support has collapsed: {voxels} voxels, {across} wide; {wanted}.")
    if voxels > MOST_SHARE * size:
        share = f"{100 * voxels / size:.0f} % of the window"
        found.append(f"The support never closed in: it fills {share}; wanted at most {100 * MOST_SHARE:.0f} %.")
    wide = [
        f"{extent} of {n} voxels along {axis}"
        for axis, extent, n in zip(AXES, extents, support.shape, strict=True)
        if extent > MOST_SHARE * n
    ]
    if wide:
        found.append(f"The support is too wide for its window: {', '.join(wide)}; wanted at most half.")
    return tuple(found)


def _extent(support: Mask, axis: int) -> int:
    along = np.flatnonzero(support.any(axis=tuple(a for a in range(3) if a != axis)))
    return int(along[-1] - along[0] + 1) if along.size else 0
