"""Bragg peaks on the full images of a rocking scan, told from all that does not rock. No I/O, no clock.

A crystal's peak comes and goes as it is rocked; hot pixels, powder rings and scattered beam stay. So each image is
summed in blocks, and a peak is where a box of 2 × 2 blocks rises furthest above what it has in a quarter of the
images. A pixel counts no more than its strongest neighbour on the same row, and on the same column: pixels and lines
that stand alone, and cosmic rays, then count next to nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.records import Channel
from streamer.region import Peak

BRIGHTEST = (1 << 16) - 1
"""More counts of a pixel than this are not told apart."""
BLOCK_PX = 8
MOST_PEAKS = 6
APART_BOXES = 4
"""Blocks (32 pixels) within which there is one peak."""
LEAST_COUNTS = 50.0
"""A peak has at least these, in its brightest image,"""
LEAST_SIGMA = 8.0
"""and this many standard deviations of the counts that are always there."""
AROUND_PX = 4
"""Beyond the box, where the peak's centre is looked for"""
FALLEN = 0.5

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint16]


class Looks:
    """Some full images of one scan, each looked at once."""

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any], channel: Channel, saturation: int | None) -> None:
        self._coded = int(np.iinfo(dtype).max) - 1
        """Counts from here on are no counts: gaps, dead and overflowed pixels."""
        self._most = self._coded if saturation is None else min(saturation, self._coded)
        self._most = min(self._most, BRIGHTEST)
        self._trusted = None if channel.mask is None else channel.mask == 0
        self._sound = np.zeros(shape, np.bool_)
        """Pixels that have counted at some time: where they give no count any more, they have overflowed."""
        self._highest = np.zeros(shape, np.uint16)
        self._lowest = np.full(shape, BRIGHTEST, np.uint16)
        self._blocks: dict[int, Floats] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def add(self, index: int, image: NDArray[Any], monitor: float | None) -> None:
        """Look at the image (row, column) of a frame, raw counts; again at the same one changes nothing."""
        if index in self._blocks:
            return
        beside = beside_others(self._counts(image))
        np.maximum(self._highest, beside, out=self._highest)
        np.minimum(self._lowest, beside, out=self._lowest)
        counts = _summed(beside)
        self._blocks[index] = counts / np.float32(monitor) if monitor is not None and monitor > 0.0 else counts

    def peaks(self) -> list[Peak]:
        """The peaks seen so far, brightest first."""
        if not self._blocks:
            return []
        order = sorted(self._blocks)
        boxes = _boxes(np.stack([self._blocks[index] for index in order]))
        always = np.partition(boxes, len(order) // 4, axis=0)[len(order) // 4] if len(order) > 2 else 0 * boxes[0]
        rocking = boxes.max(axis=0) - always
        rocking[rocking < np.maximum(LEAST_COUNTS, LEAST_SIGMA * np.sqrt(always + 1.0))] = 0.0
        found: list[Peak] = []
        while len(found) < MOST_PEAKS and rocking.max() > 0.0:
            i, j = (int(k) for k in np.unravel_index(int(rocking.argmax()), rocking.shape))
            found.append(self._peak((i, j), float(rocking[i, j]), boxes[:, i, j] - always[i, j], order))
            near = (
                slice(max(0, i - APART_BOXES), i + APART_BOXES + 1),
                slice(max(0, j - APART_BOXES), j + APART_BOXES + 1),
            )
            rocking[near] = 0.0
        return found

    def _counts(self, image: NDArray[Any]) -> Pixels:
        """What is to be believed of an image: an overflowed pixel has the most there can be, a blind one nothing."""
        counts: Pixels = np.minimum(image, self._most).astype(np.uint16, copy=False)
        self._sound |= image < self._coded
        np.multiply(counts, self._sound, out=counts)
        if self._trusted is not None:
            np.multiply(counts, self._trusted, out=counts)
        return counts

    def _peak(self, box: tuple[int, int], counts: float, profile: Floats, order: list[int]) -> Peak:
        top = int(profile.argmax())
        row, column = self._centre(box)
        passed = bool((profile[top + 1 :][-2:] < FALLEN * counts).sum() == 2)
        return Peak(row=row, column=column, counts=counts, frame=order[top], passed=passed)

    def _centre(self, box: tuple[int, int]) -> tuple[float, float]:
        """Centre of mass of what is above half the maximum, of what rocks in and around a box."""
        row0, column0 = (max(0, k * BLOCK_PX - AROUND_PX) for k in box)
        rows, columns = (slice(k, k + 2 * (BLOCK_PX + AROUND_PX)) for k in (row0, column0))
        rocking = self._highest[rows, columns].astype(np.float64) - self._lowest[rows, columns]
        padded = np.pad(rocking, 1)
        r, c = rocking.shape
        smooth = np.sum([padded[i : i + r, j : j + c] for i in range(3) for j in range(3)], axis=0)
        weight = np.where(smooth >= smooth.max() / 2, smooth, 0.0)
        total = weight.sum()
        if not total > 0.0:
            return row0 + r / 2, column0 + c / 2
        row = float((weight.sum(axis=1) * np.arange(r)).sum() / total)
        column = float((weight.sum(axis=0) * np.arange(c)).sum() / total)
        return row0 + row, column0 + column


def beside_others(counts: Pixels) -> Pixels:
    """Each pixel at most as bright as the brighter of its neighbours on its row, and of those on its column."""
    across, along = np.zeros_like(counts), np.zeros_like(counts)
    across[:, 1:] = counts[:, :-1]
    np.maximum(across[:, :-1], counts[:, 1:], out=across[:, :-1])
    along[1:] = counts[:-1]
    np.maximum(along[:-1], counts[1:], out=along[:-1])
    np.minimum(across, along, out=across)
    return np.minimum(across, counts, out=across)


def _summed(values: Pixels) -> Floats:
    """Sums over blocks; the last ones may have fewer rows and columns."""
    rows = np.zeros((-(-values.shape[0] // BLOCK_PX), values.shape[1]), np.uint32)
    for k in range(BLOCK_PX):  # twice as fast as `reduceat`, which adds up uint16 one by one
        part = values[k::BLOCK_PX]
        rows[: len(part)] += part
    return np.add.reduceat(rows, np.arange(0, rows.shape[1], BLOCK_PX), axis=1).astype(np.float32)


def _boxes(blocks: Floats) -> Floats:
    """Sums of 2 × 2 blocks (look, row, column), beginning at each block; beyond the last there is nothing."""
    padded = np.pad(blocks, ((0, 0), (0, 1), (0, 1)))
    boxes: Floats = padded[:, :-1, :-1] + padded[:, 1:, :-1] + padded[:, :-1, 1:] + padded[:, 1:, 1:]
    return boxes
