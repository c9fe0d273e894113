"""The same crystal from voltage hold to voltage hold, after Estandarte et al. (crystals IV and V).

Crystal IV discharging, 4.1 → 3.9 V: the peak moves along the ring and by 9 pixels of 55 µm in 2θ
(Δd/d = −7.4e-4), the intensity falls, two parallel domains rotate against each other, and below 3.95 V a screw
dislocation sits between them. Crystal V is the control: nothing happens to it.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.simulator.crystals import (
    CrystalState,
    Polyhedron,
    ScrewDislocation,
    SecondDomain,
    StrainGradient,
    Triple,
    Undulation,
    extents_nm,
)

FIRST_VOLTAGE_V = 4.1
LAST_VOLTAGE_V = 3.9
DISLOCATED_BELOW_V = 3.95
STRAIN_CHANGE = -7.4e-4
"""Δd/d from the first to the last voltage."""
RING_TILT_DEG = 0.09
"""Lattice rotation from the first to the last voltage that moves the peak along the ring (20 pixels of 55 µm)."""
ROCKING_SHIFT_DEG = 0.025
"""Lattice rotation about the vertical from the first to the last voltage: five frames."""
EXTENT_NM = (455.0, 545.0)
DOMAIN_OFFSET_NM = 20.0
DISLOCATION_DEPTH_NM = 60.0
EDGE_NM = 6.0
"""Roughness of the facets, about the size of the truth's voxels."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """How much of each change a crystal shows between the first and the last voltage, 1 for crystal IV."""

    lattice: float = 1.0
    strain: float = 1.0
    domains: float = 1.0
    brightness: float = 1.0


CRYSTALS = {"IV": Changes(), "V": Changes(lattice=0.0, strain=0.0, domains=0.0, brightness=0.0)}
"""The crystals there are, and what the discharge does to them."""


def state(crystal: str, voltage_v: float, first_q_inv_a: Triple, seed: int) -> CrystalState:
    """The crystal at `voltage_v`; `first_q_inv_a` is its reflection at 4.1 V, `seed` its shape and its strain."""
    if crystal not in CRYSTALS:
        raise ValueError(f"no crystal {crystal!r} to simulate, only {', '.join(CRYSTALS)}")
    changes = CRYSTALS[crystal]
    discharged = float(np.clip((FIRST_VOLTAGE_V - voltage_v) / (FIRST_VOLTAGE_V - LAST_VOLTAGE_V), 0.0, 1.0))
    rng = np.random.default_rng([seed, *crystal.encode()])
    shape = _shape(rng)
    direction = np.array(first_q_inv_a) / np.linalg.norm(first_q_inv_a)
    before, change = _undulations(rng, 0.45), _undulations(rng, 0.45)
    grown_share = changes.strain * discharged**0.7  # most of it in the first hold: the dislocation dominates the last
    grown = tuple(msgspec.structs.replace(wave, amplitude_a=wave.amplitude_a * grown_share) for wave in change)
    normal = _across(direction, float(rng.uniform(0.9, 1.3)))
    d_spacing_a = float(2 * np.pi / np.linalg.norm(first_q_inv_a))
    broken = voltage_v < DISLOCATED_BELOW_V and changes.domains > 0
    return CrystalState(
        crystal=crystal,
        voltage_v=voltage_v,
        shape=shape,
        q_inv_a=_moved(np.array(first_q_inv_a), discharged * changes.lattice),
        undulations=before + grown,
        gradient=StrainGradient(kappa_inv_nm=1.5e-6 * (1 - 0.5 * discharged * changes.strain)),
        dislocations=(_dislocation(direction, normal, shape, d_spacing_a),) if broken else (),
        second_domain=SecondDomain(
            normal=_triple(normal),
            offset_nm=DOMAIN_OFFSET_NM,
            gap_nm=24.0,
            gap_density=0.35,
            tilt_deg=_triple((0.008 + 0.024 * discharged * changes.domains) * np.cross(direction, normal)),
            shift_a=0.25 + 0.35 * discharged * changes.domains,
        ),
        brightness=1 - 0.25 * discharged * changes.brightness,
    )


