"""The ready-made window: napari's canvas in the middle, our docks around it, fed at most ten times a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import napari
from qtpy.QtCore import QEvent, QEventLoop, QObject, Qt, QTimer
from qtpy.QtCore import Signal as Signal  # type: ignore[attr-defined]  # qtpy renames it at run time
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from viewer.mailbox import Mailbox
from viewer.panels.detector import DetectorPanel
from viewer.panels.rocking import RockingPanel
from viewer.panels.slices import SlicesPanel
from viewer.panels.status import StatusPanel
from viewer.panels.timeline import TimelinePanel
from viewer.scene import Intent, Scene, compose, fitting_limit
from viewer.screen import SURFACE, Screen
from viewer.state import State

SHORTEST_REDRAW_S = 0.1
REST = 4.0
"""After drawing, this many times as long goes by before frames alone are drawn again; a new volume does not wait.
On a machine without a GPU every repaint of the window is costly, and the reconstructor may need the cores."""
AGEING_MS = 1000
"""Ages, time left and staleness move on without news."""
AMBIENT, DIFFUSE, SPECULAR = 0.45, 0.6, 0.08
REHEARSAL_S = 0.2
WINDOW_SIZE = (1600, 1000)
LEFT_PX, RIGHT_PX, BOTTOM_PX = 310, 600, 130
OURS = ("layer list", "layer controls")


class LiveView(QObject):
    """Draws what the mailbox brings into a napari viewer and its docks. Lives on the GUI thread.

    `clock` must be the one that the state was reduced with.
    """

    news = Signal()
    """Emitted by the inbox's thread when the mailbox goes from empty to full; queued to this one."""

    def __init__(self, viewer: napari.Viewer, intent: Intent, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.viewer = viewer
        self.mailbox: Mailbox[State] = Mailbox(self.news.emit)
        self.scene: Scene | None = None
        """The scene on the screen."""
        self.refined_shown: set[str] = set()
        """Scans of which a refined volume has been on the screen."""
        self._state = State()
        self._intent = intent
        self._clock = clock
        self._drawn_s = float("-inf")
        self._paint_s = 0.0
        self._fresh_picture = True
        self.screen = Screen(viewer)
        self.status = StatusPanel()
        self.slices = SlicesPanel(self.fit_colours)
        self.detector = DetectorPanel()
        self.rocking = RockingPanel()
        self.timeline = TimelinePanel()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.draw)
        self._ageing = QTimer(self)
        self._ageing.setInterval(AGEING_MS)
        self._ageing.timeout.connect(self.draw)
        self.news.connect(self._take_soon, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        """Begin to draw."""
        self.draw()
        self._ageing.start()

    def stop(self) -> None:
        """Draw no more."""
        self._ageing.stop()
        self._soon.stop()

    def draw(self) -> None:
        """Take what is new and bring screen and docks to it."""
        self._take()
        self._soon.stop()
        self._fresh_picture = False
        self._drawn_s = self._clock()
        scene = compose(self._state, self._intent, self._drawn_s)
        if self.screen.show(scene):
            lighten(self.viewer)
        self.status.present(scene)
        self.slices.present(scene.picture)
        self.detector.present(scene.detector, scene.no_frames)
        self.rocking.present(scene.rocking, scene.no_frames)
        self.timeline.present(scene.timeline)
        if scene.picture is not None and scene.picture.picture.facts.stage == "refined":
            self.refined_shown.add(scene.picture.picture.scan)
        self.scene = scene
        # Its turn comes when the painting that was asked for is done.
        QTimer.singleShot(0, self._painted)

    def fit_colours(self) -> None:
        """Set the displacement's colour limits once to what the shown volume needs."""
        if self.scene is not None and self.scene.picture is not None:
            extent = self.scene.picture.picture.displacement_extent_a
            self._intent = replace(self._intent, displacement_limit_a=fitting_limit(extent))
            self.draw()

    def _take(self) -> None:
        news = self.mailbox.take()
        if news is not None:
            self._fresh_picture = self._fresh_picture or news.pictures is not self._state.pictures
            self._state = news

    def _take_soon(self) -> None:
        if not self._ageing.isActive():  # not begun, or over
            return
        self._take()
        rest_s = SHORTEST_REDRAW_S if self._fresh_picture else max(SHORTEST_REDRAW_S, REST * self._paint_s)
        wait_ms = round(1000 * max(0.0, self._drawn_s + rest_s - self._clock()))
        if not self._soon.isActive() or self._soon.remainingTime() > wait_ms:
            self._soon.start(wait_ms)

    def _painted(self) -> None:
        self._paint_s = self._clock() - self._drawn_s


class LiveWindow(QObject):
    """A napari window with a `LiveView` in it."""

    def __init__(self, intent: Intent, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.closed = False
        self.screenshot_at_close: Path | None = None
        self.viewer = napari.Viewer(title="bragglive", ndisplay=3, show=False, show_welcome_screen=False)
        self.viewer.theme = "dark"
        self.live = LiveView(self.viewer, intent, clock)
        add_docks(self.live)
        self._loop = QEventLoop()
        self._main = _main_window(self.live)
        self._main.installEventFilter(self)

    def open(self, screenshot_at_close: Path | None = None) -> None:
        """Show the window and begin to draw; a user who closes it leaves `screenshot_at_close` behind."""
        self.screenshot_at_close = screenshot_at_close
        self.viewer.window.show()
        self.viewer.window.resize(*WINDOW_SIZE)
        arrange(self.live)
        self.live.screen.rehearse(True)
        self.process(REHEARSAL_S)
        self.live.screen.rehearse(False)
        self.live.start()

    def process(self, for_s: float) -> None:
        """Run the window for `for_s` seconds, or until it is closed; raises what a panel raised."""
        if self.closed:
            return
        faults: list[BaseException] = []

        def keep(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
            faults.append(fault)
            self._loop.quit()

        # Qt calls us back from C++, where nothing can be raised; it tells the hook instead.
        before, sys.excepthook = sys.excepthook, keep
        QTimer.singleShot(round(1000 * for_s), self._loop.quit)
        try:
            self._loop.exec()
        finally:
            sys.excepthook = before
        if faults:
            raise faults[0]

    def screenshot(self, path: Path) -> None:
        """Write the whole window as PNG, the 3D canvas with the pixels that were drawn."""
        QApplication.processEvents()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.viewer.window.screenshot(str(path), flash=False, canvas_only=False)

    def close(self) -> None:
        """Draw no more and close the window; a second time does nothing."""
        if not self.closed:
            self.closed = True
            self.live.stop()
            self._main.removeEventFilter(self)
            self.viewer.close()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice that the user closes the window, while its pixels are still there."""
        if event is not None and event.type() == QEvent.Type.Close and not self.closed:
            self.closed = True
            self.live.stop()
            if self.screenshot_at_close is not None:
                self.screenshot(self.screenshot_at_close)
            self._loop.quit()
        return super().eventFilter(watched, event)


def lighten(viewer: napari.Viewer) -> None:
    """Light the surface's shaded side enough for its colours to be read.

    napari has no setting for it; this reaches for vispy's shading filter, and does nothing where it is not found.
    """
    canvas = getattr(getattr(viewer.window, "_qt_viewer", None), "canvas", None)
    for layer, visual in getattr(canvas, "layer_to_visual", {}).items():
        light = getattr(visual.node, "shading_filter", None)
        if layer.name == SURFACE and light is not None and light.ambient_light.rgba[3] != AMBIENT:
            light.ambient_light, light.diffuse_light = (1, 1, 1, AMBIENT), (1, 1, 1, DIFFUSE)
            light.specular_light = (1, 1, 1, SPECULAR)


def add_docks(live: LiveView) -> None:
    """Put the panels of `live` around its viewer's canvas."""
    window = live.viewer.window
    docks: tuple[tuple[QWidget, str, str], ...] = (
        (live.status, "status", "left"),
        (live.slices, "slices near the centre", "right"),
        (live.detector, "detector", "right"),
        (live.rocking, "rocking curve", "right"),
        (live.timeline, "holds", "bottom"),
    )
    for panel, name, area in docks:
        window.add_dock_widget(panel, name=name, area=area, add_vertical_stretch=False)
    main = _main_window(live)
    main.splitDockWidget(_dock(live.detector), _dock(live.rocking), Qt.Orientation.Horizontal)
    # The corners below the side docks belong to them, so that the timeline lies under the canvas.
    main.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    main.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)


def arrange(live: LiveView) -> None:
    """Give the docks their first sizes and put away napari's own; they come back from the Window menu."""
    main = _main_window(live)
    for dock in main.findChildren(QDockWidget):
        if dock.objectName() in OURS:
            dock.hide()
    sideways, upright = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
    main.resizeDocks([_dock(live.status), _dock(live.slices)], [LEFT_PX, RIGHT_PX], sideways)
    main.resizeDocks([_dock(live.detector), _dock(live.rocking)], [RIGHT_PX // 2, RIGHT_PX // 2], sideways)
    main.resizeDocks([_dock(live.slices), _dock(live.detector)], [540, 400], upright)
    main.resizeDocks([_dock(live.timeline)], [BOTTOM_PX], upright)


def _main_window(live: LiveView) -> QMainWindow:
    main = live.status.window()
    if not isinstance(main, QMainWindow):
        raise LookupError("the status panel is in no main window; add_docks puts it there")
    return main


def _dock(panel: QWidget) -> QDockWidget:
    around = panel.parentWidget()
    while around is not None and not isinstance(around, QDockWidget):
        around = around.parentWidget()
    if around is None:
        raise LookupError(f"{type(panel).__name__} is in no dock; add_docks puts it there")
    return around
