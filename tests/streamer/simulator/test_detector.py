"""Counts of the simulated detector."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.simulator.detector import DEAD, OVERLOAD, Detector, expose, monitor, pixel_mask


def rng(seed: int = 4) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_counts_are_poisson_distributed() -> None:
    """Mean and variance of the counts are the expected photons plus background, times the monitor where it applies."""
    detector = Detector(background=0.5)
    incident = np.repeat([1.0, 2.0], 100)
    counts = expose(np.full((200, 32, 32), 3.0), detector, np.zeros((32, 32), np.uint32), incident, rng())
    for part, mean in ((counts[:100], 3.5), (counts[100:], 6.5)):
        assert part.mean() == pytest.approx(mean, rel=0.01)
        assert part.var() == pytest.approx(mean, rel=0.02)


def test_dead_pixels_read_the_largest_value() -> None:
    """A masked pixel reads 2³² − 1 in every frame and no other pixel does."""
    mask = np.zeros((8, 8), np.uint32)
    mask[2, 5] = DEAD
    counts = expose(np.ones((3, 8, 8)), Detector(), mask, np.ones(3), rng())
    assert (counts[:, 2, 5] == OVERLOAD).all()
    assert (counts == OVERLOAD).sum() == 3


def test_bright_pixels_saturate() -> None:
    """No count exceeds the saturation."""
    counts = expose(np.full((2, 8, 8), 500.0), Detector(saturation=400), np.zeros((8, 8), np.uint32), np.ones(2), rng())
    assert counts.max() == 400


def test_mask_spares_the_middle() -> None:
    """There are as many dead pixels as asked for, none of them in the middle quarter of rows and columns."""
    for seed in range(20):
        mask = pixel_mask(Detector(dead_pixels=12), 64, 48, rng(seed))
        assert (mask == DEAD).sum() == 12
        assert not mask[25:40, 19:30].any()


def test_monitor_drifts_about_one() -> None:
    """The incident intensity stays about 1 with the standard deviation asked for."""
    relative = monitor(Detector(drift=0.02), 5000, rng())
    assert relative.mean() == pytest.approx(1.0, abs=0.01)
    assert relative.std() == pytest.approx(0.02, rel=0.1)
