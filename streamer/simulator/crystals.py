"""Crystals to practise on: a faceted shape, a displacement field, and how both change from hold to hold.

Positions are nm from the crystal's centre along (x, y, z) of the laboratory frame, as the crystal stands at the
middle of the scan. Displacements are Å along Q, positive towards +Q: the heterogeneous part alone. What is uniform
(mean d spacing, orientation) is in `CrystalState.q_inv_a`, the reciprocal lattice vector of the reflection.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
Triple = tuple[float, float, float]
NM_TO_ANGSTROM = 10.0


class Polyhedron(msgspec.Struct, frozen=True, kw_only=True):
    """A convex crystal: the points whose distance along each facet's unit normal is below that facet's distance."""

    normals: tuple[Triple, ...]
    distances_nm: tuple[float, ...]
    edge_nm: float = 3.0
    """Density falls from 1 to 0 across this width at each facet (roughness): a step would alias on any grid."""


class Undulation(msgspec.Struct, frozen=True, kw_only=True):
    """A smooth displacement `amplitude_a` · sin(2π `wave_inv_nm`·r + `phase`)."""

    amplitude_a: float
    wave_inv_nm: Triple
    phase: float


class StrainGradient(msgspec.Struct, frozen=True, kw_only=True):
    """Strain ε = κ x along Q: displacement κ x²/2, κ in 1/nm, x the position along Q."""

    kappa_inv_nm: float


class ScrewDislocation(msgspec.Struct, frozen=True, kw_only=True):
    """A line along `line` through `through_nm`: displacement `burgers_a` · angle / 2π round it.

    `image_nm` places the opposite line that a free surface acts like (the line mirrored at the surface), which
    makes the field fade away from the line.
    """

    through_nm: Triple
    line: Triple
    burgers_a: float
    image_nm: Triple | None = None


class SecondDomain(msgspec.Struct, frozen=True, kw_only=True):
    """The part with `normal`·r > `offset_nm`: behind a gap, turned and displaced against the rest."""

    normal: Triple
    offset_nm: float
    gap_nm: float
    gap_density: float
    tilt_deg: Triple
    """Small rotation about x, y, z; a twist about Q does not show in one reflection."""
    shift_a: float


class CrystalState(msgspec.Struct, frozen=True, kw_only=True):
    """A crystal during one hold."""

    crystal: str
    voltage_v: float
    shape: Polyhedron
    q_inv_a: Triple
    """Reciprocal lattice vector of the reflection, mean of the crystal."""
    undulations: tuple[Undulation, ...] = ()
    gradient: StrainGradient | None = None
    dislocations: tuple[ScrewDislocation, ...] = ()
    second_domain: SecondDomain | None = None
    brightness: float = 1.0
    """Scattered intensity relative to the crystal's first state."""


class Sampled(NamedTuple):
    """A state on given positions: density (1 inside, 0 outside) and displacement along Q in Å."""

    density: Field
    displacement_a: Field


def sample(state: CrystalState, positions_nm: Field) -> Sampled:
    """Density and displacement at `positions_nm` (…, 3)."""
    density = inside(state.shape, positions_nm)
    direction = np.array(state.q_inv_a) / np.linalg.norm(state.q_inv_a)
    displacement = np.zeros(positions_nm.shape[:-1])
    for wave in state.undulations:
        displacement += wave.amplitude_a * np.sin(2 * np.pi * positions_nm @ np.array(wave.wave_inv_nm) + wave.phase)
    if state.gradient is not None:
        displacement += 0.5 * NM_TO_ANGSTROM * state.gradient.kappa_inv_nm * (positions_nm @ direction) ** 2
    for dislocation in state.dislocations:
        displacement += screw(dislocation, positions_nm)
    if state.second_domain is not None:
        density = density * gap(state.second_domain, positions_nm)
        displacement += second_domain(state.second_domain, positions_nm, direction)
    return Sampled(density, displacement)


def inside(shape: Polyhedron, positions_nm: Field) -> Field:
    """Density of the shape: the product of its facets' soft steps."""
    density = np.ones(positions_nm.shape[:-1])
    for normal, distance in zip(shape.normals, shape.distances_nm, strict=True):
        density *= _step((distance - positions_nm @ np.array(normal)) / shape.edge_nm)
    return density


def screw(dislocation: ScrewDislocation, positions_nm: Field) -> Field:
    """Displacement b·θ/2π round the line, less the same round its image."""
    line = np.array(dislocation.line) / np.linalg.norm(dislocation.line)
    across, along = _perpendicular(line)

    def angle(centre: Triple) -> Field:
        offset = positions_nm - np.array(centre)
        turned: Field = np.arctan2(offset @ along, offset @ across)
        return turned

    turn = angle(dislocation.through_nm)
    if dislocation.image_nm is not None:
        turn = turn - angle(dislocation.image_nm)
    return dislocation.burgers_a * turn / (2 * np.pi)


def gap(domain: SecondDomain, positions_nm: Field) -> Field:
    """1 away from the plane between the domains, `gap_density` inside the gap."""
    depth = np.abs(positions_nm @ np.array(domain.normal) - domain.offset_nm)
    full = _step((depth - domain.gap_nm / 2) / 3.0)
    return domain.gap_density + (1 - domain.gap_density) * full


def second_domain(domain: SecondDomain, positions_nm: Field, direction: Field) -> Field:
    """Displacement of the second domain against the first, half of the tilt given to each."""
    depth = positions_nm @ np.array(domain.normal) - domain.offset_nm
    turned = (
        np.cross(np.deg2rad(domain.tilt_deg), positions_nm - domain.offset_nm * np.array(domain.normal)) @ direction
    )
    second = _step(depth / 3.0)
    return (second - 0.5) * NM_TO_ANGSTROM * turned + second * domain.shift_a


def extents_nm(shape: Polyhedron) -> Field:
    """Size of the smallest box along x, y, z that holds the shape."""
    corners = vertices_nm(shape)
    size: Field = corners.max(axis=0) - corners.min(axis=0)
    return size


def vertices_nm(shape: Polyhedron) -> Field:
    """Corners (n, 3): every meeting point of three facets that lies inside all others."""
    normals, distances = np.array(shape.normals), np.array(shape.distances_nm)
    count = len(distances)
    triples = np.array([(i, j, k) for i in range(count) for j in range(i) for k in range(j)])
    meeting = np.abs(np.linalg.det(normals[triples])) > 1e-6
    corners = np.linalg.solve(normals[triples[meeting]], distances[triples[meeting]][..., None])[..., 0]
    kept: Field = corners[(corners @ normals.T <= distances + 1e-6).all(axis=1)]
    if len(kept) < 4:
        raise ValueError(f"the {count} facets meet in {len(kept)} corners; a closed crystal has at least 4")
    return kept


def _step(distance: Field) -> Field:
    """From 0 to 1 across one unit, smooth."""
    t = np.clip(distance + 0.5, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _perpendicular(line: Field) -> tuple[Field, Field]:
    """Two unit vectors that make a right-handed set (first, second, line)."""
    least = np.eye(3)[np.argmin(np.abs(line))]
    first = np.cross(least, line)
    first /= np.linalg.norm(first)
    return first, np.cross(line, first)
