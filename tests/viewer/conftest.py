"""Fixtures for the viewer's tests."""

from __future__ import annotations

import os

import pytest

from tests.viewer.campaign import Maker

# Read when napari's settings are first imported: nothing is kept on the disk, nobody's settings are touched.
os.environ.setdefault("NAPARI_CONFIG", "")


@pytest.fixture
def make() -> Maker:
    """Makes messages of a made-up campaign, and what is known after them."""
    return Maker()
