"""As much of CuPy as the CUDA kernel uses, on a processor: its source through g++, cuFFT through scipy.

Stricter than the real one where that finds mistakes: fresh memory is full of NaN, the bytes around it are guarded, a
kernel takes nothing but device arrays and scalars of the size it declares, nothing may wait while a graph is recorded.
"""

from __future__ import annotations

import ctypes
import inspect
import shutil
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.fft
from numpy.lib.stride_tricks import as_strided

from reconstructor.phasing.kernels import cuda
from tests.reconstructor.phasing.kernels.emulated_source import OUTCOMES, compiled

GUARD = 64


class Emulated:
    """What the emulated device has done and may do."""

    def __init__(self, free_bytes: int = 2**33, devices: int = 1) -> None:
        self.free_bytes, self.devices = free_bytes, devices
        self.backwards = False
        """Threads and blocks in reverse order."""
        self.launches: list[str] = []
        self.graphs = 0
        """Graphs launched."""
        self.fetches = 0
        """Copies the host waited for."""
        self.taken = 0
        """Bytes in arrays made."""
        self.recording: list[Callable[[], None]] | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Do it now, or when the graph being recorded is launched."""
        if self.recording is None:
            work()
        else:
            self.recording.append(work)

    def wait(self) -> None:
        """The host waits for the device."""
        if self.recording is not None:
            raise RuntimeError("the host would wait while a graph is recorded")


class DeviceArray(np.ndarray):
    """Memory of the emulated device, its guarded neighbourhood included."""

    emulated: Emulated
    guarded: np.ndarray

    def __array_finalize__(self, of: Any) -> None:
        self.emulated = getattr(of, "emulated", None)
        self.guarded = getattr(of, "guarded", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **more: Any) -> Any:
        given = (*inputs, *more.get("out", ()))
        if any(isinstance(x, np.ndarray) and x.ndim and not isinstance(x, DeviceArray) for x in given):
            raise TypeError(f"{ufunc.__name__} of device and host arrays")

        def plain(x: Any) -> Any:
            return x.view(np.ndarray) if isinstance(x, DeviceArray) else x

        if "out" in more:
            more["out"] = tuple(plain(x) for x in more["out"])
        made = getattr(ufunc, method)(*(plain(x) for x in inputs), **more)
        if "out" in more:
            return given[-1]
        out = np.asarray(made).view(DeviceArray)
        out.emulated = self.emulated
        return out

    def set(self, host: np.ndarray) -> None:
        """Copy from the host."""
        self.emulated.wait()
        if isinstance(host, DeviceArray) or host.shape != self.shape or host.dtype != self.dtype:
            raise ValueError(f"{host.dtype}{host.shape} to {self.dtype}{self.shape}")
        if not self.flags.c_contiguous:
            raise RuntimeError("set needs contiguous memory")
        self[...] = host

    def get(self) -> np.ndarray:
        """Copy to the host."""
        self.emulated.wait()
        self.emulated.fetches += 1
        return np.array(self, subok=False)


def _empty(emulated: Emulated, shape: Any, dtype: Any) -> DeviceArray:
    emulated.wait()
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    emulated.taken += size
    room = np.full(size + 3 * GUARD, 0xFF, np.uint8)
    start = GUARD + -(room.ctypes.data + GUARD) % GUARD
    out = room[start : start + size].view(dtype).reshape(shape).view(DeviceArray)
    out.emulated, out.guarded = emulated, room
    return out


def _check_guards(array: DeviceArray) -> None:
    room, whole = array.guarded, array
    while isinstance(whole.base, DeviceArray):
        whole = whole.base
    if room is None:
        return  # the outcome of an array expression has memory of its own
    first = whole.ctypes.data - room.ctypes.data
    if not 0 <= first < room.size:
        return  # as above, by a function that copies attributes
    if (room[:first] != 0xFF).any() or (room[first + whole.nbytes :] != 0xFF).any():
        raise RuntimeError("a kernel wrote beyond an array")


class RawModule:
    """Compiled by g++ when a function is asked for."""

    emulated: Emulated

    def __init__(self, *, code: str, options: tuple[str, ...]) -> None:
        self._code, self._options = code, options

    def get_function(self, name: str) -> Callable[..., None]:
        """A kernel."""
        emulated, library = self.emulated, compiled(self._code, self._options)

        def queue(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
            values = [_value(argument) for argument in arguments]
            pointers = (ctypes.c_void_p * len(values))(*[value.ctypes.data for value in values])
            sizes = (ctypes.c_size_t * len(values))(*[value.itemsize for value in values])
            gx, gy = (*grid, 1)[:2]

            def work() -> None:
                emulated.launches.append(name)
                code = library.launch(name.encode(), gx, gy, block[0], pointers, sizes, len(values), emulated.backwards)
                if code:
                    raise TypeError(f"{name}: {OUTCOMES[code]}")
                for argument in arguments:
                    if isinstance(argument, DeviceArray):
                        _check_guards(argument)

            keep = (values, arguments)
            emulated.do(lambda: work() if keep else None)

        return queue


def _value(argument: Any) -> np.ndarray:
    """What the kernel is given: an address, or a number."""
    if isinstance(argument, DeviceArray):
        if not argument.flags.c_contiguous:
            raise TypeError("a kernel was given memory with gaps")
        return np.array(argument.ctypes.data, np.uint64)
    if isinstance(argument, np.generic):
        return np.array(argument)
    raise TypeError(f"a kernel was given {type(argument).__name__}")


class Stream:
    """Everything at once, but while a graph is recorded."""

    emulated: Emulated

    def __init__(self, *, non_blocking: bool = False) -> None:
        self._capturable = non_blocking

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin_capture(self) -> None:
        """Record from now on."""
        if not self._capturable:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        self.emulated.recording = []

    def end_capture(self) -> Graph:
        """What was recorded."""
        recorded, self.emulated.recording = self.emulated.recording, None
        return Graph(self.emulated, recorded or [])


class Graph:
    """Work to be done again."""

    def __init__(self, emulated: Emulated, recorded: list[Callable[[], None]]) -> None:
        self._emulated, self._recorded = emulated, recorded

    def launch(self, stream: Stream | None = None) -> None:
        """Do all of it."""
        self._emulated.graphs += 1
        for work in self._recorded:
            work()


class PlanNd:
    """A batch of three-dimensional transforms, C order, unit stride."""

    emulated: Emulated

    def __init__(self, shape: tuple[int, int, int], inembed: Any, istride: int, idist: int, *more: Any) -> None:
        self.emulated.wait()
        onembed, ostride, odist, fft_type, batch, *order = more
        assert (inembed, istride, onembed, ostride, odist, fft_type) == (shape, 1, shape, 1, idist, 0x29)
        assert order == ["C", 2, None]  # order, last axis, its length in real transforms
        self._shape, self._distance, self._batch = shape, idist, batch

    def fft(self, source: DeviceArray, target: DeviceArray, direction: int) -> None:
        """Unnormalised."""
        transform = {-1: scipy.fft.fftn, 1: lambda a, axes: scipy.fft.ifftn(a, axes=axes, norm="forward")}[direction]

        def work() -> None:
            self._volumes(target)[...] = transform(self._volumes(source), axes=(1, 2, 3))
            _check_guards(target)

        self.emulated.do(work)

    def _volumes(self, array: DeviceArray) -> np.ndarray:
        assert array.dtype == np.complex64
        assert array.flags.c_contiguous
        assert array.size >= (self._batch - 1) * self._distance + np.prod(self._shape)
        n0, n1, n2 = self._shape
        strides = (self._distance * 8, n1 * n2 * 8, n2 * 8, 8)
        return as_strided(array.view(np.ndarray), (self._batch, n0, n1, n2), strides)


def module(emulated: Emulated) -> dict[str, ModuleType]:
    """`cupy` and what is imported from it, for sys.modules."""
    tails = ("", ".cuda", ".cuda.cufft", ".cuda.runtime")
    cupy, cupy.cuda, cufft, runtime = (ModuleType(f"cupy{tail}") for tail in tails)
    own = {"emulated": emulated}
    cufft.PlanNd = type("PlanNd", (PlanNd,), own)
    cufft.CUFFT_C2C, cufft.CUFFT_FORWARD, cufft.CUFFT_INVERSE = 0x29, -1, 1
    runtime.CUDARuntimeError = type("CUDARuntimeError", (RuntimeError,), {})

    def count() -> int:
        if not emulated.devices:
            raise runtime.CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
        return emulated.devices

    runtime.getDeviceCount = count
    runtime.getDevice = lambda: 0
    runtime.getDeviceProperties = lambda number: {"name": b"emulated"}
    runtime.memGetInfo = lambda: (emulated.free_bytes, 2**34)
    cupy.cuda.cufft, cupy.cuda.runtime, cupy.cuda.Stream = cufft, runtime, type("Stream", (Stream,), own)
    cupy.ndarray, cupy.RawModule = DeviceArray, type("RawModule", (RawModule,), own)
    cupy.empty = lambda shape, dtype: _empty(emulated, shape, dtype)

    def zeros(shape: Any, dtype: Any) -> DeviceArray:
        out = _empty(emulated, shape, dtype)
        out[...] = 0
        return out

    cupy.zeros = zeros
    pool = type("Pool", (), {"free_bytes": lambda _: 0, "free_all_blocks": lambda _: None})()
    cupy.get_default_memory_pool = lambda: pool
    return {each.__name__: each for each in (cupy, cupy.cuda, cufft, runtime)}


def install(patch: pytest.MonkeyPatch, emulated: Emulated) -> Emulated:
    """Put it in CuPy's place. Skips without a C++ compiler."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++ to compile the CUDA source for this processor")
    for name, made in module(emulated).items():
        patch.setitem(sys.modules, name, made)
    patch.setattr(cuda, "find_spec", lambda _: object())
    patch.setattr(cuda, "unavailable", inspect.unwrap(cuda.unavailable))
    return emulated
