"""The viewer as a service: the window on the main thread, the inbox on its own, pages and signals like the others."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from contract.happened import MessageDropped
from contract.telemetry import Telemetry
from viewer.inbox import Inbox
from viewer.intake import Intake
from viewer.panels.window import LiveWindow
from viewer.scene import Intent
from viewer.settings import ViewerSettings
from viewer.sources import sources

LONGEST_LAST_SHOT_S = 0.8
"""A window that takes longer to draw is not drawn once more when told to stop: a service has 2 s to end."""


class ViewerService:
    """See `contract.service.Service`. A closed window or a task that is done stops it as a signal would."""

    def __init__(self, settings: ViewerSettings, telemetry: Telemetry) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._intake = Intake(settings.maximum_faces)
        self._replaced = 0
        self._pictured: frozenset[str] = frozenset()
        self._shot_took_s = 0.0

    def open(self) -> None:
        """Show the window and begin to listen; services may come later."""
        self._opened_s = time.monotonic()
        self.window = LiveWindow(Intent(displacement_limit_a=self._settings.displacement_limit_a))
        self._inbox = Inbox(sources(self._settings, self._telemetry.happened), self._intake, self.window.live.mailbox)
        self._inbox.open()
        self.window.open(self._settings.screenshot)
        self._telemetry.log.info("window opened", after_s=round(time.monotonic() - self._opened_s, 2))

    def step(self, timeout_s: float) -> None:
        """Run the window for a while."""
        self.window.process(timeout_s)
        self._inbox.check()
        self._count_replaced()
        if self.window.closed or self._task_done():
            signal.raise_signal(signal.SIGTERM)
        elif self._settings.screenshot and self.window.live.refined_shown != self._pictured:
            self._take_picture(self._settings.screenshot)

    def close(self) -> None:
        """Take the last picture, stop listening, close the window."""
        picture = self._settings.screenshot
        if picture and not self.window.closed and self._shot_took_s < LONGEST_LAST_SHOT_S:
            self._take_picture(picture)
        self._inbox.close()
        self.window.close()

    def ready(self) -> bool:
        """Whether the window is there; it is also ready without services to listen to."""
        return not self.window.closed

    def _take_picture(self, path: Path) -> None:
        began = time.monotonic()
        self._pictured = frozenset(self.window.live.refined_shown)
        self.window.screenshot(path)
        self._shot_took_s = time.monotonic() - began

    def _task_done(self) -> bool:
        wanted, most_s = self._settings.exit_after_refined, self._settings.exit_after_s
        if wanted is not None and len(self.window.live.refined_shown) >= wanted:
            return True
        return most_s is not None and time.monotonic() - self._opened_s >= most_s

    def _count_replaced(self) -> None:
        replaced = self._intake.backlog.replaced
        if replaced > self._replaced:
            self._telemetry.happened(MessageDropped(stage="viewer", reason="replaced", count=replaced - self._replaced))
            self._replaced = replaced
