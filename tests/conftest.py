"""Fixtures for all tests, and the switch that turns skips for want of a screen or data into failures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before any library that brings OpenMP is loaded: its idle threads otherwise spin on cores that others need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# As `bragglive` has it: small matrix products need no threads of their own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-missing",
        action="store_true",
        help="fail, instead of skip, tests that lack a screen, the viewer extra or the recorded scan",
    )


def absent(config: pytest.Config, reason: str) -> None:
    """Skip for `reason`, or fail where the run promised that nothing is missing."""
    if config.getoption("--no-missing"):
        pytest.fail(f"{reason} (and --no-missing was given)")
    pytest.skip(reason)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("window") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        absent(item.config, "no screen: run under `xvfb-run -a`")


@pytest.fixture(scope="session")
def scan54(request: pytest.FixtureRequest) -> Path:
    """The recorded rocking scan 54 of APS 34-ID-C, `s0054_frames.h5`."""
    folder = Path(os.environ.get("BRAGGLIVE_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "aps34idc_s0054" / "s0054_frames.h5"
    if not path.exists():
        absent(request.config, f"the recorded scan is not at {path}; set BRAGGLIVE_DATA to the folder that holds it")
    return path
