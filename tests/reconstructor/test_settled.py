"""When a scan is good enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconstructor.settled import Shown, good_enough

CALM = [
    Shown(110, None, 0.0210),
    Shown(120, 0.100, 0.0080),
    Shown(130, 0.015, 0.0040),
    Shown(140, 0.012, 0.0036),
    Shown(150, 0.008, 0.0041),
    Shown(160, 0.007, 0.0035),
]


def test_a_scan_that_settles_says_how_many_frames_are_left() -> None:
    """From the third volume on that no longer changes, and foretells no better."""
    told = good_enough(CALM, 200)
    assert told is not None
    assert (told.frames, told.saved_frames) == (150, 50)
    assert "50 frames could be saved" in told.text()
    assert good_enough(CALM[:4], 200) is None


def test_both_have_to_settle() -> None:
    """A volume that stands still but foretells ever better is not done, nor one that foretells alike but changes."""
    better = [Shown(s.frames, 0.01, 0.01 * 0.7**k) for k, s in enumerate(CALM)]
    restless = [Shown(s.frames, 0.05, 0.004) for s in CALM]
    assert good_enough(better, 200) is None
    assert good_enough(restless, 200) is None


def test_a_stagnated_volume_is_not_good_enough() -> None:
    """It stands still, but foretells badly."""
    assert good_enough([Shown(s.frames, 0.01, 0.04) for s in CALM], 200) is None


def test_volumes_that_are_right_but_for_noise_are_good_enough() -> None:
    """Residuals about zero, some below, vary by more than their size and are settled all the same."""
    right = [
        Shown(s.frames, 0.005, residual) for s, residual in zip(CALM, [6e-4, 1e-4, 4e-4, -2e-4, 3e-4, 0.0], strict=True)
    ]
    told = good_enough(right, 200)
    assert told is not None
    assert told.frames == CALM[2].frames


def test_what_is_not_known_is_passed_over() -> None:
    """A volume whose residual is not known yet neither counts nor breaks the row."""
    gap = [*CALM[:4], Shown(145, 0.01, None), *CALM[4:]]
    assert good_enough(gap, 200) == good_enough(CALM, 200)
    assert good_enough([Shown(n, 0.0, None) for n in range(10)], 200) is None


@given(st.lists(st.tuples(st.floats(0, 0.05), st.floats(0.002, 0.012)), max_size=12))
def test_what_was_said_stays_said(history: list[tuple[float, float]]) -> None:
    """More volumes never take the word back, nor move the frame it was said of."""
    shown = [Shown(100 + k, change, residual) for k, (change, residual) in enumerate(history)]
    said = [good_enough(shown[:k], 200) for k in range(len(shown) + 1)]
    first = next((told for told in said if told is not None), None)
    assert all(told == first for told in said[said.index(first) :])
