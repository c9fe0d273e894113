"""How all plots look: dark, small print, colour tables by quantity."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QLabel

from viewer import colours
from viewer.colours import Quantity

SMALL_PT = 8


def colour_map(quantity: Quantity) -> pg.ColorMap:
    """The quantity's colour table for pyqtgraph."""
    return pg.ColorMap(None, colours.table(quantity), name=quantity)


def _small() -> QFont:
    font = QFont()
    font.setPointSize(SMALL_PT - 1)
    return font


def canvas() -> pg.GraphicsLayoutWidget:
    """An empty, dark drawing area."""
    area = pg.GraphicsLayoutWidget()
    area.setBackground(colours.PANEL)
    area.ci.layout.setContentsMargins(2, 9, 6, 4)
    area.ci.layout.setSpacing(2)
    return area


def plot(area: pg.GraphicsLayoutWidget, row: int, column: int, *, across: str, up: str) -> pg.PlotItem:
    """A plot with labelled axes, without menus or buttons: nothing rescales it but ourselves."""
    item = area.addPlot(row=row, col=column)
    item.setMenuEnabled(False)
    item.hideButtons()
    for side, label in (("bottom", across), ("left", up)):
        axis = item.getAxis(side)
        axis.setStyle(tickFont=_small(), tickTextOffset=3, maxTickLevel=1)
        axis.enableAutoSIPrefix(False)
        axis.setTextPen(colours.TEXT)
        axis.setPen(colours.MUTED)
        axis.setLabel(label, **{"font-size": f"{SMALL_PT}pt", "color": colours.MUTED})
    return item


def words(quiet: bool = False) -> QLabel:
    """A label above or (`quiet`) below a plot; it wraps, where a plot's own title would push the plot aside."""
    label = QLabel()
    label.setWordWrap(True)
    colour(label, colours.MUTED if quiet else colours.TEXT)
    return label


def colour(label: QLabel, text: str) -> None:
    """Give a label's text a colour, #rrggbb."""
    label.setStyleSheet(f"color: {text};")


def image(item: pg.PlotItem, quantity: Quantity) -> pg.ImageItem:
    """An image (up, right) in a plot; NaN is transparent."""
    shown = pg.ImageItem(axisOrder="row-major")
    shown.setColorMap(colour_map(quantity))
    item.addItem(shown)
    return shown


def colour_bar(
    area: pg.GraphicsLayoutWidget, row: int, column: int, images: list[pg.ImageItem], quantity: Quantity, label: str
) -> pg.ColorBarItem:
    """A bar with ticks and unit for images that share their limits."""
    bar = pg.ColorBarItem(values=(0.0, 1.0), width=12, colorMap=colour_map(quantity), interactive=False)
    bar.setImageItem(images)
    axis = bar.getAxis("right")
    axis.setStyle(tickFont=_small(), tickTextOffset=3, maxTickLevel=0)
    axis.setTextPen(colours.TEXT)
    axis.enableAutoSIPrefix(False)
    bar.setLabel("right", label, **{"font-size": f"{SMALL_PT}pt", "color": colours.MUTED})
    area.addItem(bar, row=row, col=column)
    return bar
