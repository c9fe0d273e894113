"""The plugin's dock widget works in a napari that somebody else opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.stream import Addresses, open_publisher
from tests.viewer.campaign import Maker
from tests.viewer.panels.conftest import TIMEOUT_S

pytestmark = pytest.mark.window


def test_the_dock_listens_and_draws(
    tmp_path: Path, make: Maker, monkeypatch: pytest.MonkeyPatch, qtbot: object, qapp: object
) -> None:
    """Added from the plugin menu it connects by the settings and puts the volume into the user's viewer."""
    import napari

    from viewer.screen import SURFACE

    for service in ("STREAMER", "RECONSTRUCTOR"):
        for part in ("LIVE", "CONTROL"):
            monkeypatch.setenv(f"BRAGGLIVE_VIEWER_{service}_{part}", f"ipc://{tmp_path}/{service}-{part}")
    publisher = open_publisher(
        Addresses(f"ipc://{tmp_path}/RECONSTRUCTOR-LIVE", f"ipc://{tmp_path}/RECONSTRUCTOR-CONTROL")
    )
    publisher.publish(make.volume(0))
    viewer = napari.Viewer(show=False)
    try:
        _, widget = viewer.window.add_plugin_dock_widget("bragglive", "BCDI live")
        qtbot.waitUntil(lambda: SURFACE in viewer.layers, timeout=int(1000 * TIMEOUT_S))  # type: ignore[attr-defined]
        assert widget.live.status.badge.text() == "REFINED"
        widget.stop()
    finally:
        viewer.close()
        publisher.close()
