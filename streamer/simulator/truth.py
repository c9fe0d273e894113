"""The truth behind a simulated campaign, as an HDF5 file to score reconstructions against.

/holds/<k>                   attributes crystal, hold, voltage_v, scan, q_inv_a (x, y, z)
  amplitude                  complex64 (frame, row, column): true far-field amplitude, without noise, at the centre
                             of every raw pixel and frame; kernel exp(−i q·r), phase of the object −Q·u
  density, displacement_a    float32 (z, y, x): the crystal on a laboratory grid of `voxel_nm`, its centre in the
                             middle; displacement along Q in Å, NaN outside
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from streamer.simulator.crystals import CrystalState, sample
from streamer.simulator.diffraction import Amplitude

FORMAT = "1.0"
VOXEL_NM = 10.0
HALF_NM = 300.0


class HoldTruth(NamedTuple):
    """What is true of one hold."""

    hold: str
    scan: str
    state: CrystalState
    amplitude: Amplitude


def write_truth(path: Path, holds: Sequence[HoldTruth]) -> None:
    """Write all holds, in order; the file appears complete or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with h5py.File(part, "w") as file:
        file.attrs.update({"format": FORMAT, "creator": "bragglive simulator", "kernel_sign": -1})
        for number, truth in enumerate(holds):
            group = file.create_group(f"holds/{number}")
            group.attrs.update(
                {
                    "crystal": truth.state.crystal,
                    "hold": truth.hold,
                    "voltage_v": truth.state.voltage_v,
                    "scan": truth.scan,
                    "q_inv_a": truth.state.q_inv_a,
                    "voxel_nm": VOXEL_NM,
                }
            )
            group["amplitude"] = truth.amplitude
            group["amplitude"].attrs["axes"] = "frame, row, column"
            density, displacement = laboratory_fields(truth.state)
            for name, field in (("density", density), ("displacement_a", displacement)):
                group.create_dataset(name, data=field, compression="gzip", compression_opts=1)
                group[name].attrs["axes"] = "z, y, x"
    os.replace(part, path)


def laboratory_fields(state: CrystalState) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Density and displacement (Å, NaN outside) on the cubic laboratory grid (z, y, x)."""
    axis = np.arange(-HALF_NM, HALF_NM + VOXEL_NM / 2, VOXEL_NM)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    density, displacement = sample(state, np.stack([x, y, z], -1))
    displacement[density < 0.05] = np.nan
    return density.astype(np.float32), displacement.astype(np.float32)
