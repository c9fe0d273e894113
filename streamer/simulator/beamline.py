"""From a plan to measured holds: crystal states, their diffraction, the detector's counts. Seeded; no clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.messages import Geometry
from streamer.simulator.campaign import state
from streamer.simulator.crystals import CrystalState, Triple
from streamer.simulator.detector import Detector, expose, monitor, pixel_mask
from streamer.simulator.diffraction import Amplitude, ScanShape, amplitude, intensity, voxels
from streamer.simulator.geometries import i13_1, i13_1_angles_deg
from streamer.simulator.reciprocal import later, reciprocal_steps


class BeamlinePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate: a crystal at some voltages at I13-1."""

    crystal: str = "IV"
    voltages_v: tuple[float, ...] = (4.1, 4.0, 3.9)
    frames: int = 201
    rows: int = 64
    columns: int = 64
    binning: int = 4
    """A pixel is this many detector pixels of 55 µm wide and high."""
    photons: float = 5e6
    """Expected counts of a scan of the first state, without background."""
    points: int = 2
    """Samples across a pixel (see `streamer.simulator.diffraction`); 1 takes its centre alone."""
    offsets_frames: tuple[float, ...] = ()
    """By how many frames each hold's peak comes later than its state alone would have it: the sample has slipped
    about the rocking axis. Empty: none does."""
    brightness: tuple[float, ...] = ()
    """Factor on each hold's intensity, beside what its state makes of it. Empty: 1."""
    seed: int = 1
    detector: Detector = Detector()

    def __post_init__(self) -> None:
        if self.frames < 2 or self.rows < 8 or self.columns < 8 or self.binning < 1:
            raise ValueError(
                f"a scan of {self.frames} frames of {self.rows} × {self.columns} pixels binned by {self.binning}; "
                "wanted at least 2 frames of 8 × 8 pixels binned by 1"
            )
        if not self.voltages_v or self.photons <= 0 or self.points < 1:
            raise ValueError(
                f"voltages {self.voltages_v}, photons {self.photons:g}, points a pixel {self.points}; "
                "wanted at least one voltage, some photons and one point"
            )
        for name, each in (("offsets", self.offsets_frames), ("brightness", self.brightness)):
            if each and len(each) != len(self.voltages_v):
                raise ValueError(f"{name} {each} for {len(self.voltages_v)} holds; wanted one each")
        if any(factor <= 0 for factor in self.brightness):
            raise ValueError(f"brightness {self.brightness}; wanted each above 0")


class MeasuredHold(NamedTuple):
    """One hold as the detector saw it, and the truth behind it."""

    state: CrystalState
    counts: NDArray[np.uint32]
    """(frame, row, column)"""
    monitor: NDArray[np.float64]
    amplitude: Amplitude
    """(frame, row, column)"""


class Campaign(NamedTuple):
    """What all holds have in common."""

    plan: BeamlinePlan
    geometry: Geometry
    angles_deg: NDArray[np.float64]
    mask: NDArray[np.uint32]
    """(row, column), 0 = good"""
    first_q_inv_a: Triple


def prepare(plan: BeamlinePlan) -> Campaign:
    """Geometry, angles, mask, and where the first state's peak is: near the middle, as alignment leaves it."""
    geometry, angles = i13_1(plan.rows, plan.columns, plan.binning), i13_1_angles_deg(plan.frames)
    scan = ScanShape(geometry, angles, plan.rows, plan.columns)
    rng = np.random.default_rng([plan.seed, 0])
    frame, row, column = np.array(scan.middle) + np.array([2.5, 1.6, -1.3]) + rng.uniform(-0.5, 0.5, 3)
    x, y, z = reciprocal_steps(geometry, angles, (frame, row, column), scan.middle_deg).origin.tolist()
    return Campaign(plan, geometry, angles, pixel_mask(plan.detector, plan.rows, plan.columns, rng), (x, y, z))


def measure(campaign: Campaign) -> Iterator[MeasuredHold]:
    """One hold after the other; each takes about a second for 201 frames of 64 × 64 pixels."""
    plan = campaign.plan
    scan = ScanShape(campaign.geometry, campaign.angles_deg, plan.rows, plan.columns)
    for number, voltage_v in enumerate(plan.voltages_v):
        rng = np.random.default_rng([plan.seed, 1, number])
        crystal = _placed(campaign, state(plan.crystal, voltage_v, campaign.first_q_inv_a, plan.seed), number)
        scattered = voxels(crystal, scan)
        relative = intensity(scattered, plan.points).astype(np.float64)
        expected = relative * (plan.photons * crystal.brightness / relative.sum())
        incident = monitor(plan.detector, plan.frames, rng)
        counts = expose(expected, plan.detector, campaign.mask, incident, rng)
        yield MeasuredHold(crystal, counts, incident, amplitude(scattered))


def _placed(campaign: Campaign, crystal: CrystalState, number: int) -> CrystalState:
    """A state as the sample stands, and as bright as the beam is, in hold `number`."""
    plan = campaign.plan
    step_deg = float(campaign.angles_deg[1] - campaign.angles_deg[0])
    offset = plan.offsets_frames[number] if plan.offsets_frames else 0.0
    factor = plan.brightness[number] if plan.brightness else 1.0
    x, y, z = later(campaign.geometry, np.array(crystal.q_inv_a), offset * step_deg).tolist()
    return msgspec.structs.replace(crystal, q_inv_a=(x, y, z), brightness=factor * crystal.brightness)
