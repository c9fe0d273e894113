"""Counts against the crystal's last scan."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconstructor.brightness import brightness
from reconstructor.profile import Profile


def rocking(moved_deg: float, scale: float, frames: int = 80, monitor: float = 1.0, seed: int | None = None) -> Profile:
    """A Gaussian rocking curve of 80 frames, 0.01° apart, with its peak at 0.4° + `moved_deg`."""
    frame = np.arange(frames)
    angle = 0.01 * frame
    expected = monitor * scale * 20000 * np.exp(-(((angle - 0.4 - moved_deg) / 0.06) ** 2))
    counts = expected if seed is None else np.random.default_rng(seed).poisson(expected).astype(float)
    none = np.zeros(frames)
    return Profile(frame, angle, counts, np.full(frames, monitor), none, none, none, (none, none))


@given(st.floats(0.5, 2.0), st.floats(-0.15, 0.15), st.floats(0.5, 2.0), st.integers(20, 80))
def test_the_ratio_is_found_wherever_the_peak_moved(scale: float, moved: float, monitor: float, frames: int) -> None:
    """From few frames, whatever the monitor: at equal distance from the peak only it is left."""
    found = brightness(rocking(moved, scale, frames, monitor), rocking(0.0, 1.0), moved)
    if 0.01 * frames > 0.3 + moved:
        assert found is not None
    assert found is None or found.ratio == pytest.approx(scale, rel=0.02)


def test_the_error_is_that_of_counting() -> None:
    """Over many draws the ratio strays by its stated error."""
    draws = [brightness(rocking(0.03, 0.7, 45, seed=k), rocking(0.0, 1.0, seed=100 + k), 0.03) for k in range(60)]
    ratios = [found.ratio for found in draws if found is not None]
    errors = [found.error for found in draws if found is not None]
    assert len(ratios) == 60
    assert 0.6 < np.std(ratios) / np.mean(errors) < 1.5


def test_without_common_frames_there_is_no_ratio() -> None:
    """Curves that do not overlap once laid over each other, or have no angles, cannot be compared."""
    assert brightness(rocking(0.0, 1.0), rocking(0.0, 1.0), 5.0) is None
    assert brightness(rocking(0.0, 1.0, 1), rocking(0.0, 1.0), 0.0) is None
