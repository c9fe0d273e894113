"""Patterns are laid over each other finer than a voxel, whatever is masked, bright or noisy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.messages import FrameBlock, ScanStarted, Window
from reconstructor.curve import Curve, CurveError, Reading
from reconstructor.peak import Peak, find_peak
from reconstructor.registration import registered

SIZES = (48, 48, 48)
Make = Callable[..., tuple[Reading, Peak]]


def crystal(seed: int, lost: float) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Places (voxel, axis) and amplitudes of some scatterers that make a lopsided body with some phase in it.

    What lies above `lost` along the third axis is left out.
    """
    rng = np.random.default_rng(seed)
    places = rng.uniform(-6, 6, (2000, 3))
    inside = (places @ [1.0, 0.6, 0.4] < 4) & (places @ [-0.3, 1.0, 0.2] < 5)
    places = places[inside & (places[:, 2] < lost)]
    return places, np.exp(0.03j * places[:, 0] * places[:, 2])


def expected(
    shift: tuple[float, float, float] = (0, 0, 0), scale: float = 5e6, seed: int = 0, lost: float = np.inf
) -> NDArray[np.float64]:
    """Expected counts of its diffraction with the peak at n // 2 + shift, by the sum over its scatterers."""
    places, amplitude = crystal(seed, lost)
    waves = [
        np.exp(-2j * np.pi / n * np.outer(np.arange(n) - n // 2 - by, places[:, axis]))
        for axis, (n, by) in enumerate(zip(SIZES, shift, strict=True))
    ]
    field = np.einsum("ip,jp,kp,p->ijk", *waves, amplitude, optimize=True)
    intensity: NDArray[np.float64] = np.abs(field) ** 2
    return scale * intensity / intensity.sum()


@pytest.fixture
def measured(scan_started: Callable[..., ScanStarted], frame_block: Callable[..., FrameBlock]) -> Make:
    """The reading and the peak of Poisson counts of expected ones: measured(expected, seed, monitor=…, mask=…)."""

    def make(
        counts: NDArray[np.float64], seed: int = 0, monitor: float = 1.0, **fields: object
    ) -> tuple[Reading, Peak]:
        curve = Curve(scan_started(*counts.shape, **fields))
        drawn = np.random.default_rng(seed).poisson(counts * monitor).astype(np.uint32)
        curve.add(frame_block(list(range(len(counts))), drawn, monitor=np.full(len(counts), monitor)))
        reading = curve.reading()
        peak = find_peak(reading)
        assert peak is not None
        return reading, peak

    return make


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.4, -0.3, 0.25), (5.3, -3.7, 2.5), (-9.0, 6.45, 0.1)])
def test_a_known_shift_is_found(measured: Make, shift: tuple[float, float, float]) -> None:
    """To a fiftieth of a voxel, with a correlation that says that nothing else changed."""
    found = registered(*measured(expected(), 1), *measured(expected(shift), 2, monitor=0.8))
    assert np.allclose(found.shift, shift, atol=0.02)
    assert found.pearson > 0.99
    assert found.pearson >= found.pearson_whole - 1e-3


def test_masked_pixels_do_not_hold_it_back(measured: Make) -> None:
    """A gap that stays where it is on the detector while the pattern moves does not pull the shift to zero."""
    mask = np.zeros(SIZES[1:], np.uint32)
    mask[:, 27:30], mask[20:22] = 1, 1
    found = registered(*measured(expected(), 1, mask=mask), *measured(expected((1.6, -2.3, 3.4)), 2, mask=mask))
    assert np.allclose(found.shift, (1.6, -2.3, 3.4), atol=0.05)


def test_places_are_those_of_the_detector(measured: Make) -> None:
    """A window that was moved with the peak does not hide that the peak moved."""
    moved = Window(row0=7, column0=4, rows=SIZES[1], columns=SIZES[2])
    found = registered(*measured(expected(), 1), *measured(expected((0.0, 0.5, -0.25)), 2, window=moved))
    assert np.allclose(found.shift, (0.0, 7.5, 3.75), atol=0.02)


def test_a_crystal_that_lost_a_part_is_not_alike(measured: Make) -> None:
    """However it is laid over what it was, the correlation stays below that of two scans of one state."""
    found = registered(*measured(expected(), 1), *measured(expected(lost=1.0), 2))
    assert found.pearson < 0.97


def test_too_little_known_is_an_error(measured: Make) -> None:
    """With nearly everything masked nothing is said."""
    mask = np.ones(SIZES[1:], np.uint32)
    mask[22:26, 22:26] = 0
    reading, peak = measured(expected(), 1)
    hidden = replace(reading, trusted=mask == 0)
    with pytest.raises(CurveError, match="known in both"):
        registered(reading, peak, hidden, peak)
