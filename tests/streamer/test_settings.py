"""Settings: what is set reaches ingest, what is wrong is named before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.messages import Window
from contract.settings import SettingsError, load
from streamer.settings import SECTION, StreamerSettings

GEOMETRY = """
[streamer]
detectors = ["tcp://dcu-a:31001", "tcp://dcu-b:31001"]
window = [10, 20, 128, 64]
stall_s = 12.5

[streamer.geometry]
instrument = "I13-1"
energy_kev = 11.0
distance_mm = 2900.0
pixel_um = [55.0, 55.0]
sample_axes = ["y+"]
sample_angles_deg = [0.0]
rocking_axis = 0
detector_axes = ["y+"]
detector_angles_deg = [13.7]
pixel_directions = ["y-", "x+"]
beam_centre_px = [128.0, 128.0]
"""


def test_defaults_are_loopback_and_the_full_image() -> None:
    """Without any setting the streamer listens on this machine only and takes the whole image."""
    settings = load(StreamerSettings, SECTION)
    assert settings.addresses == ("tcp://127.0.0.1:5610", "tcp://127.0.0.1:5611")
    assert (settings.detectors, settings.metrics_port) == (("tcp://127.0.0.1:31001",), 5612)
    assert settings.policy().rules.window is None
    assert settings.policy().rules.geometry is None


def test_a_toml_file_sets_geometry_window_and_detectors(tmp_path: Path) -> None:
    """The table [streamer.geometry] becomes the contract's Geometry, and flags win over the file."""
    file = tmp_path / "bragglive.toml"
    file.write_text(GEOMETRY)
    settings = load(StreamerSettings, SECTION, file, stall_s=5.0)
    rules = settings.policy().rules
    assert rules.geometry is not None
    assert (rules.geometry.instrument, rules.geometry.pixel_um) == ("I13-1", (55.0, 55.0))
    assert rules.window == Window(row0=10, column0=20, rows=128, columns=64)
    assert (rules.waits.stall_s, len(settings.detectors)) == (5.0, 2)


def test_the_environment_sets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """BRAGGLIVE_STREAMER_… variables are read."""
    monkeypatch.setenv("BRAGGLIVE_STREAMER_DETECTORS", '["tcp://dcu:31001"]')
    monkeypatch.setenv("BRAGGLIVE_STREAMER_WINDOW", "[0, 0, 8, 8]")
    settings = load(StreamerSettings, SECTION)
    assert (settings.detectors, settings.window) == (("tcp://dcu:31001",), (0, 0, 8, 8))


def test_windows_that_follow_have_a_size_and_a_margin(tmp_path: Path) -> None:
    """Two numbers are a size; the margin is 3/8 of it unless it is set, and never more than half."""
    file = tmp_path / "bragglive.toml"
    file.write_text("[streamer]\nfollow = [128, 64]")
    follow = load(StreamerSettings, SECTION, file).policy().rules.follow
    assert follow is not None
    assert follow.margins_px == (48, 24)
    follow = load(StreamerSettings, SECTION, file, follow_margin_px=40).policy().rules.follow
    assert follow is not None
    assert follow.margins_px == (40, 30)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GEOMETRY.replace('instrument = "I13-1"', ""), "geometry.*missing required field `instrument`"),
        (GEOMETRY.replace("distance_mm = 2900.0", 'distance_mm = "far"'), r"geometry.*Expected `float`.*distance_mm"),
        ("[streamer]\nwindow = [0, 0, 0, 8]", "window.*at least one row and one column"),
        ("[streamer]\nwindow = [-1, 0, 8, 8]", "window.*not before the first"),
        ("[streamer]\nfollow = [8, 128]", "follow.*at least 16"),
        ("[streamer]\ndetectors = []", "detectors"),
        ("[streamer]\nstall_s = 0", "stall_s"),
        ("[streamer]\nunknown = 1", "unknown .* is no setting"),
        ("[streamer]\nangle_start_deg = 1.0", "angle_step_deg"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, why: str) -> None:
    """A setting that cannot be meant is refused with its name and what was wanted."""
    file = tmp_path / "bragglive.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=why):
        load(StreamerSettings, SECTION, file)
