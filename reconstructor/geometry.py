"""Detector frame to laboratory frame: Q at the Bragg peak, and the steps of a window in both spaces.

xrayutilities does the goniometer; see `contract.messages.Geometry` for the meaning of every axis. Vectors
are (x, y, z) in the laboratory frame, z along the beam, y up, with the crystal as it stood at the Bragg peak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xrayutilities as xu
from numpy.typing import NDArray

from contract.messages import Geometry

Vector = NDArray[np.float64]
Position = tuple[float, float, float]
"""Place on a rocking curve: (rocking angle in degrees, row, column), pixels of the full detector image."""

HC_KEV_ANGSTROM = 12.398419843
ANGSTROM_PER_NM = 10.0
PROBE_PX = 1.0
PROBE_DEG = 1e-3


class GeometryError(ValueError):
    """A geometry that cannot be used; the message says which part of it and why."""


@dataclass(frozen=True)
class Steps:
    """Q at one point of the measured curve, and how q changes there from one index to the next."""

    q_inv_a: Vector
    """Momentum transfer there, (x, y, z), 1/Å."""
    reciprocal_inv_nm: NDArray[np.float64]
    """Change of q for one frame, one row, one column (rows of the matrix), each (x, y, z) in 1/nm."""

    def binned(self, binning: tuple[int, int, int]) -> NDArray[np.float64]:
        """Reciprocal steps of a window whose voxels cover `binning` (frames, rows, columns); 1/nm."""
        steps: Vector = self.reciprocal_inv_nm * np.asarray(binning, dtype=float)[:, None]
        return steps


def steps_at(geometry: Geometry, angle_step_deg: float, at: Position) -> Steps:
    """`Steps` at a place of the curve, one frame being a turn of the rocking axis by `angle_step_deg`.

    Raises `GeometryError` if the geometry is contradictory or its three steps span no volume.
    """
    _check(geometry)
    angle, row, column = at
    here = _q_crystal(geometry, angle, row, column)
    differences = [
        _slope(lambda d: _q_crystal(geometry, angle + d, row, column), PROBE_DEG) * angle_step_deg,
        _slope(lambda d: _q_crystal(geometry, angle, row + d, column), PROBE_PX),
        _slope(lambda d: _q_crystal(geometry, angle, row, column + d), PROBE_PX),
    ]
    turned = np.stack([_to_laboratory(geometry, angle, vector) for vector in (here, *differences)])
    reciprocal = turned[1:] * ANGSTROM_PER_NM
    lengths = np.linalg.norm(reciprocal, axis=1)
    volume = abs(float(np.linalg.det(reciprocal)))
    if not np.all(np.isfinite(turned)) or not volume > 1e-3 * float(np.prod(lengths)):
        raise GeometryError(
            f"the rocking step {angle_step_deg} deg and the pixels of {geometry.instrument} span no volume of "
            f"reciprocal space (steps {np.array2string(lengths, precision=6)} 1/nm): nothing can be reconstructed"
        )
    return Steps(q_inv_a=turned[0], reciprocal_inv_nm=reciprocal)


def direct_steps(reciprocal_inv_nm: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Direct-space steps A, B, C (rows, (x, y, z) in nm) of a window's voxels along (rocking, row, column).

    A = 2π (B*×C*) / (A*·(B*×C*)) and cyclic is the field of view; a voxel is that over the window's `shape`.
    """
    field_of_view = 2 * np.pi * np.linalg.inv(reciprocal_inv_nm).T
    steps: Vector = np.asarray(field_of_view / np.asarray(shape, dtype=float)[:, None], dtype=np.float64)
    return steps


def wavelength_a(energy_kev: float) -> float:
    """Wavelength in Å of photons of `energy_kev`."""
    return HC_KEV_ANGSTROM / energy_kev


def _slope(of: Callable[[float], Vector], probe: float) -> Vector:
    """Central difference of a vector about 0."""
    slope: Vector = (of(probe) - of(-probe)) / (2 * probe)
    return slope


def _q_crystal(geometry: Geometry, angle_deg: float, row: float, column: float) -> Vector:
    """q in 1/Å in the frame that turns with the crystal, at any (also fractional) pixel."""
    row0, column0 = geometry.beam_centre_px
    try:
        conversion = _conversion(geometry)
        conversion.init_area(
            *geometry.pixel_directions,
            cch1=row0 - row,
            cch2=column0 - column,
            Nch1=1,
            Nch2=1,
            distance=geometry.distance_mm,
            pwidth1=geometry.pixel_um[0] / 1000,
            pwidth2=geometry.pixel_um[1] / 1000,
        )
        q = conversion.area(*_sample_angles(geometry, angle_deg), *geometry.detector_angles_deg)
    except (xu.exception.InputError, TypeError, ValueError) as error:
        raise GeometryError(f"the geometry of {geometry.instrument} cannot be used: {error}") from error
    return np.array([float(component[0, 0]) for component in q])


def _to_laboratory(geometry: Geometry, angle_deg: float, vector: Vector) -> Vector:
    turned = _conversion(geometry).transformSample2Lab(vector, *_sample_angles(geometry, angle_deg))
    return np.asarray(turned, dtype=float)


def _conversion(geometry: Geometry) -> xu.QConversion:
    return xu.QConversion(
        list(geometry.sample_axes),
        list(geometry.detector_axes),
        (0, 0, 1),
        wl=wavelength_a(geometry.energy_kev),
    )


def _check(geometry: Geometry) -> None:
    """Refuse what no instrument can be, before arithmetic turns it into a number."""
    lengths = {
        "energy_kev": geometry.energy_kev,
        "distance_mm": geometry.distance_mm,
        "pixel_um": min(geometry.pixel_um),
    }
    for name, value in lengths.items():
        if not (np.isfinite(value) and value > 0):
            raise GeometryError(f"{name} of {geometry.instrument} is {value}; it must be above 0")
    if not 0 <= geometry.rocking_axis < len(geometry.sample_axes) == len(geometry.sample_angles_deg):
        raise GeometryError(
            f"rocking axis {geometry.rocking_axis} of {geometry.instrument} is none of its "
            f"{len(geometry.sample_axes)} sample axes with {len(geometry.sample_angles_deg)} angles"
        )


def _sample_angles(geometry: Geometry, angle_deg: float) -> list[float]:
    angles = list(geometry.sample_angles_deg)
    angles[geometry.rocking_axis] = angle_deg
    return angles
