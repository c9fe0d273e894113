"""The badge, the numbers, what must be said with them, and how the connections are."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from viewer import colours
from viewer.captions import Number
from viewer.scene import Link, Scene


class StatusPanel(QWidget):
    """Shows badge, numbers, remarks and links of a `Scene`; labels are reused and written only when they change."""

    def __init__(self) -> None:
        super().__init__()
        self.badge = QLabel()
        self.badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._badge_look = ""
        self._numbers = QGridLayout()
        self._numbers.setColumnStretch(1, 1)
        self._numbers.setHorizontalSpacing(10)
        self._numbers.setVerticalSpacing(3)
        self._rows: list[tuple[QLabel, QLabel]] = []
        self._remarks = QLabel()
        self._remarks.setWordWrap(True)
        self._remarks.setStyleSheet(f"color: {colours.AMBER};")
        self._links = QLabel()
        self._links.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.badge)
        layout.addWidget(self._scrolled(), 1)
        layout.addWidget(self._links)

    def present(self, scene: Scene) -> None:
        """Write what changed."""
        look = (
            f"background: {scene.badge.colour}; color: white; border-radius: 6px;"
            " padding: 8px; font-size: 20px; font-weight: bold;"
        )
        if look != self._badge_look:
            self.badge.setStyleSheet(look)
            self._badge_look = look
        _write(self.badge, scene.badge.trust)
        self._write_numbers(scene.numbers)
        _write(self._remarks, "\n\n".join(scene.remarks))
        _write(self._links, "<br>".join(_link_line(link) for link in scene.links))

    def _scrolled(self) -> QScrollArea:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 4, 0, 0)
        column.addLayout(self._numbers)
        column.addWidget(self._remarks)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        return area

    def _write_numbers(self, numbers: tuple[Number, ...]) -> None:
        while len(self._rows) < len(numbers):
            self._add_row()
        for place, (name, value) in enumerate(self._rows):
            used = place < len(numbers)
            for label in (name, value):
                if label.isHidden() == used:
                    label.setVisible(used)
            if used:
                number = numbers[place]
                _write(name, number.label)
                _write(value, number.value)
                for label in (name, value):
                    if label.toolTip() != number.meaning:
                        label.setToolTip(number.meaning)

    def _add_row(self) -> None:
        name, value = QLabel(), QLabel()
        name.setStyleSheet(f"color: {colours.MUTED};")
        name.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        value.setWordWrap(True)
        value.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._numbers.addWidget(name, len(self._rows), 0)
        self._numbers.addWidget(value, len(self._rows), 1)
        self._rows.append((name, value))


def _link_line(link: Link) -> str:
    colour = colours.GREEN if link.good else colours.BRICK
    return f"<span style='color:{colour}'>●</span> {link.name}: {link.text}"


def _write(label: QLabel, text: str) -> None:
    if label.text() != text:
        label.setText(text)
