"""From a plan to counts."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.simulator.beamline import BeamlinePlan, measure, prepare
from streamer.simulator.detector import Detector


def small(**changes: object) -> BeamlinePlan:
    settings: dict[str, object] = {"voltages_v": (4.1, 3.9), "frames": 61, "rows": 32, "columns": 32, "photons": 1e6}
    return BeamlinePlan(**(settings | changes))  # type: ignore[arg-type]


def test_photons_are_those_asked_for() -> None:
    """The first scan counts the photons asked for within their statistics and the drift, later ones fewer."""
    campaign = prepare(small(detector=Detector(dead_pixels=0, background=0.0, drift=1e-3)))
    first, last = (int(hold.counts.sum()) for hold in measure(campaign))
    assert first == pytest.approx(1e6, rel=5e-3)
    assert last == pytest.approx(1e6 * 0.75, rel=5e-3)


def test_the_peak_is_near_the_middle_but_not_on_it() -> None:
    """The brightest pixel of the first hold is within a few pixels and frames of the middle."""
    hold = next(measure(prepare(small(detector=Detector(dead_pixels=0)))))
    frame, row, column = np.unravel_index(hold.counts.argmax(), hold.counts.shape)
    assert abs(frame - 30) <= 8
    assert abs(row - 15.5) <= 5
    assert abs(column - 15.5) <= 5
    assert (frame, row, column) != (30, 15, 15)


def test_the_seed_repeats_everything() -> None:
    """The same plan gives the same counts, monitor, mask and truth; another seed others."""
    one, again, other = (prepare(small(seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.mask, again.mask)
    for a, b, c in zip(measure(one), measure(again), measure(other), strict=True):
        np.testing.assert_array_equal(a.counts, b.counts)
        np.testing.assert_array_equal(a.monitor, b.monitor)
        np.testing.assert_array_equal(a.amplitude, b.amplitude)
        assert (a.counts != c.counts).any()


def test_the_truth_is_what_was_counted() -> None:
    """Away from dead pixels the counts are those of |amplitude|² within a few percent of R, the rest being noise."""
    campaign = prepare(small(points=1, detector=Detector(dead_pixels=0, background=0.0, drift=0.0)))
    hold = next(measure(campaign))
    expected = np.abs(hold.amplitude.astype(complex)) ** 2
    expected *= hold.counts.sum() / expected.sum()
    residual = ((np.sqrt(expected) - np.sqrt(hold.counts)) ** 2).sum() / hold.counts.sum()
    ideal = 0.25 * hold.counts.size / hold.counts.sum()
    assert residual < 1.5 * ideal


def test_a_crystal_that_slipped_comes_later_and_as_bright_as_told() -> None:
    """Offset and brightness of the second hold move its rocking curve by as many frames, and scale its counts."""
    quiet = Detector(dead_pixels=0, background=0.0, drift=0.0)
    conditions = {"voltages_v": (4.1, 4.1), "offsets_frames": (0.0, 8.0), "brightness": (1.0, 1.7)}
    here, there = (
        hold.counts.sum(axis=(1, 2), dtype=float) for hold in measure(prepare(small(detector=quiet, **conditions)))
    )
    assert np.correlate(there, here, "full").argmax() - 60 == 8
    assert there.sum() / here.sum() == pytest.approx(1.7, rel=5e-3)


def test_senseless_plans_are_refused() -> None:
    """The error tells what was asked for and what is the least."""
    with pytest.raises(ValueError, match="1 frames of 32"):
        small(frames=1)
    with pytest.raises(ValueError, match="at least one voltage"):
        small(voltages_v=())
    with pytest.raises(ValueError, match=r"offsets \(1.0,\) for 2 holds; wanted one each"):
        small(offsets_frames=(1.0,))
    with pytest.raises(ValueError, match=r"brightness \(1.0, 0.0\); wanted each above 0"):
        small(brightness=(1.0, 0.0))
