"""Plans called from compiled loops transform as NumPy does, and only what they were made for."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from reconstructor.phasing.kernels import cpu

pytestmark = pytest.mark.skipif(not cpu.FUSED, reason="needs the extra cpu")


@pytest.mark.parametrize("shape", [(4, 8, 8), (3, 5, 6), (2, 16, 12)], ids=str)
def test_planes_are_transformed_and_their_padding_is_left(shape: tuple[int, int, int]) -> None:
    """A piece of padded planes, there and back; what lies between the planes stays."""
    from reconstructor.phasing.kernels import plans, sweeps, transforms

    n0, n1, n2 = shape
    pitch = n1 * n2 + 8 + (-n1 * n2) % 8
    planes = plans.empty((n0, pitch))
    over = transforms.Plans(planes, transforms.Batch((n1, n2), n0, 1, pitch))
    rng = np.random.default_rng(1)
    planes[...] = rng.standard_normal((n0, pitch)) + 1j * rng.standard_normal((n0, pitch))
    before = planes.copy()
    pieces = planes.view(np.float32).reshape(1, -1)
    sweeps.forward_sweep((0, 1), over.forward, pieces)
    wanted = np.fft.fft2(before[:, : n1 * n2].reshape(shape))
    np.testing.assert_allclose(planes[:, : n1 * n2].reshape(shape), wanted, atol=1e-4)
    assert (planes[:, n1 * n2 :] == before[:, n1 * n2 :]).all()
    sweeps.forward_sweep((0, 1), over.backward, pieces)
    np.testing.assert_allclose(planes[:, : n1 * n2] / (n1 * n2), before[:, : n1 * n2], atol=1e-5)


@pytest.mark.parametrize(("length", "width"), [(64, 16), (33, 8), (20, 3)])
def test_columns_are_transformed_with_what_rests(length: int, width: int) -> None:
    """The sum of a known part and what rests comes out as it went in; F is kept where asked."""
    from reconstructor.phasing.kernels import plans, sweeps, transforms

    tile = plans.empty((length, width + sweeps.PADDED // 2))
    over = transforms.Plans(tile, transforms.Batch((length,), width, tile.shape[1], 1))
    rng = np.random.default_rng(2)
    wave = rng.standard_normal((length, 2 * width)).astype(np.float32)
    rest = np.zeros((1, 2 * tile.size), np.float32)
    into = np.zeros_like(wave)
    tile[...] = 0
    known = slice(3, length - 5)
    ends, whole = (known.start, known.stop), (0, length)
    sweeps.gather_sweep((0, 1), *over.both, tile.view(np.float32), wave, rest, into, ends, whole, True)
    wanted = np.zeros((length, width), np.complex64)
    wanted[known] = wave.view(np.complex64)[known]
    np.testing.assert_allclose(into.view(np.complex64), length * wanted, atol=1e-4)
    kept = rest.view(np.complex64).reshape(tile.shape)[:, :width]
    np.testing.assert_allclose(kept, np.fft.fft(wanted, axis=0), atol=1e-4)


def test_a_plan_ends_with_its_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both plans are given back to FFTW, once, when nobody holds them any more."""
    from reconstructor.phasing.kernels import plans, transforms

    ended: list[int] = []
    array = plans.empty((8, 16))
    monkeypatch.setattr(transforms, "_destroy", lambda plan: ended.append(plan))
    over = transforms.Plans(array, transforms.Batch((8,), 16, 16, 1))
    both = over.both
    del over
    gc.collect()
    assert sorted(ended) == sorted(both)


def test_the_interpreter_runs_on_during_a_sweep() -> None:
    """While one thread is in a sweep, another counts: the lock is free."""
    from reconstructor.phasing.kernels import plans, sweeps, transforms

    planes = plans.empty((1024, 64 * 64 + 8))
    over = transforms.Plans(planes, transforms.Batch((64, 64), 1, 1, planes.shape[1]))
    planes[...] = 0
    begun, done = threading.Event(), threading.Event()

    def sweep() -> None:
        begun.set()
        sweeps.forward_sweep((0, len(planes)), over.forward, planes.view(np.float32))
        done.set()

    sweeps.forward_sweep((0, 1), over.forward, planes.view(np.float32))  # compiled before it counts
    thread = threading.Thread(target=sweep)
    thread.start()
    begun.wait()
    counted = 0
    while not done.is_set():
        counted += 1
    thread.join()
    assert counted > 1000
