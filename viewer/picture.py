"""Volume -> everything that is drawn of it: surface, slices and numbers. Heavy, and so never on the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from contract.messages import Scan, Stage, Volume
from viewer.slices import Slice, central_slices
from viewer.surface import Surface, build_surface

COARSE_STEP = 2
ROOM, NEARLY_ALL = 1.08, 99.0
"""Crumbs far from the crystal, which provisional volumes often have, shall not make it small on the screen."""
FINE_VOXELS = {"provisional": 64**3, "refined": 128**3}
"""Volumes with more voxels than this are meshed in double steps."""


@dataclass(frozen=True, order=True)
class Slot:
    """Where a volume belongs; the newest of a slot replaces the older, and slots never replace each other."""

    crystal: str
    hold: str
    stage: Stage


def slot_of(volume: Volume) -> Slot:
    """A volume without crystal or hold stands for its scan alone."""
    return Slot(volume.crystal or volume.scan, volume.hold or volume.scan, volume.stage)


@dataclass(frozen=True, eq=False)
class Picture:
    """What is drawn of one volume; compared by identity. Kept instead of the volume, to bound memory."""

    facts: Volume
    """The message without its arrays (all empty)."""
    surface: Surface | None
    """None where the density does not reach its isosurface level."""
    slices: tuple[Slice, ...]
    radius_nm: float
    """Of the sphere about the centre that holds nearly all of the surface (without one: the volume)."""
    half_side_nm: float
    """Of the cube along x, y, z that does."""
    displacement_extent_a: float
    """95 % of the support are displaced by less, in Å; single voxels at the surface may be by much more."""
    strain_rms: float
    """Inside the support; NaN if nothing is."""

    @property
    def scan(self) -> Scan:
        """The scan it was made from."""
        return self.facts.scan


def draw_picture(volume: Volume, maximum_faces: int = 100_000) -> Picture:
    """Prepare a volume for the screen: a coarser mesh for a large one, at most `maximum_faces` triangles."""
    surface = build_surface(
        volume.density,
        volume.displacement_a,
        level=volume.isosurface,
        voxel_nm=volume.voxel_nm,
        origin_nm=volume.origin_nm,
        step=1 if volume.density.size <= FINE_VOXELS[volume.stage] else COARSE_STEP,
        maximum_faces=maximum_faces,
    )
    slices = central_slices(volume.density, volume.displacement_a, volume.strain, volume.voxel_nm, volume.origin_nm)
    edge = surface.vertices_nm if surface is not None else np.multiply(volume.density.shape, volume.voxel_nm)[None] / 2
    inside = np.isfinite(volume.displacement_a)
    strain = volume.strain[np.isfinite(volume.strain)]
    return Picture(
        facts=without_arrays(volume),
        surface=surface,
        slices=slices,
        radius_nm=float(ROOM * np.percentile(np.linalg.norm(edge, axis=-1), NEARLY_ALL)),
        half_side_nm=float(ROOM * np.percentile(np.abs(edge).max(axis=-1), NEARLY_ALL)),
        displacement_extent_a=float(np.percentile(np.abs(volume.displacement_a[inside]), 95)) if inside.any() else 0.0,
        strain_rms=float(np.sqrt(np.mean(strain.astype(np.float64) ** 2))) if strain.size else float("nan"),
    )


def without_arrays(volume: Volume) -> Volume:
    """The same message with empty arrays: its facts."""
    nothing = np.zeros((0, 0, 0), np.float32)
    return msgspec.structs.replace(
        volume, density=nothing, displacement_a=nothing, strain=nothing, support=nothing.astype(np.uint8)
    )
