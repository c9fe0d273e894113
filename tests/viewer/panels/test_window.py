"""The real window: pixels, badge, memory, faults."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.image import imread

from contract.messages import Volume
from tests.viewer.campaign import Maker
from tests.viewer.panels.conftest import NOW_S, Shown
from viewer.intake import Intake
from viewer.state import LinkKnown

pytestmark = pytest.mark.window

UPDATES = 60


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def test_the_crystal_is_really_drawn(shown: Shown, make: Maker) -> None:
    """Inside the crystal the canvas has colours of the displacement, outside it is black."""
    shown.post(make.known(make.situation("refined")))
    canvas = shown.canvas().astype(int)
    rows, columns = canvas.shape[:2]
    inside = canvas[int(0.42 * rows) : int(0.58 * rows), int(0.42 * columns) : int(0.58 * columns)]
    outside = canvas[int(0.4 * rows) : int(0.85 * rows), int(0.98 * columns) :]
    assert inside.max(axis=2).min() > 60
    assert np.ptp(inside, axis=2).mean() > 8
    assert outside.max() < 5


def test_the_badge_changes_in_panel_and_canvas(shown: Shown, make: Maker) -> None:
    """Waiting, provisional, refined, stale: panel and canvas change their word and colour together."""
    seen = []
    for name, later_s in (("first frames", 0), ("provisional", 0), ("refined", 0), ("refined", 60)):
        shown.now_s = NOW_S + later_s
        shown.post(make.known(make.situation(name)))
        corner = shown.canvas()[12:22, 12:60].reshape(-1, 3)
        colour = tuple(int(value) for value in np.median(corner, axis=0))
        live = shown.window.live
        assert live.scene is not None
        wanted = tuple(int(live.scene.badge.colour[k : k + 2], 16) for k in (1, 3, 5))
        assert np.abs(np.subtract(colour, wanted)).max() < 12
        seen.append(live.status.badge.text())
    shown.now_s = NOW_S
    assert seen == ["WAITING", "PROVISIONAL", "REFINED", "STALE"]


def test_the_surface_is_lit_so_that_its_colours_can_be_read(shown: Shown, make: Maker) -> None:
    """The shaded side gets the light that napari itself does not offer; no facet is darker than that."""
    shown.post(make.known(make.situation("refined")))
    canvas = shown.canvas()
    rows, columns = canvas.shape[:2]
    middle = canvas[rows // 4 : 3 * rows // 4, columns // 4 : 3 * columns // 4].max(axis=2)
    assert np.percentile(middle[middle > 20], 1) > 80


def test_the_screenshot_shows_canvas_and_docks(shown: Shown, make: Maker, tmp_path: Path) -> None:
    """The picture of the whole window has colour in the canvas, the slices and the detector frame."""
    shown.post(make.known(make.situation("refined")))
    shown.window.screenshot(tmp_path / "deep" / "window.png")
    image = imread(tmp_path / "deep" / "window.png")[..., :3]
    assert image.shape[:2] == (1000, 1600)
    coloured = np.ptp(image, axis=2) > 0.15
    assert coloured[300:600, 450:850].mean() > 0.05
    assert coloured[300:480, 1020:1500].mean() > 0.02
    assert coloured[640:880, 1020:1220].mean() > 0.1


def test_soak_of_updates_leaves_memory_flat(shown: Shown, make: Maker) -> None:
    """Sixty volumes with frames and curves, drawn one after the other, do not grow the process."""
    intake = Intake(maximum_faces=20_000)
    intake.hear("reconstructor", LinkKnown("tcp://x", heard_s=NOW_S))
    volumes = [make.volume(0, "provisional", revision=1, size=24), make.volume(0, "provisional", revision=2, size=24)]
    intake.take(make.hold_started(0), NOW_S - 10)
    intake.take(make.scan_started(0), NOW_S - 10)
    warm = 0.0
    shown.window.viewer.window.resize(900, 600)  # quicker to paint in software
    for number in range(UPDATES):
        volume: Volume = msgspec.structs.replace(volumes[number % 2], revision=number)
        intake.take(make.frame_block(0, 3 * number, 3 * number + 3), NOW_S - 1)
        intake.take(volume, NOW_S - 0.5)
        while intake.work():
            pass
        shown.post(intake.state)
        if number == UPDATES // 3:
            warm = resident_mib()
    picture = shown.window.live.scene.picture if shown.window.live.scene else None
    assert picture is not None
    assert picture.picture.facts.revision == UPDATES - 1
    assert resident_mib() < 1.05 * warm + 10


def test_fit_colours_is_one_click(shown: Shown, make: Maker) -> None:
    """The button sets round limits that hold the displacement, in slices and surface."""
    shown.post(make.known([(make.volume(0, displacement_a=make.volume(0).displacement_a * 4), 1.0)]))
    shown.window.live.fit_colours()
    scene = shown.window.live.scene
    assert scene is not None
    assert scene.picture is not None
    assert scene.picture.displacement_limit_a >= scene.picture.picture.displacement_extent_a
    assert "beyond" not in scene.picture.note


def test_what_a_panel_raises_is_raised_by_the_loop(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault while drawing is not lost inside Qt: it ends the service with its own message."""

    def broken(scene: object) -> None:
        raise RuntimeError("panel broke")

    monkeypatch.setattr(shown.window.live.status, "present", broken)
    shown.window.live.news.emit()
    with pytest.raises(RuntimeError, match="panel broke"):
        shown.window.process(10.0)


def test_a_closed_window_is_noticed_and_leaves_its_picture(shown: Shown) -> None:
    """When the user closes the window the last picture is written and the loop ends. (Last: the window is shared.)"""
    assert not shown.last_picture.exists()
    shown.window.viewer.window.close()
    shown.window.process(5.0)
    assert shown.window.closed
    assert shown.last_picture.read_bytes().startswith(b"\x89PNG")
