"""How much memory of a CUDA device phasing takes, told before it is taken."""

from __future__ import annotations

import math
from typing import NamedTuple

from reconstructor.phasing.problem import PhasingError, Shape

BATCH_VOXELS = 2**25
"""A batch is not made larger than this many voxels: two runs at 256³ or sixteen at 128³ keep an H100 busy."""
_SPARE = 64 * 2**20
"""For partial sums, compiled kernels and what the allocator rounds up."""


def pitch(shape: Shape) -> int:
    """Elements from one volume to the next: even, so that two voxels are one access."""
    voxels = math.prod(shape)
    return voxels + voxels % 2


def needed(shape: Shape, runs: int, batch: int) -> int:
    """Bytes for so many runs of which `batch` go at once.

    A run: object 8 and support 1 a voxel. A run of the batch: what is transformed 8, cuFFT's work area at most as
    much again. Once: amplitudes 4, counts 4, response 4. Maximum likelihood and partial coherence, which take one run
    at a time, come on top while they last: see `descent`.
    """
    each = pitch(shape)
    return each * (9 * runs + 16 * batch + 12) + _SPARE


def descent(shape: Shape) -> int:
    """Bytes more while one run goes down the likelihood: eight waves or objects and ten real volumes, counts and
    response not among them."""
    return pitch(shape) * (8 * 8 + 10 * 4)


class Room(NamedTuple):
    """What fits into the memory."""

    runs: int
    """Whose objects and supports are kept at the same time."""
    batch: int
    """Of these, how many go at once."""


def room(shape: Shape, runs: int, free_bytes: int) -> Room:
    """As many of the runs as fit, in batches as large as useful; smaller batches go before fewer runs.

    Raises PhasingError where not even one run fits.
    """
    if runs < 1:
        raise PhasingError(f"{runs} runs on the device; wanted at least 1")
    least = needed(shape, 1, 1)
    if least > free_bytes:
        raise PhasingError(
            f"a run on {shape} voxels takes {gib(least)} of the device's memory, where {gib(free_bytes)} are free; "
            "wanted a smaller window, or a device with more memory"
        )
    each = pitch(shape)
    fitting = min(runs, 1 + (free_bytes - least) // (9 * each))
    useful = max(1, min(fitting, BATCH_VOXELS // each))
    batch = min(useful, 1 + (free_bytes - needed(shape, fitting, 1)) // (16 * each))
    return Room(fitting, batch)


def gib(count: int) -> str:
    """A number of bytes, for people."""
    return f"{count / 2**30:.2f} GiB"
