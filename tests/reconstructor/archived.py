"""An archived volume, for tests of what reads one."""

from __future__ import annotations

from typing import Any

import numpy as np

from contract.messages import Geometry, Quality, Scan, Volume
from reconstructor.archive import Archived
from reconstructor.window import Window3


def told(scan: str, frames: int, **fields: Any) -> Volume:
    """A provisional volume of all frames of a scan, with empty fields of 2 × 2 × 2 voxels; others as `fields` say."""
    zeros = np.zeros((2, 2, 2), np.float32)
    plain: dict[str, Any] = {
        "scan": Scan(scan),
        "stage": "provisional",
        "revision": 3,
        "frames_used": frames,
        "frames_expected": frames,
        "recipe": "ER**1",
        "recipe_sha256": "",
        "seeds": (1,),
        "quality": Quality(),
        "q_inv_a": (1.0, 0.0, 0.0),
        "q_norm_inv_a": 1.0,
        "crystal_volume_um3": 0.01,
        "isosurface": 0.5,
        "voxel_nm": (1.0, 1.0, 1.0),
        "origin_nm": (0.0, 0.0, 0.0),
        "density": zeros,
        "displacement_a": zeros,
        "strain": zeros,
        "support": zeros.astype(np.uint8),
    }
    return Volume(**{**plain, **fields})


def kept(scan: str, obj: np.ndarray, support: np.ndarray, geometry: Geometry) -> Archived:
    """An archived volume of an object; its laboratory fields are empty."""
    window, flat = Window3((0, 0, 0), (1, 1, 1), obj.shape), np.eye(3)
    volume = told(scan, len(obj))
    return Archived(volume, obj, support, window, flat, flat, (1.0, 0.0, 0.0), geometry, False, (0.0,) * 16, 1)
