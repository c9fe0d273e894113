"""Neighbouring grains in the window: found where there is one, and nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from reconstructor.aliens import aliens

PEERS = Path(__file__).resolve().parents[1] / "benchmarks" / "peers"
PEAK = (99, 126, 127)

Volume = NDArray[np.float32]


@pytest.fixture(scope="module")
def patterns() -> list[Volume]:
    """Counts of four faceted crystals on 48³ voxels: weakly strained, strongly, with a dislocation, moderately."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PEERS))
        import crystals

        made = [crystals.make(seed, 48, 5e6).counts for seed in range(4)]
        del sys.modules["crystals"]
    return made


def beside(pattern: Volume, at: tuple[int, int, int], share: float) -> Volume:
    """Another crystal's peak, moved from the middle by `at` voxels, with this share of its photons; nothing wraps."""
    padded = np.pad(pattern, 24)
    box = tuple(slice(24 - k, 72 - k) for k in at)
    return np.random.default_rng(1).poisson(share * padded[box]).astype(np.float32)


def test_fringes_of_one_crystal_are_no_neighbours(patterns: list[Volume]) -> None:
    """Facets' streaks, strain beyond 2π and a dislocation's ring: 0 voxels; nor in a curve that is half measured."""
    for pattern in patterns:
        everywhere = np.ones(pattern.shape, np.bool_)
        assert not aliens(pattern, everywhere).any()
        for frames in (21, 27):
            growing = everywhere.copy()
            growing[frames:] = False
            assert not aliens(pattern, growing).any()


@pytest.mark.parametrize("at", [(17, 0, 0), (12, -12, 12), (0, 0, -18)])
@pytest.mark.parametrize("share", [0.1, 0.02])
def test_a_second_peak_is_found(patterns: list[Volume], at: tuple[int, int, int], share: float) -> None:
    """Most of a neighbour's counts are masked, and hardly any of the crystal's own."""
    own, other = patterns[0], beside(patterns[3], at, share)
    found = aliens(own + other, np.ones(own.shape, np.bool_))
    assert other[found].sum() > 0.8 * other.sum()
    assert own[found].sum() < 0.01 * own.sum()


def test_a_brighter_neighbour_is_the_neighbour_still(patterns: list[Volume]) -> None:
    """The crystal is what the window is centred on, not what is brightest."""
    own, other = patterns[3], beside(patterns[0], (0, 18, 0), 2.0)
    found = aliens(own + other, np.ones(own.shape, np.bool_))
    assert found[24, 42, 24]
    assert not found[20:29, 20:29, 20:29].any()


def test_a_domain_of_the_same_crystal_is_left(patterns: list[Volume]) -> None:
    """Two peaks less than four fringes apart belong together."""
    own, other = patterns[0], beside(patterns[0], (0, 7, 0), 0.8)
    assert not aliens(own + other, np.ones(own.shape, np.bool_)).any()


def test_only_what_is_known_is_masked_or_read(patterns: list[Volume]) -> None:
    """A gap through the neighbour stays out of the mask, whatever stands in it; an all-zero window has none."""
    own, other = patterns[0], beside(patterns[3], (17, 0, 0), 0.1)
    known = np.ones(own.shape, np.bool_)
    known[:, :, 23:25] = False
    seen = np.where(known, own + other, np.float32(1e6))
    found = aliens(seen, known)
    assert found.any()
    assert not (found & ~known).any()
    assert np.array_equal(found, aliens(np.where(known, seen, np.float32(0)), known))
    assert not aliens(np.zeros((32, 32, 32), np.float32), np.ones((32, 32, 32), np.bool_)).any()


@pytest.mark.scan54
def test_the_recorded_scan_has_a_neighbour_at_its_rim(scan54: Path) -> None:
    """None in the central 96³; in a window of 160 the grain whose peak lies about frame 163, row 62, column 102."""
    for side in (96, 160):
        box = tuple(slice(p - side // 2, p + side // 2) for p in PEAK)
        with h5py.File(scan54) as file:
            counts = file["entry/frames"][box].astype(np.float32)
        found = aliens(counts, np.ones(counts.shape, np.bool_))
        place = tuple(p - b.start for p, b in zip((163, 62, 102), box, strict=True))
        assert found.any() == (side == 160)
        if side == 160:
            assert found[place]
            assert found.mean() < 0.02
            assert 5e3 < counts[found].sum() < 2e4
