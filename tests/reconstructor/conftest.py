"""What the reconstructor's tests share: geometries, messages of small scans, crystals that scatter by a lattice sum.

Nothing here uses the reconstructor's own geometry: q is written out from the docstring of `Geometry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.messages import Crystal, FrameBlock, Geometry, Hold, Scan, ScanStarted, Window
from tests.reconstructor.service_bench import Bench

AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}

APS_34_ID_C = Geometry(
    instrument="APS 34-ID-C",
    energy_kev=9.0,
    distance_mm=500.0,
    pixel_um=(55.0, 55.0),
    sample_axes=("y+", "z-", "y+"),
    sample_angles_deg=(0.0, 90.0, -5.0),
    rocking_axis=0,
    detector_axes=("y+", "x-"),
    detector_angles_deg=(32.174, 12.6346),
    pixel_directions=("y-", "x+"),
    beam_centre_px=(256.0, 256.0),
)
I13_1 = Geometry(
    instrument="Diamond I13-1",
    energy_kev=11.0,
    distance_mm=2900.0,
    pixel_um=(55.0, 55.0),
    sample_axes=("y+",),
    sample_angles_deg=(0.0,),
    rocking_axis=0,
    detector_axes=("y+", "x-"),
    detector_angles_deg=(13.68, 0.0),
    pixel_directions=("y-", "x+"),
    beam_centre_px=(128.0, 128.0),
)


@pytest.fixture
def aps() -> Geometry:
    """34-ID-C as it stood for scan 54: mostly horizontal scattering, some out of the plane."""
    return APS_34_ID_C


@pytest.fixture
def i13() -> Geometry:
    """I13-1 on the (003) of NMC811: horizontal scattering."""
    return I13_1


@pytest.fixture
def scan_started() -> Callable[..., ScanStarted]:
    """Makes the message a small scan begins with: scan_started(frames, rows, columns, **other fields)."""

    def make(frames: int = 12, rows: int = 10, columns: int = 8, **fields: Any) -> ScanStarted:
        plain: dict[str, Any] = {
            "scan": Scan("scan-1"),
            "source": "test",
            "frames_expected": frames,
            "window_revision": 1,
            "window": Window(row0=0, column0=0, rows=rows, columns=columns),
            "detector_shape": (rows, columns),
            "geometry": I13_1,
            "crystal": Crystal("IV"),
            "hold": Hold("IV-4.1"),
            "mask": np.zeros((rows, columns), np.uint32),
        }
        return ScanStarted(**{**plain, **fields})

    return make


@pytest.fixture
def frame_block() -> Callable[..., FrameBlock]:
    """Makes a block of frames: frame_block(indices, counts, **other fields); angles 0.01 degrees apart."""

    def make(index: list[int], counts: NDArray[Any], **fields: Any) -> FrameBlock:
        plain: dict[str, Any] = {
            "scan": Scan("scan-1"),
            "window_revision": 1,
            "index": np.asarray(index, np.int32),
            "angle_deg": 0.01 * np.asarray(index, float),
            "monitor": np.ones(len(index)),
            "total_counts": counts.sum(axis=(1, 2)).astype(float),
            "counts": np.ascontiguousarray(counts, "<u4"),
        }
        return FrameBlock(**{**plain, **fields})

    return make


@dataclass(frozen=True, eq=False)
class Lattice:
    """A small crystal of point scatterers on a lattice whose planes stand upon Q, and what its far field is."""

    geometry: Geometry
    angle_deg: float
    """Rocking angle at which its Bragg condition holds."""
    pixel: tuple[float, float]
    points_nm: NDArray[np.float64]
    """(n, 3) places before displacement, (x, y, z) at the Bragg condition."""
    u_a: NDArray[np.float64]
    """(n,) displacement along Q."""

    @property
    def q_inv_a(self) -> NDArray[np.float64]:
        """Q of the undisplaced lattice, (x, y, z)."""
        return q_laboratory(self.geometry, *self.pixel)

    def amplitude(self, angles_deg: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.complex64]:
        """Far-field amplitude Σ exp(−i q·(R + u)), (frame, row, column)."""
        q_hat = self.q_inv_a / np.linalg.norm(self.q_inv_a)
        places = 10.0 * self.points_nm + self.u_a[:, None] * q_hat
        out = np.empty((len(angles_deg), len(rows), len(columns)), np.complex64)
        pixels = np.array([[q_laboratory(self.geometry, r, c) for c in columns] for r in rows])
        for j, angle in enumerate(angles_deg):
            q = pixels @ crystal_turn(self.geometry, angle, self.angle_deg)
            phase = (q.reshape(-1, 3) @ places.T).astype(np.float64)
            turns = np.remainder(phase, 2 * np.pi).astype(np.float32)
            total = np.cos(turns).sum(axis=1) - 1j * np.sin(turns).sum(axis=1)
            out[j] = total.reshape(len(rows), len(columns))
        return out


def rotation(axis: str, angle_deg: float) -> NDArray[np.float64]:
    """Right-handed rotation by an angle about e.g. "y+" (Rodrigues)."""
    angle = np.radians(angle_deg) * (1 if axis[1] == "+" else -1)
    x, y, z = AXES[axis[0]]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn


def direction(name: str) -> NDArray[np.float64]:
    """The unit vector of e.g. "y-"."""
    return np.array(AXES[name[0]]) * (1 if name[1] == "+" else -1)


def q_laboratory(geometry: Geometry, row: float, column: float) -> NDArray[np.float64]:
    """q in 1/Å at a pixel, in the laboratory frame, from the words of `Geometry`."""
    turn = np.eye(3)
    for axis, angle in zip(geometry.detector_axes, geometry.detector_angles_deg, strict=True):
        turn = turn @ rotation(axis, angle)
    r0, c0 = geometry.beam_centre_px
    down, across = (direction(name) for name in geometry.pixel_directions)
    place = geometry.distance_mm * np.array([0.0, 0.0, 1.0])
    place = (
        place + (row - r0) * geometry.pixel_um[0] / 1000 * down + (column - c0) * geometry.pixel_um[1] / 1000 * across
    )
    place = turn @ place
    wave = 2 * np.pi * geometry.energy_kev / 12.398419843
    q: NDArray[np.float64] = wave * (place / np.linalg.norm(place) - np.array([0.0, 0.0, 1.0]))
    return q


def crystal_turn(geometry: Geometry, angle_deg: float, reference_deg: float) -> NDArray[np.float64]:
    """S(angle) S(reference)⁻¹: how a crystal that stood at the reference angle is turned; q @ it gives crystal's q."""
    turns = []
    for rocked in (angle_deg, reference_deg):
        angles = [*geometry.sample_angles_deg]
        angles[geometry.rocking_axis] = rocked
        turn = np.eye(3)
        for axis, angle in zip(geometry.sample_axes, angles, strict=True):
            turn = turn @ rotation(axis, angle)
        turns.append(turn)
    whole: NDArray[np.float64] = turns[0] @ turns[1].T
    return whole


