"""The CUDA device: the only file that knows CuPy. Memory, compiled kernels, transforms, graphs, one stream.

Nothing here phases; `cuda_population` does, with what this file gives it. Written for the interface of CuPy 14.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reconstructor.phasing.problem import PhasingError, Shape

Array = Any
"""Memory on the device: a CuPy array."""
Argument = Any
"""Of a kernel: device memory, np.int32 or np.float32. Anything wider would be passed as it is, and misread."""

BLOCK = 256
"""Threads of a block."""
MOST_BLOCKS = 1024
"""Blocks a run: with 8 on each of an H100's 132 multiprocessors that is one wave; threads take several voxels."""


@cache
def unavailable() -> str | None:
    """Why there is no CUDA device to be had, in one line; None where there is one."""
    if find_spec("cupy") is None:
        return "CuPy is not installed (extra cuda13, or cuda12 for an older driver)"
    try:
        import cupy
        from cupy.cuda import cufft  # noqa: F401  (its library is looked for only now)
    except ImportError as problem:
        return "CuPy does not load: " + " ".join(str(problem).split())
    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as problem:
        return f"there is no CUDA device ({problem})"
    return None if found else "there is no CUDA device (the driver finds 0)"


def source() -> str:
    """The kernels, CUDA C++: of an iteration, then of a support update."""
    return "\n".join(
        files(__package__).joinpath(f"{name}.cu").read_text("utf-8") for name in ("cuda_source", "cuda_shrink")
    )


def options() -> tuple[str, ...]:
    """What the source is compiled with, by NVRTC as by nvcc."""
    return (f"-DBLOCK={BLOCK}", "--std=c++17")


class Transform:
    """cuFFT of a batch of volumes, complex64, in place or not, unnormalised; plan and work area are kept."""

    def __init__(self, plan: Any, stream: Any, forward: int, inverse: int) -> None:
        self._plan, self._stream = plan, stream
        self._forward, self._inverse = forward, inverse

    def forward(self, source: Array, target: Array) -> None:
        """Kernel exp(−i q·r)."""
        with self._stream:
            self._plan.fft(source, target, self._forward)

    def backward(self, source: Array, target: Array) -> None:
        """Kernel exp(+i q·r), without 1/N."""
        with self._stream:
            self._plan.fft(source, target, self._inverse)


class Device:
    """The current CUDA device, used through one stream by one thread at a time.

    Work is only queued; `fetch` waits for it. Raises PhasingError where there is no device.
    """

    def __init__(self) -> None:
        missing = unavailable()
        if missing:
            raise PhasingError(f"{missing}; wanted one for the CUDA kernel")
        import cupy
        from cupy.cuda import cufft

        self._cupy, self._cufft = cupy, cufft
        # graphs are captured from a stream that does not wait for the legacy one
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._module = cupy.RawModule(code=source(), options=options())
        self._functions: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """What the device calls itself."""
        runtime = self._cupy.cuda.runtime
        name: bytes = runtime.getDeviceProperties(runtime.getDevice())["name"]
        return name.decode()

    def free_bytes(self) -> int:
        """Memory that can still be taken: what the device has left, and what CuPy keeps for reuse."""
        free, _ = self._cupy.cuda.runtime.memGetInfo()
        return int(free) + int(self._cupy.get_default_memory_pool().free_bytes())

    def give_back(self) -> None:
        """Return to the device what CuPy keeps for reuse: blocks of one shape rarely fit the next."""
        self._cupy.get_default_memory_pool().free_all_blocks()

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Memory with anything in it."""
        with self._stream:
            return self._cupy.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Memory full of zeros."""
        with self._stream:
            return self._cupy.zeros(shape, dtype)

    def send(self, target: Array, host: NDArray[Any]) -> None:
        """Copy to the device; `target` is contiguous, of the same shape and dtype."""
        with self._stream:
            target.set(np.ascontiguousarray(host))

    def fetch(self, source: Array) -> NDArray[Any]:
        """Wait for what is queued, and copy from the device."""
        with self._stream:
            host: NDArray[Any] = source.get()
        return host

    def calculate(self, work: Callable[[], Array]) -> Array:
        """The outcome of array expressions, queued on this device's stream."""
        with self._stream:
            return work()

    def launch(self, name: str, grid: tuple[int, int], arguments: Sequence[Argument]) -> None:
        """Queue a kernel of the source."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._module.get_function(name)
        with self._stream:
            function(grid, (BLOCK,), tuple(arguments))

    def transform(self, shape: Shape, batch: int, pitch: int) -> Transform:
        """Plan for `batch` volumes that begin `pitch` elements apart, each contiguous."""
        cufft = self._cufft
        with self._stream:
            # (shape, inembed, istride, idist, onembed, ostride, odist, type, batch, order, last axis, last size)
            plan = cufft.PlanNd(shape, shape, 1, pitch, shape, 1, pitch, cufft.CUFFT_C2C, batch, "C", 2, None)
        return Transform(plan, self._stream, cufft.CUFFT_FORWARD, cufft.CUFFT_INVERSE)

    def graph(self, queue: Callable[[], None]) -> Callable[[], None]:
        """What `queue` queues, recorded without being done, to be done again by each call of the result.

        Kernels and transforms only, each done before (so that nothing is compiled or planned on the way), on memory
        that outlives the graph; the arguments stay what they were, the memory's content does not.
        """
        with self._stream:
            self._stream.begin_capture()
            try:
                queue()
            finally:
                recorded = self._stream.end_capture()

        def again() -> None:
            recorded.launch(self._stream)

        return again


def blocks(items: int) -> int:
    """How many blocks share so many items of a run."""
    return max(1, min(MOST_BLOCKS, -(-items // BLOCK)))
