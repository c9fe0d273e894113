"""Settings come from flags, environment and file, and are checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.settings import SettingsError, load
from viewer.settings import SECTION, ViewerSettings


def test_defaults_are_the_services_own_addresses() -> None:
    """Without settings the viewer listens where the services publish by default."""
    settings = ViewerSettings()
    assert settings.streamer == ("tcp://127.0.0.1:5610", "tcp://127.0.0.1:5611")
    assert settings.reconstructor == ("tcp://127.0.0.1:5620", "tcp://127.0.0.1:5621")
    assert settings.metrics_port == 5632


def test_flags_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag is stronger than a variable, which is stronger than the file."""
    file = tmp_path / "bragglive.toml"
    file.write_text("[viewer]\ndisplacement_limit_a = 0.1\nmaximum_faces = 2000\nexit_after_s = 3.0\n")
    monkeypatch.setenv("BRAGGLIVE_VIEWER_MAXIMUM_FACES", "3000")
    settings = load(ViewerSettings, SECTION, file, displacement_limit_a=0.7, exit_after_s=None)
    assert (settings.displacement_limit_a, settings.maximum_faces, settings.exit_after_s) == (0.7, 3000, 3.0)


@pytest.mark.parametrize(("name", "value"), [("displacement_limit_a", 0), ("exit_after_refined", 0), ("colour", 1)])
def test_wrong_settings_are_refused_by_name(name: str, value: int) -> None:
    """A value that makes no sense, or an unknown name, is refused and named."""
    with pytest.raises(SettingsError, match=name):
        load(ViewerSettings, SECTION, None, **{name: value})
