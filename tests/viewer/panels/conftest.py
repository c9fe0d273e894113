"""A real window for tests that need one, with a clock that the test moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from viewer.scene import Intent
from viewer.state import State

NOW_S = 1000.0
TIMEOUT_S = 60.0


class Shown:
    """A window and what a test does with it."""

    def __init__(self, last_picture: Path) -> None:
        from viewer.panels.window import LiveWindow

        self.now_s = NOW_S
        self.window = LiveWindow(Intent(), clock=lambda: self.now_s)
        self.last_picture = last_picture
        self.window.open(last_picture)

    def post(self, state: State) -> None:
        """Give the window a new state, as the inbox's thread does, and wait until it has drawn it."""
        drawn = self.window.live.scene
        self.window.live.mailbox.post(state)
        self.until(lambda: self.window.live.scene is not drawn)

    def until(self, enough: Callable[[], bool]) -> None:
        """Run the window until something is so."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not enough():
            assert time.monotonic() < deadline_s, "not in time"
            self.window.process(0.02)

    def canvas(self) -> NDArray[np.uint8]:
        """Pixels of the 3D canvas, (row, column, RGB)."""
        return np.asarray(self.window.viewer.screenshot(canvas_only=True, flash=False))[..., :3]


@pytest.fixture(scope="module")
def shown(qapp: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    made = Shown(tmp_path_factory.mktemp("window") / "last.png")
    yield made
    made.window.close()
    made.window.process(0.05)
