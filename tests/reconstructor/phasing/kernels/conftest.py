"""An emulated CUDA device, for the tests of what runs on one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import pytest

from reconstructor.phasing.kernels import cuda
from tests.reconstructor.phasing.kernels import emulated_cupy
from tests.reconstructor.phasing.kernels.emulated_cupy import Emulated


@pytest.fixture
def emulate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Emulated]:
    """Puts an emulated device in CuPy's place: emulate(free_bytes, devices). Skips without a C++ compiler."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++ to compile the CUDA source for this processor")

    def make(free_bytes: int = 2**33, devices: int = 1) -> Emulated:
        emulated = Emulated(free_bytes, devices)
        for name, module in emulated_cupy.module(emulated).items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(cuda, "find_spec", lambda _: object())
        monkeypatch.setattr(cuda, "unavailable", cuda.unavailable.__wrapped__)
        return emulated

    return make


@pytest.fixture
def emulated(emulate: Callable[..., Emulated]) -> Emulated:
    """An emulated device with plenty of memory."""
    return emulate()
