"""Where the last hold's pattern lies on the present curve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reconstructor.forecast.offset import Fit, fit
from reconstructor.forecast.planes import planes
from reconstructor.forecast.search import template


def fitted(crystal: Any, state: str, moved: tuple[float, float, float], frames: int, brightness: float = 1.0) -> Fit:
    """The fit to so many frames of a scan whose peak has moved."""
    place = tuple(m + d for m, d in zip((60.0, 24.0, 24.0), moved, strict=True))
    pattern, _ = crystal.last()
    found = planes(crystal.scan(state, place, brightness, seed=3).until(frames), pattern.window)
    return fit(template(pattern, 120, found), found)


@pytest.mark.parametrize("brightness", [0.5, 2.0])
@pytest.mark.parametrize("offset", [-25.0, -6.0, 0.0, 19.4])
def test_a_crystal_that_only_moved_is_found(offset: float, brightness: float, held: Callable[..., Any]) -> None:
    """Just past the peak the offset is known to a tenth of a frame and of a pixel, the scale to a few per cent."""
    found = fitted(held(0, "nothing"), "after", (offset, 1.3, -0.9), round(66 + offset), brightness)
    assert found.determined
    np.testing.assert_allclose(found.offset, (offset, 1.3, -0.9), atol=0.1)
    assert found.scale == pytest.approx(brightness, rel=0.05)


@pytest.mark.parametrize("change", ["strained", "a domain lost"])
@pytest.mark.parametrize("offset", [-25.0, -6.0, 0.0, 19.0])
def test_a_crystal_that_changed_is_found_past_the_peak(offset: float, change: str, held: Callable[..., Any]) -> None:
    """To within a voxel of the window (two frames, one pixel): the ramp of what is shown is right."""
    found = fitted(held(0, change), "after", (offset, 1.3, -0.9), round(72 + offset), 0.5)
    assert found.determined
    assert abs(found.offset[0] - offset) < 2.0
    np.testing.assert_allclose(found.offset[1:], (1.3, -0.9), atol=1.0)


@pytest.mark.parametrize("change", ["nothing", "strained", "a domain lost", "a dislocation born"])
@pytest.mark.parametrize("offset", [-19.0, 0.0, 6.4, 19.0])
def test_before_the_peak_it_says_how_little_it_knows(offset: float, change: str, held: Callable[..., Any]) -> None:
    """From the first tenth of the frames the truth lies within three standard deviations, and nothing is claimed."""
    found = fitted(held(0, change), "after", (offset, 1.3, -0.9), 12)
    assert abs(found.offset[0] - offset) < 3 * found.sigma[0]
    assert not found.determined


def test_more_frames_tell_more(held: Callable[..., Any]) -> None:
    """The standard deviation of the rocking offset falls as the curve grows towards its peak."""
    spread = [fitted(held(0), "after", (0.0, 0.0, 0.0), frames).sigma[0] for frames in (12, 40, 72)]
    assert spread[0] > 2 * spread[1] > 2 * spread[2]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_determined_before_the_peak_is_measured(seed: int, held: Callable[..., Any]) -> None:
    """However sharp the likelihood: a crystal that was strained may look like one that has moved."""
    assert not fitted(held(seed), "after", (6.4, 1.3, -0.9), 60).determined


def test_beyond_the_last_window_nothing_is_believed(held: Callable[..., Any]) -> None:
    """Frames that the last window never covered leave any offset open."""
    found = fitted(held(0, "nothing"), "after", (19.0, 0.0, 0.0), 12)
    assert found.sigma[0] > 10


def test_an_earlier_fit_saves_the_search_and_changes_nothing(held: Callable[..., Any]) -> None:
    """Near a determined fit the answer is the same as without it."""
    crystal = held(2)
    pattern, _ = crystal.last()
    scan = crystal.scan("after", (66.4, 25.3, 23.1))
    laid = template(pattern, 120, planes(scan.until(20), pattern.window))
    near = fit(laid, planes(scan.until(80), pattern.window))
    now = planes(scan.until(100), pattern.window)
    assert near.determined
    np.testing.assert_allclose(fit(laid, now, near).offset, fit(laid, now).offset, atol=1e-3)


def test_nothing_measured_is_nothing_known(held: Callable[..., Any]) -> None:
    """Three frames without a count give the prior back: no offset, any within reach."""
    crystal = held(0)
    pattern, _ = crystal.last()
    reading = crystal.scan("after").until(3)
    reading.counts[:] = 0
    found = fit(template(pattern, 120, planes(reading, pattern.window)), planes(reading, pattern.window))
    assert not found.determined
    assert np.isfinite([*found.offset, *found.sigma, found.scale]).all()
