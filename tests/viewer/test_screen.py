"""Scene -> napari's model, without a window: what is touched, what is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from napari.components import ViewerModel

from tests.viewer.campaign import Maker
from viewer.scene import Intent, Scene, compose
from viewer.screen import SURFACE, Screen
from viewer.state import State

NOW_S = 1000.0


@pytest.fixture
def scene(make: Maker) -> Callable[..., Scene]:
    def made(name: str, later_s: float = 0.0, limit: float = 0.5) -> Scene:
        return compose(make.known(make.situation(name)), Intent(displacement_limit_a=limit), NOW_S + later_s)

    return made


def test_before_any_volume_there_is_only_text() -> None:
    """Waiting, the canvas has no layer and says so."""
    viewer = ViewerModel()
    assert Screen(viewer).show(compose(State(), Intent(), NOW_S))
    assert len(viewer.layers) == 0
    assert "WAITING" in viewer.canvas.overlays.text.text


def test_one_layer_is_reused_in_float32_and_nm(scene: Callable[..., Scene]) -> None:
    """Provisional and refined go into the same layer, as float32, in nm, with fixed limits."""
    viewer = ViewerModel()
    screen = Screen(viewer)
    screen.show(scene("provisional"))
    layer = viewer.layers[SURFACE]
    screen.show(scene("refined"))
    assert viewer.layers[:] == [layer]
    vertices, _, values = layer.data[:3]
    assert vertices.dtype == values.dtype == np.float32
    assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
    assert layer.contrast_limits == pytest.approx([-0.5, 0.5])
    assert layer.metadata["stage"] == "refined"


def test_nothing_is_touched_when_nothing_changed(scene: Callable[..., Scene]) -> None:
    """The same scene a second later leaves canvas and layer alone."""
    viewer = ViewerModel()
    screen = Screen(viewer)
    one = scene("refined")
    assert screen.show(one)
    touched: list[object] = []
    viewer.layers[SURFACE].events.set_data.connect(touched.append)
    viewer.canvas.overlays.text.events.text.connect(touched.append)
    assert not screen.show(one)
    assert touched == []


def test_the_badge_is_in_the_canvas_in_its_colour(scene: Callable[..., Scene]) -> None:
    """Amber for provisional, green for refined, grey for stale."""
    viewer = ViewerModel()
    screen = Screen(viewer)
    text = viewer.canvas.overlays.text
    colours = []
    for made in (scene("provisional"), scene("refined"), scene("provisional", 300.0)):
        screen.show(made)
        assert made.badge.trust in text.text
        colours.append(tuple(np.round(text.box_color[:3], 2)))
    amber, green, grey = colours
    assert amber[0] > amber[1] > amber[2]
    assert green[1] > max(green[0], green[2])
    assert np.ptp(grey) < 0.1


def test_the_camera_stays_as_the_user_left_it(scene: Callable[..., Scene]) -> None:
    """A new volume of the same crystal does not move the camera."""
    viewer = ViewerModel()
    screen = Screen(viewer)
    screen.show(scene("provisional"))
    viewer.scene.camera.angles, viewer.scene.camera.zoom = (10, 20, 30), 3.0
    kept = (viewer.scene.camera.angles, viewer.scene.camera.zoom, viewer.scene.camera.center)
    screen.show(scene("refined"))
    assert (viewer.scene.camera.angles, viewer.scene.camera.zoom, viewer.scene.camera.center) == kept


def test_colour_limits_follow_the_intent(scene: Callable[..., Scene]) -> None:
    """Other limits change the colours and nothing else."""
    viewer = ViewerModel()
    screen = Screen(viewer)
    screen.show(scene("refined"))
    screen.show(scene("refined", limit=0.2))
    assert viewer.layers[SURFACE].contrast_limits == pytest.approx([-0.2, 0.2])


def test_a_deleted_layer_comes_back(scene: Callable[..., Scene]) -> None:
    """A user who deletes the layer gets it back with the next volume."""
    viewer = ViewerModel()
    screen = Screen(viewer)
    screen.show(scene("provisional"))
    viewer.layers.clear()
    screen.show(scene("provisional", limit=0.2))
    assert [layer.name for layer in viewer.layers] == [SURFACE]
    assert len(viewer.layers[SURFACE].data[0]) > 100


def test_the_rehearsal_leaves_nothing_behind(scene: Callable[..., Scene]) -> None:
    """After it nothing is visible but the text; the first volume brings surface, scale and axes."""
    viewer = ViewerModel()
    screen = Screen(viewer)
    screen.rehearse(True)
    screen.rehearse(False)
    overlays = viewer.canvas.overlays
    assert not viewer.layers[SURFACE].visible
    assert (overlays.scale_bar.visible, overlays.axes.visible) == (False, False)
    screen.show(scene("refined"))
    assert viewer.layers[SURFACE].visible
    assert (overlays.scale_bar.visible, overlays.axes.visible) == (True, True)


def test_the_view_is_right_handed(scene: Callable[..., Scene]) -> None:
    """x, y and z as shown form a right-handed frame: what is seen is no mirror image, y points up."""
    viewer = ViewerModel()
    Screen(viewer).show(scene("refined"))
    signs = {"away": -1, "towards": 1, "down": -1, "up": 1, "left": -1, "right": 1}
    on_screen = {}
    for place, (axis, way) in enumerate(zip(viewer.dims.order, viewer.scene.camera.orientation, strict=True)):
        # Depth, vertical, horizontal of the screen as (right, up, towards).
        on_screen["zyx"[axis]] = signs[str(way)] * np.eye(3)[2 - place]
    assert np.cross(on_screen["x"], on_screen["y"]) == pytest.approx(on_screen["z"])
    assert on_screen["y"] == pytest.approx([0, 1, 0])