def _shape(rng: np.random.Generator) -> Polyhedron:
    """A box with leaning faces and cut corners, without a centre of symmetry, scaled to the extents wanted."""
    faces = np.concatenate([np.eye(3), -np.eye(3)]) + rng.normal(0.0, 0.16, (6, 3))
    corners = rng.choice([-1.0, 1.0], (5, 3)) + rng.normal(0.0, 0.3, (5, 3))
    normals = np.concatenate([faces, corners])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    distances = np.concatenate([rng.uniform(0.85, 1.15, 6), rng.uniform(0.95, 1.3, 5)]) * 250.0
    wanted = rng.uniform(*EXTENT_NM, 3)
    shape = Polyhedron(normals=tuple(map(_triple, normals)), distances_nm=tuple(distances.tolist()))
    stretch = wanted / extents_nm(shape)
    leaned = normals / stretch
    lengths = np.linalg.norm(leaned, axis=1)
    return Polyhedron(
        normals=tuple(map(_triple, leaned / lengths[:, None])),
        distances_nm=tuple((distances / lengths).tolist()),
        edge_nm=EDGE_NM,
    )


def _undulations(rng: np.random.Generator, amplitude_a: float) -> tuple[Undulation, ...]:
    """Three waves of random direction, 500–1000 nm long."""
    waves = []
    for _ in range(3):
        direction = rng.normal(size=3)
        wave = direction / np.linalg.norm(direction) / rng.uniform(500.0, 1000.0)
        waves.append(
            Undulation(amplitude_a=amplitude_a, wave_inv_nm=_triple(wave), phase=float(rng.uniform(0, 2 * np.pi)))
        )
    return tuple(waves)


def _moved(q: NDArray[np.float64], share: float) -> Triple:
    """The reflection after `share` of the discharge: turned twice by small angles, and longer as d shrinks."""
    up = np.array([0.0, 1.0, 0.0])
    level = np.cross(q, up) / np.linalg.norm(np.cross(q, up))
    turned = q + share * (
        np.deg2rad(RING_TILT_DEG) * np.cross(level, q) + np.deg2rad(ROCKING_SHIFT_DEG) * np.cross(up, q)
    )
    return _triple(turned * np.linalg.norm(q) / np.linalg.norm(turned) / (1 + STRAIN_CHANGE * share))


def _dislocation(
    direction: NDArray[np.float64], normal: NDArray[np.float64], shape: Polyhedron, burgers_a: float
) -> ScrewDislocation:
    """A screw line along Q in the plane between the domains, `DISLOCATION_DEPTH_NM` below the surface."""
    sideways = np.cross(direction, normal)
    middle = DOMAIN_OFFSET_NM * normal
    slopes = np.array(shape.normals) @ sideways
    heights = np.array(shape.distances_nm) - np.array(shape.normals) @ middle
    surface_nm = float((heights[slopes > 0] / slopes[slopes > 0]).min())
    return ScrewDislocation(
        through_nm=_triple(middle + (surface_nm - DISLOCATION_DEPTH_NM) * sideways),
        line=_triple(direction),
        burgers_a=burgers_a,
        image_nm=_triple(middle + (surface_nm + DISLOCATION_DEPTH_NM) * sideways),
    )


def _across(direction: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """A unit vector at right angles to `direction`, `turn` radians round it from the horizontal."""
    level = np.cross(direction, [0.0, 1.0, 0.0])
    level /= np.linalg.norm(level)
    across: NDArray[np.float64] = np.cos(turn) * level + np.sin(turn) * np.cross(level, direction)
    return across


def _triple(vector: NDArray[np.float64]) -> Triple:
    x, y, z = (float(v) for v in vector)
    return x, y, z
