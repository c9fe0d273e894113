"""Whether a volume can be drawn at all: what a stranger published, or a file holds, must not end the viewer."""

from __future__ import annotations

from contract.messages import Volume

SMALLEST, LARGEST = 1e-6, 1e6
"""Of voxels in nm and of |Q| in 1/Å; wider than any crystal, so that nothing drawn overflows."""


def undrawable(volume: Volume) -> str:
    """Why it cannot be drawn, naming what was found and what was wanted; "" if it can."""
    shape = volume.density.shape
    if not all(shape):
        return f"its shape is {' × '.join(map(str, shape))}, wanted at least one voxel along each axis"
    for side in volume.voxel_nm:
        if not SMALLEST <= side <= LARGEST:
            return f"a side of its voxels is {side:g} nm, wanted {SMALLEST:g} to {LARGEST:g}"
    for place in volume.origin_nm:
        if not abs(place) <= LARGEST * max(shape):
            return f"its origin is at {place:g} nm, wanted within {LARGEST * max(shape):g}"
    if not SMALLEST <= volume.q_norm_inv_a <= LARGEST:
        return f"its |Q| is {volume.q_norm_inv_a:g} Å⁻¹, wanted {SMALLEST:g} to {LARGEST:g}"
    return ""
