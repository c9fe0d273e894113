"""A scene says everything that is to be seen, and what did not change stays the same object."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from tests.viewer.campaign import Maker
from viewer.scene import Framing, Intent, compose, fitting_limit
from viewer.state import State

NOW_S = 1000.0


def test_an_empty_state_makes_a_scene(make: Maker) -> None:
    """Without any service there is a scene that waits and shows nothing."""
    scene = compose(State(), Intent(), NOW_S)
    assert scene.badge.trust == "WAITING"
    assert (scene.picture, scene.detector, scene.rocking, scene.timeline.bars) == (None, None, None, ())
    assert [link.good for link in scene.links] == [False, False]


def test_the_canvas_says_whose_volume_it_is(make: Maker) -> None:
    """The text in the canvas has badge, crystal, voltage, hold, frames used and age."""
    scene = compose(make.known(make.situation("provisional")), Intent(), NOW_S)
    for part in ("PROVISIONAL", "crystal IV", "3.900 V", "hold IV-3.900V", "118 of 201 frames", "age < 5 s"):
        assert part in scene.canvas_text


def test_the_badge_is_the_same_in_canvas_and_panel(make: Maker) -> None:
    """Whatever the badge says stands at the head of the canvas text."""
    for name in ("provisional", "refined", "incomplete"):
        scene = compose(make.known(make.situation(name)), Intent(), NOW_S)
        assert scene.canvas_text.strip().startswith(scene.badge.trust)
        assert scene.badge.trust == name.upper()


def test_colour_limits_come_from_the_intent_alone(make: Maker) -> None:
    """A stronger displacement does not rescale the colours; it is said to lie beyond them."""
    state = make.known(make.situation("refined"))
    wide, narrow = (compose(state, Intent(displacement_limit_a=limit), NOW_S).picture for limit in (2.0, 0.05))
    assert wide is not None
    assert narrow is not None
    assert (wide.displacement_limit_a, narrow.displacement_limit_a) == (2.0, 0.05)
    assert "along Q" in wide.note
    assert "beyond the colours" in narrow.note


def test_parts_that_did_not_change_stay_the_same_objects(make: Maker) -> None:
    """A second later only words change, so that nothing heavy is drawn again."""
    state = make.known(make.situation("refined"))
    one, other = compose(state, Intent(), NOW_S), compose(state, Intent(), NOW_S + 1.2)
    assert one.picture == other.picture
    assert one.detector == other.detector
    assert one.rocking == other.rocking
    assert one.picture is not None
    assert other.picture is not None
    assert one.picture.picture is other.picture.picture


def test_the_newest_frame_while_it_runs_the_brightest_afterwards(make: Maker) -> None:
    """During a scan one sees the frame that just came, afterwards the one on the Bragg peak."""
    running = compose(make.known(make.situation("provisional")), Intent(), NOW_S).detector
    ended = compose(make.known(make.situation("refined")), Intent(), NOW_S).detector
    assert running is not None
    assert ended is not None
    assert running.frame.index == 122
    assert abs(ended.frame.index - 100) <= 1
    assert ended.top == pytest.approx(4.0)


def test_the_curve_before_is_shown_of_the_same_crystal(make: Maker) -> None:
    """The same crystal's curve before lies behind the growing one."""
    rocking = compose(make.known(make.situation("provisional")), Intent(), NOW_S).rocking
    assert rocking is not None
    assert rocking.previous is not None
    assert len(rocking.previous.index) == 201
    assert rocking.fit is not None
    assert "FWHM" in rocking.caption


def test_frames_that_stop_coming_look_stale(make: Maker) -> None:
    """A running scan without a new frame is grey, and says for how long."""
    state = make.known(make.situation("provisional"))
    rocking = compose(state, Intent(), NOW_S + 20).rocking
    assert rocking is not None
    assert rocking.stale
    assert "no frame for 20 s" in rocking.title
    fresh = compose(state, Intent(), NOW_S).rocking
    assert fresh is not None
    assert not fresh.stale


def test_missing_frames_and_reasons_are_said(make: Maker) -> None:
    """Which frames are missing and why the badge is not green stand in the panel."""
    scene = compose(make.known(make.situation("incomplete")), Intent(), NOW_S)
    numbers = {number.label: number.value for number in scene.numbers}
    assert numbers["frames"] == "198 of 201 frames, 3 missing: 17, 18, 140"
    assert any("incomplete" in remark for remark in scene.remarks)


def test_a_scene_is_frozen() -> None:
    """A scene is a value."""
    with pytest.raises(FrozenInstanceError):
        compose(State(), Intent(), NOW_S).canvas_text = ""  # type: ignore[misc]


def test_the_camera_is_kept_from_provisional_to_refined() -> None:
    """A slightly different size of the same crystal keeps the camera; another crystal or size does not."""
    framed = Framing("IV", 300.0, 200.0)
    assert framed.still_serves(Framing("IV", 340.0, 230.0))
    assert not framed.still_serves(Framing("V", 300.0, 200.0))
    assert not framed.still_serves(Framing("IV", 700.0, 500.0))


@pytest.mark.parametrize(
    ("extent", "limit"), [(0.2, 0.2), (0.21, 0.5), (0.73, 1.0), (3.0, 5.0), (0.0, 1.0), (float("nan"), 1.0)]
)
def test_fitting_limits_are_round(extent: float, limit: float) -> None:
    """Limits asked for by the user are 1, 2 or 5 times a power of ten that holds the data."""
    assert fitting_limit(extent) == pytest.approx(limit)


def test_a_viewer_that_came_late_does_not_pretend_that_the_scan_runs(make: Maker) -> None:
    """With only the refined volume heard, the scan counts as complete and the absent frames are explained."""
    scene = compose(make.known([(make.volume(0), 2.0)]), Intent(), NOW_S)
    numbers = {number.label: number.value for number in scene.numbers}
    assert numbers["scan now"] == "201 of 201 frames, complete"
    assert scene.detector is None
    assert "went by before this viewer came" in scene.no_frames


def test_without_a_wish_the_colours_hold_a_quarter_of_d(make: Maker) -> None:
    """The limits come from the reflection alone: ±d/4 is a phase of ±90°, whatever the volume holds."""
    for scale in (0.1, 10.0):
        strong = make.volume(0, displacement_a=make.volume(0).displacement_a * scale)
        view = compose(make.known([(strong, 1.0)]), Intent(), NOW_S).picture
        assert view is not None
        assert view.displacement_limit_a == pytest.approx(2 * np.pi / 2.7209 / 4, abs=0.05)
