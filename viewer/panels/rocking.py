"""The rocking curve as it grows, its Gaussian, and the same crystal's curve before in grey."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtWidgets import QVBoxLayout, QWidget

from viewer import colours
from viewer.panels import plots
from viewer.rocking import Curve
from viewer.scene import RockingView

FIT_POINTS = 400


class RockingPanel(QWidget):
    """Shows a `RockingView`; against the index of the frame as long as no angle is known."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: RockingView | None = None
        area = plots.canvas()
        self._plot = plots.plot(area, 0, 0, across="rocking angle (°)", up="counts a frame")
        self._before = self._plot.plot(pen=pg.mkPen(colours.GREY, width=1))
        self._fit = self._plot.plot(pen=pg.mkPen(colours.AMBER, width=2))
        self._points = self._plot.plot(pen=None, symbol="o", symbolSize=4, symbolPen=None, symbolBrush=colours.ACCENT)
        self._newest = pg.InfiniteLine(angle=90, pen=pg.mkPen(colours.ACCENT, width=1))
        self._newest.setVisible(False)
        self._plot.addItem(self._newest)
        self._title, self._caption = plots.words(), plots.words(quiet=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addWidget(self._title)
        layout.addWidget(area, 1)
        layout.addWidget(self._caption)

    def present(self, view: RockingView | None, otherwise: str) -> None:
        """Show the curve; touches nothing if it is what is shown already. `otherwise` is said before there is any."""
        if view is None and self._shown is None and self._title.text() != otherwise:
            self._title.setText(otherwise)
        if view is None or view == self._shown:
            return
        before = self._shown
        if before is None or before.curve is not view.curve or before.fit is not view.fit:
            self._show_curve(view)
        self._title.setText(view.title)
        if self._shown is None or self._shown.stale != view.stale:
            plots.colour(self._title, colours.GREY if view.stale else colours.TEXT)
        self._caption.setText(view.caption)
        self._shown = view

    def _show_curve(self, view: RockingView) -> None:
        across, label = _across(view.curve)
        self._plot.setLabel("bottom", label)
        self._points.setData(across, view.curve.counts)
        self._newest.setValue(across[-1])
        self._newest.setVisible(view.running)
        if view.fit is not None:
            angles = np.linspace(float(np.nanmin(across)), float(np.nanmax(across)), FIT_POINTS)
            self._fit.setData(angles, view.fit.at(angles))
        else:
            self._fit.setData([], [])
        same = view.previous is not None and _across(view.previous)[1] == label
        if view.previous is not None and same:
            self._before.setData(_across(view.previous)[0], view.previous.counts)
        else:
            self._before.setData([], [])


def _across(curve: Curve) -> tuple[NDArray[np.float64], str]:
    if np.isfinite(curve.angle_deg).any():
        return curve.angle_deg, "rocking angle (°)"
    return curve.index.astype(np.float64), "frame"
