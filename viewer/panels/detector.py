"""The detector frame on a logarithmic scale, its maximum and its centre of mass."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtCore import QRectF
from qtpy.QtWidgets import QVBoxLayout, QWidget

from viewer import colours
from viewer.frames import FrameView
from viewer.panels import plots
from viewer.scene import DetectorView


class DetectorPanel(QWidget):
    """Shows a `DetectorView`; rows grow downwards, as the detector image is stored."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: DetectorView | None = None
        area = plots.canvas()
        self._plot = plots.plot(area, 0, 0, across="column (px)", up="row (px)")
        self._plot.setAspectLocked(True)
        self._plot.invertY(True)
        self._plot.getViewBox().setBackgroundColor("k")
        self._image = plots.image(self._plot, "detector")
        self._bar = plots.colour_bar(area, 0, 1, [self._image], "detector", "log₁₀(1 + counts)")
        self._maximum = pg.ScatterPlotItem(symbol="x", size=11, pen=pg.mkPen(colours.ACCENT, width=1.5), brush=None)
        self._centre = pg.ScatterPlotItem(symbol="+", size=13, pen=pg.mkPen("w", width=1.5), brush=None)
        self._plot.addItem(self._maximum)
        self._plot.addItem(self._centre)
        self._title, self._caption = plots.words(), plots.words(quiet=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addWidget(self._title)
        layout.addWidget(area, 1)
        layout.addWidget(self._caption)

    def present(self, view: DetectorView | None, otherwise: str) -> None:
        """Show the frame; touches nothing if it is what is shown already. `otherwise` is said before there is any."""
        if view is None and self._shown is None and self._title.text() != otherwise:
            self._title.setText(otherwise)
        if view is None or view == self._shown:
            return
        if self._shown is None or self._shown.frame is not view.frame:
            self._show_frame(view.frame, self._shown.frame if self._shown else None)
        if self._shown is None or self._shown.top != view.top:
            self._bar.setLevels((0.0, view.top))
        self._title.setText(view.title)
        if self._shown is None or self._shown.stale != view.stale:
            plots.colour(self._title, colours.GREY if view.stale else colours.TEXT)
        self._caption.setText(f"<span style='color:{colours.ACCENT}'>×</span> {view.caption}")
        self._shown = view

    def _show_frame(self, frame: FrameView, before: FrameView | None) -> None:
        window = frame.window
        self._image.setImage(frame.log_counts, autoLevels=False)
        # Whole numbers are the centres of pixels.
        self._image.setRect(QRectF(window.column0 - 0.5, window.row0 - 0.5, window.columns, window.rows))
        row, column = frame.maximum_at
        self._maximum.setData([column], [row])
        centre = frame.centre_of_mass
        self._centre.setData(*(([centre[1]], [centre[0]]) if centre else ([], [])))
        if before is None or before.window != window:
            self._plot.setRange(
                xRange=(window.column0 - 0.5, window.column0 + window.columns - 0.5),
                yRange=(window.row0 - 0.5, window.row0 + window.rows - 0.5),
                padding=0.0,
            )
