"""The dock widget of the napari plugin: the live view in a napari that somebody else opened."""

from __future__ import annotations

import napari
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from contract.settings import load
from viewer.inbox import Inbox
from viewer.intake import Intake
from viewer.panels.window import LiveView, add_docks
from viewer.scene import Intent
from viewer.settings import SECTION, ViewerSettings
from viewer.sources import sources


class LiveDock(QWidget):
    """Listens to the services named in the settings as long as it is open, and puts the panels around the canvas."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        settings = load(ViewerSettings, SECTION)
        self.live = LiveView(napari_viewer, Intent(displacement_limit_a=settings.displacement_limit_a))
        self._inbox = Inbox(sources(settings), Intake(settings.maximum_faces), self.live.mailbox)
        text = QLabel(f"listening to\n{settings.streamer_live}\n{settings.reconstructor_live}")
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        add_docks(self.live)
        self._inbox.open()
        self.live.start()

    def stop(self) -> None:
        """Listen no more."""
        self.live.stop()
        self._inbox.close()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Stop with the dock."""
        self.stop()
        if event is not None:
            super().closeEvent(event)
