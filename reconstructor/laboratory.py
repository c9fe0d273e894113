"""A volume in the laboratory as files tell it: its fields with their units, its frame, the lines ParaView shows."""

from __future__ import annotations

import numpy as np

from contract.messages import Volume
from reconstructor.vti import ImageData

FIELDS = {"density": "", "displacement_a": "angstrom", "strain": "", "support": ""}
"""Name -> unit, in the order of the message's arrays."""
CONVENTION = (
    "Array frame: axes (rocking, row, column), natural order, Bragg peak at n//2. Laboratory frame: z downstream, "
    "y up, x = y cross z; arrays (z, y, x), vectors (x, y, z). Diffraction = forward FFT of the object, kernel "
    "exp(-i q.r): phase = -Q.u, displacement along Q = -phase/|Q|."
)


def image(volume: Volume) -> ImageData:
    """The fields on their grid; lengths in nm, axes (x, y, z) as VTK has them."""
    fields = {name: np.asarray(getattr(volume, name)) for name in FIELDS}
    z, y, x = volume.voxel_nm
    oz, oy, ox = volume.origin_nm
    return ImageData(fields, (x, y, z), (ox, oy, oz))


def about(volume: Volume) -> dict[str, str]:
    """What the volume is of, for people."""
    q = ", ".join(f"{v:.5f}" for v in volume.q_inv_a)
    return {
        "scan": f"{volume.scan}, revision {volume.revision}, {volume.stage}",
        "hold": f"crystal {volume.crystal or 'unknown'}, {_volts(volume.voltage_v)}",
        "units": "lengths nm, displacement_a angstrom along Q, strain dimensionless",
        "Q (x, y, z) 1/angstrom": q,
        "isosurface": f"{volume.isosurface:.3f}",
        "convention": CONVENTION,
    }


def _volts(voltage_v: float | None) -> str:
    return "voltage unknown" if voltage_v is None else f"{voltage_v:.3f} V"
