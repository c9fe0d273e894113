"""The holds along time: what was planned, what came of each, how much time is left."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtCore import QRectF
from qtpy.QtWidgets import QGraphicsRectItem, QVBoxLayout, QWidget

from viewer import colours
from viewer.panels import plots
from viewer.timeline import Bar, Timeline

UNITS = ((7200.0, 3600.0, "h"), (180.0, 60.0, "min"), (0.0, 1.0, "s"))
NARROWEST_LABELLED = 0.045
"""Share of the width below which a bar's label would not fit."""


class TimelinePanel(QWidget):
    """Shows a `Timeline`, now at 0 and the past to the left."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Timeline | None = None
        area = plots.canvas()
        self._plot = plots.plot(area, 0, 0, across="time from now", up="")
        self._plot.hideAxis("left")
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.setYRange(0.0, 1.0, padding=0.02)
        self._title = plots.words()
        self._now = pg.InfiniteLine(pos=0.0, angle=90, pen=pg.mkPen("w", width=1.5))
        self._items: list[pg.GraphicsObject] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addWidget(self._title)
        layout.addWidget(area, 1)

    def present(self, timeline: Timeline) -> None:
        """Draw the bars anew if anything about them changed."""
        if timeline == self._shown:
            return
        for item in self._items:
            self._plot.removeItem(item)
        self._items = []
        self._title.setText(timeline.title)
        if timeline.bars:
            begin = min(bar.begin_s for bar in timeline.bars)
            end = max(0.0, *(bar.end_s for bar in timeline.bars))
            _, second, unit = next(one for one in UNITS if end - begin >= one[0])
            self._plot.setLabel("bottom", f"time from now ({unit})")
            self._plot.setXRange(begin / second, end / second, padding=0.02)
            for bar in timeline.bars:
                self._draw(bar, second, (end - begin) / second)
            self._add(self._now)
        self._shown = timeline

    def _draw(self, bar: Bar, second: float, span: float) -> None:
        begin, done, end = (time / second for time in (bar.begin_s, bar.done_s, bar.end_s))
        for left, right, alpha in ((begin, done, "ff"), (done, end, "50")):
            block = QGraphicsRectItem(QRectF(left, 0.12, max(0.0, right - left), 0.76))
            block.setBrush(pg.mkBrush(bar.colour + alpha))
            block.setPen(pg.mkPen(colours.PANEL, width=1))
            self._add(block)
        if end - begin >= NARROWEST_LABELLED * span:
            label = pg.TextItem(f"{bar.label}\n{bar.outcome}", color="w", anchor=(0.5, 0.5))
            label.setZValue(10)
            label.setPos((begin + end) / 2, 0.5)
            self._add(label)

    def _add(self, item: pg.GraphicsObject) -> None:
        self._plot.addItem(item)
        self._items.append(item)
