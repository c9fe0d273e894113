"""Which kernel is chosen on a processor."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.kernels.reference import ReferenceKernel


def test_without_the_extra_the_reference_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pyFFTW or no Numba: phasing goes on with NumPy."""
    monkeypatch.setattr(cpu, "FUSED", False)
    assert isinstance(cpu.choose((64, 64, 64)), ReferenceKernel)


@pytest.mark.skipif(not cpu.FUSED, reason="needs the extra cpu")
def test_with_the_extra_the_fastest_kernel_serves() -> None:
    """A new instance each time, so that runs share nothing."""
    from reconstructor.phasing.kernels.fastest import FastestKernel

    first, second = cpu.choose((64, 64, 64)), cpu.choose((64, 64, 64))
    assert isinstance(first, FastestKernel)
    assert first is not second


def test_the_extra_is_seen_when_it_is_there() -> None:
    """Both libraries are needed."""
    assert (find_spec("pyfftw") is not None and find_spec("numba") is not None) == cpu.FUSED
