"""The two beamlines the simulator knows, as `contract.messages.Geometry` (its docstring defines every sign).

Checked against independent numbers: I13-1 (11 keV, 2.9 m, 55 µm pixels) gives 1.0572e-4 Å⁻¹ a pixel and
1.1585e-4 Å⁻¹ a rocking step of 0.005° at the (003) reflection; scan 54 of APS 34-ID-C gives per pixel and frame
at its peak (126.74, 127.54), in 1/nm along (x outboard, y up, z downstream): column (0.004283, 0.000017,
−0.002610), row (0.000622, −0.004877, 0.000990), frame (0.000673, 0, 0.002012), and |Q| = 2.654 Å⁻¹.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contract.messages import Geometry

I13_1_BRAGG_DEG = 6.84
"""Half of 2θ = 13.68°, the (003) reflection of NMC811 at 11 keV."""
ROCKING_STEP_DEG = 0.005


def i13_1(rows: int, columns: int, binning: int = 1) -> Geometry:
    """Diamond I13-1: horizontal scattering plane towards +x, rocking about the vertical, detector facing (003).

    `rows` × `columns` is the stored image in binned pixels of `binning` · 55 µm, centred on 2θ = 13.68°: columns
    grow with 2θ, rows grow downwards along the powder ring.
    """
    return Geometry(
        instrument="I13-1",
        energy_kev=11.0,
        distance_mm=2900.0,
        pixel_um=(55.0 * binning, 55.0 * binning),
        sample_axes=("y+",),
        sample_angles_deg=(I13_1_BRAGG_DEG,),
        rocking_axis=0,
        detector_axes=("y+",),
        detector_angles_deg=(2 * I13_1_BRAGG_DEG,),
        pixel_directions=("y-", "x+"),
        beam_centre_px=((rows - 1) / 2, (columns - 1) / 2),
    )


def i13_1_angles_deg(frames: int) -> NDArray[np.float64]:
    """Rocking angles of a scan of `frames` steps of 0.005°, centred on the Bragg angle."""
    steps = np.arange(frames, dtype=np.float64) - (frames - 1) / 2
    return I13_1_BRAGG_DEG + ROCKING_STEP_DEG * steps


def aps_34idc(
    *,
    energy_kev: float,
    distance_mm: float,
    pixel_um: float,
    theta_deg: float,
    chi_deg: float,
    phi_deg: float,
    delta_deg: float,
    gamma_deg: float,
) -> Geometry:
    """APS 34-ID-C with its Medipix2 quad: (th, chi, phi) carry the sample, (delta, gamma) the detector; th rocks.

    The detector arm is zeroed on the middle of the full 512 × 512 chip, and a scan stores its first 256 rows and
    columns: so the direct beam would hit pixel (256, 256), just outside what is stored. With this |Q| of scan 54
    is 2.654 Å⁻¹ and its steps are those above; with the middle of the stored part it would be 2.691 Å⁻¹.
    """
    return Geometry(
        instrument="APS 34-ID-C",
        energy_kev=energy_kev,
        distance_mm=distance_mm,
        pixel_um=(pixel_um, pixel_um),
        sample_axes=("y+", "z-", "y+"),
        sample_angles_deg=(theta_deg, chi_deg, phi_deg),
        rocking_axis=0,
        detector_axes=("y+", "x-"),
        detector_angles_deg=(delta_deg, gamma_deg),
        pixel_directions=("y-", "x+"),
        beam_centre_px=(256.0, 256.0),
    )
