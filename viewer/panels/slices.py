"""Three orthogonal slices of density and displacement near the crystal's centre, in nm."""

from __future__ import annotations

from collections.abc import Callable

import pyqtgraph as pg
from qtpy.QtCore import QRectF
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from viewer import colours
from viewer.colours import Quantity
from viewer.panels import plots
from viewer.scene import Framing, PictureView
from viewer.slices import PLANES

ROOM = 1.05
AXIS_PX = 30


class SlicesPanel(QWidget):
    """Shows a `PictureView`; `on_fit_colours` is called when the user asks for colour limits that fit."""

    def __init__(self, on_fit_colours: Callable[[], None]) -> None:
        super().__init__()
        self._shown: PictureView | None = None
        self._framing: Framing | None = None
        self._area = plots.canvas()
        self._plots: list[pg.PlotItem] = []
        self._density = [self._image(0, column, "density") for column in range(len(PLANES))]
        self._displacement = [self._image(1, column, "displacement") for column in range(len(PLANES))]
        width = len(PLANES)
        bar = plots.colour_bar(self._area, 0, width, self._density, "density", "Bragg density")
        bar.setLevels((0.0, 1.0))
        self._bar = plots.colour_bar(self._area, 1, width, self._displacement, "displacement", "displacement u (Å)")
        self._bar.setLevels((-1.0, 1.0))
        self._note = plots.words(quiet=True)
        self._note.setText("no volume yet")
        fit = QPushButton("Fit colours")
        fit.setToolTip("Set the limits of the displacement's colours once, to what this volume needs")
        fit.clicked.connect(lambda: on_fit_colours())
        below = QHBoxLayout()
        below.addWidget(self._note, 1)
        below.addWidget(fit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addWidget(self._area, 1)
        layout.addLayout(below)

    def present(self, view: PictureView | None) -> None:
        """Show the slices; touches nothing if they are what is shown already."""
        if view is None or view == self._shown:
            return
        before = self._shown
        if before is None or before.picture is not view.picture:
            self._show_slices(view)
        if before is None or before.displacement_limit_a != view.displacement_limit_a:
            self._bar.setLevels((-view.displacement_limit_a, view.displacement_limit_a))
        self._note.setText(view.note)
        self._shown = view

    def _show_slices(self, view: PictureView) -> None:
        for column, cut in enumerate(view.picture.slices):
            place = QRectF(*cut.rectangle_nm)
            for image, data in ((self._density[column], cut.density), (self._displacement[column], cut.displacement_a)):
                image.setImage(data, autoLevels=False)
                image.setRect(place)
            third = next(letter for letter in "xyz" if letter not in cut.plane)
            title = f"{cut.plane[1]} ↑ over {cut.plane[0]} → (nm), {third} = {round(cut.at_nm)} nm".replace("-", "−")
            self._plots[column].setTitle(title, size="7pt", color=colours.MUTED)
        if self._framing is None or not self._framing.still_serves(view.framing):
            self._frame(view)
            self._framing = view.framing

    def _frame(self, view: PictureView) -> None:
        """Give all slices the same scale, large enough for the whole crystal; kept until the crystal changes."""
        reach = ROOM * view.framing.half_side_nm
        for item in self._plots:
            item.setRange(xRange=(-reach, reach), yRange=(-reach, reach), padding=0.0)

    def _image(self, row: int, column: int, quantity: Quantity) -> pg.ImageItem:
        plane = PLANES[column]
        item = plots.plot(self._area, row, column, across=f"{plane[0]} (nm)", up="")
        item.setAspectLocked(True)
        item.getAxis("left").showLabel(False)
        item.getAxis("left").setWidth(AXIS_PX)
        if row == 0:  # the plot below has the same axis
            item.getAxis("bottom").setStyle(showValues=False)
            item.getAxis("bottom").showLabel(False)
            item.getAxis("bottom").setHeight(6)
        item.getViewBox().setBackgroundColor("k")
        item.setRange(xRange=(-1, 1), yRange=(-1, 1))
        self._plots.append(item)
        return plots.image(item, quantity)
