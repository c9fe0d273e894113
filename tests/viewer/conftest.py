"""Fixtures for the viewer's tests."""

from __future__ import annotations

import pytest

from tests.viewer.campaign import Maker


@pytest.fixture
def make() -> Maker:
    """Makes messages of a made-up campaign, and what is known after them."""
    return Maker()
