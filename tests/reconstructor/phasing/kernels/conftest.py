"""An emulated CUDA device, for the tests of what runs on one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.reconstructor.phasing.kernels.emulated_cupy import Emulated, install


@pytest.fixture
def emulate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Emulated]:
    """Puts an emulated device in CuPy's place: emulate(free_bytes, devices)."""

    def make(free_bytes: int = 2**33, devices: int = 1) -> Emulated:
        return install(monkeypatch, Emulated(free_bytes, devices))

    return make


@pytest.fixture
def emulated(emulate: Callable[..., Emulated]) -> Emulated:
    """An emulated device with plenty of memory."""
    return emulate()