@pytest.fixture
def words() -> Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """words(geometry, step_deg, angle, row, column): Q in 1/Å and the three steps in 1/nm, from the definition."""

    def found(
        geometry: Geometry, step_deg: float, angle: float, row: float, column: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        def q(frames: float, rows: float, columns: float) -> NDArray[np.float64]:
            turn = crystal_turn(geometry, angle + frames * step_deg, angle)
            there: NDArray[np.float64] = q_laboratory(geometry, row + rows, column + columns) @ turn
            return there

        small = 0.01 * np.eye(3)
        steps = np.stack([(q(*place) - q(*(-place))) / 0.02 for place in small])
        return q(0, 0, 0), 10 * steps

    return found


@pytest.fixture
def lopsided() -> Callable[..., Lattice]:
    """Makes a lopsided body of a lattice: lopsided(geometry, angle, pixel, size_nm, strain0, kappa_per_nm)."""

    def make(
        geometry: Geometry,
        angle_deg: float,
        pixel: tuple[float, float],
        size_nm: float,
        strain0: float = 0.0,
        kappa_per_nm: float = 0.0,
    ) -> Lattice:
        q = q_laboratory(geometry, *pixel)
        along = q / np.linalg.norm(q)
        across = np.cross(along, [0.0, 1.0, 0.0])
        across /= np.linalg.norm(across)
        third = np.cross(along, across)
        d_nm = 2 * np.pi / np.linalg.norm(q) / 10
        pitch = size_nm / 18
        step = d_nm * max(1, round(pitch / d_nm))
        k = np.arange(-11, 12)
        a, b, c = (axis.ravel() for axis in np.meshgrid(k * step, k * pitch, k * pitch, indexing="ij"))
        half = size_nm / 2
        inside = (np.abs(b) < 0.8 * half) & (np.abs(c) < 0.6 * half) & (a > -0.6 * half)
        inside &= a + 0.7 * np.abs(b) + 0.5 * np.abs(c) < half
        a, b, c = a[inside], b[inside], c[inside]
        points = a[:, None] * along + b[:, None] * across + c[:, None] * third
        u_a = 10 * (strain0 * a + kappa_per_nm / 2 * a**2)
        return Lattice(geometry, angle_deg, pixel, points, u_a)

    return make


@pytest.fixture
def coarse(i13: Geometry) -> Geometry:
    """I13-1 with pixels of 220 µm, so that few of them make a window."""
    return msgspec.structs.replace(i13, pixel_um=(220.0, 220.0), beam_centre_px=(12.0, 12.0))


@dataclass(frozen=True, eq=False)
class PlayedScan:
    """A small crystal's scan, frame by frame, and the truth it was made from."""

    started: ScanStarted
    counts: NDArray[np.uint32]
    amplitude: NDArray[np.complex64]
    """True far-field amplitude at each raw voxel."""

    def block(self, first: int, last: int, **fields: Any) -> FrameBlock:
        """Frames first … last − 1."""
        plain: dict[str, Any] = {
            "scan": self.started.scan,
            "window_revision": self.started.window_revision,
            "index": np.arange(first, last, dtype=np.int32),
            "angle_deg": 0.01 * np.arange(first, last),
            "monitor": np.ones(last - first),
            "total_counts": self.counts[first:last].sum(axis=(1, 2)).astype(float),
            "counts": np.ascontiguousarray(self.counts[first:last], "<u4"),
        }
        return FrameBlock(**{**plain, **fields})


@pytest.fixture
def played(coarse: Geometry, scan_started: Callable[..., ScanStarted]) -> Callable[..., PlayedScan]:
    """Makes a scan of 48 frames of 48 × 48 pixels of a lopsided, strained crystal: played(name, seed)."""

    def make(name: str = "scan-1", seed: int = 0, photons: float = 3e6, **fields: Any) -> PlayedScan:
        fine, n = 96, 48
        z, y, x = np.meshgrid(*[np.arange(fine) - fine // 2] * 3, indexing="ij")
        inside = (np.abs(z) < 13) & (np.abs(y) < 11) & (x > -12) & (x + 0.6 * z + 0.4 * y < 10)
        phase = 0.004 * x * z + 0.0006 * y**2 * np.sign(seed + 0.5)
        cropped = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(inside * np.exp(1j * phase))))
        box = (slice(fine // 2 - n // 2, fine // 2 + n // 2),) * 3
        amplitude = cropped[box].astype(np.complex64)
        amplitude *= np.float32(np.sqrt(photons / np.sum(np.abs(amplitude) ** 2)))
        counts = np.random.default_rng(seed).poisson(np.abs(amplitude) ** 2).astype(np.uint32)
        plain = {"geometry": coarse, "scan": Scan(name), "frame_time_s": 0.1}
        started = scan_started(n, n, n, **{**plain, **fields})
        return PlayedScan(started, counts, amplitude)

    return make


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches and closes their services."""
    made: list[Bench] = []

    def make(**fields: Any) -> Bench:
        made.append(Bench(tmp_path, **fields))
        return made[-1]

    yield make
    for one in made:
        one.close()
