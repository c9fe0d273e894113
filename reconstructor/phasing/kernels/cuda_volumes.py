"""Device memory of a population for one shape: where its objects lie, and what a batch works with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.fft

from reconstructor.phasing import poisson
from reconstructor.phasing.kernels import cuda_memory
from reconstructor.phasing.kernels.cuda import Argument, Array, Device, Transform, blocks
from reconstructor.phasing.problem import PhasingError, Problem, Real, Shape

ROWS = 4
"""Sums a run, as in the source."""


class Volumes:
    """Objects, supports, amplitudes and a batch's memory; all flat, `pitch` elements a run.

    Raises PhasingError, before anything is taken, where the memory does not suffice for so many runs.
    """

    def __init__(self, device: Device, shape: Shape, runs: int) -> None:
        self.shape, self.runs = shape, runs
        self.voxels, self.pitch = math.prod(shape), cuda_memory.pitch(shape)
        self.pairs = self.pitch // 2
        room = cuda_memory.room(shape, runs, device.free_bytes())
        if room.runs < runs:
            raise PhasingError(f"{runs} runs on {shape} voxels; wanted at most {room.runs}, for which there is memory")
        self.batch = room.batch
        self._device = device
        self._transforms: dict[int, Transform] = {}
        self._chosen: tuple[int, ...] = ()
        self._parts = blocks(self.pairs)
        # beyond the last voxel of an odd volume stays what is here: zeros, of unknown amplitude
        self.g: Array = device.zeros((runs, self.pitch), np.complex64)
        self.support: Array = device.zeros((runs, self.pitch), np.uint8)
        self.amplitude: Array = device.zeros((self.pitch,), np.float32)
        self.wave: Array = device.empty((self.batch, self.pitch), np.complex64)
        self.slots: Array = device.zeros((self.batch,), np.int32)
        self.partials: Array = device.empty((self.batch, ROWS, blocks(self.voxels)), np.float64)
        self.sums: Array = device.empty((2, self.batch, ROWS), np.float64)
        """What was measured first, and last."""
        self.shares: Array = device.empty((self.batch,), np.float32)
        self.bars: Array = device.empty((self.batch,), np.float32)
        self.thresholds: Array = device.empty((self.batch,), np.float64)
        self.adopted: Array = device.empty((self.batch,), np.int32)
        self.light: Array | None = None
        """Intensities and their convolution, (2, pitch), once there is partial coherence."""
        self.model: poisson.Model | None = None
        self.graphs: dict[tuple[object, ...], Callable[[], None] | None] = {}

    def take(self, amplitude: Real, problem: Problem | None) -> None:
        """Shift the data, origin first, and send them."""
        padded = np.full(self.pitch, -1, np.float32)
        padded[: self.voxels] = scipy.fft.ifftshift(amplitude).reshape(-1)
        self._device.send(self.amplitude, padded)
        self.model = None
        if problem is not None:
            told = poisson.model(problem)
            counts, response = (self._sent(np.asarray(a, np.float32)) for a in (told.counts, told.response))
            self.model = poisson.Model(counts, response, told.background)

    def _sent(self, host: Real) -> Array:
        out = self._device.empty(host.shape, host.dtype)
        self._device.send(out, host)
        return out

    def obj(self, slot: int) -> Array:
        """A run's object; a view."""
        return self.g[slot, : self.voxels].reshape(self.shape)

    def inside(self, slot: int) -> Array:
        """A run's support, 1 and 0 as bytes; a view."""
        return self.support[slot, : self.voxels].reshape(self.shape)

    def choose(self, slots: Sequence[int]) -> None:
        """Make these runs the batch."""
        if self._chosen != tuple(slots):
            self._chosen = tuple(slots)
            self._device.send(self.slots[: len(slots)], np.array(slots, np.int32))

    def transform(self, batch: int) -> Transform:
        """The plan for so many runs at once; kept."""
        if batch not in self._transforms:
            self._transforms[batch] = self._device.transform(self.shape, batch, self.pitch)
        return self._transforms[batch]

    def by_pairs(self, name: str, batch: int, *arguments: Argument) -> None:
        """Queue a kernel that goes through pairs of voxels."""
        self._device.launch(name, (self._parts, batch), arguments)

    def by_voxels(self, name: str, batch: int, *arguments: Argument) -> None:
        """Queue a kernel that goes through single voxels."""
        self._device.launch(name, (blocks(self.voxels), batch), arguments)

    def bar(self, batch: int) -> None:
        """Queue charge flipping's bars, from the energies a kernel by pairs has left and `shares`."""
        arguments = (self.partials, np.int32(self._parts), self.shares, self.bars)
        self._device.launch("bar", (1, batch), arguments)

    def add_up(self, batch: int, place: int, by_pairs: bool, rows: int = ROWS, largest: int = -1) -> None:
        """Queue the sums over what a kernel's blocks have left, into `sums[place]`; the largest part of one row."""
        parts = self._parts if by_pairs else blocks(self.voxels)
        arguments = (self.partials, np.int32(parts), np.int32(largest), self.sums[place])
        self._device.launch("totals", (rows, batch), arguments)
