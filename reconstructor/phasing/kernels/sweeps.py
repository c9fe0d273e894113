"""Sweeps over memory, compiled: pieces are transformed, changed while they are in a core's cache, transformed back.

A sweep is one call that leaves the interpreter alone: asked for each piece, it kept the runs of a population waiting
for each other. Planes and columns are given as floats re, im, re, im …; `forward` and `backward` are plans' addresses.
"""

from __future__ import annotations

import math

import numpy as np

from reconstructor.phasing.kernels.compiled import Bytes, Floats, compiled
from reconstructor.phasing.kernels.transforms import execute

PADDED = 16
"""Floats at the end of a tile's rows that are not transformed."""


@compiled
def modulus(wave: Floats, amplitude: Floats) -> tuple[np.float32, np.float32]:
    """Modulus projection in place of `wave` (re, im, re, im …).

    Returns Σ(|F| − A)² where the amplitude is ≥ 0, and the outcome's Σ|F|².
    """
    misfit = np.float32(0)
    power = np.float32(0)
    for i in range(amplitude.size):
        re = wave[2 * i]
        im = wave[2 * i + 1]
        a = amplitude[i]
        square = re * re + im * im + np.float32(1e-30)
        inverse = np.float32(1) / math.sqrt(square)
        known = a >= np.float32(0)
        factor = a * inverse if known else np.float32(1)
        difference = square * inverse - a if known else np.float32(0)
        misfit += difference * difference
        power += factor * factor * square
        wave[2 * i] = re * factor
        wave[2 * i + 1] = im * factor
    return misfit, power


@compiled
def project(
    wave: Floats, rest: Floats, amplitude: Floats, keep_f: float, keep_p: float
) -> tuple[np.float32, np.float32]:
    """As `modulus`, of F = wave + rest; `wave` becomes the projection, `rest` keep_f · F + keep_p · projection."""
    misfit = np.float32(0)
    power = np.float32(0)
    kf, kp = np.float32(keep_f), np.float32(keep_p)
    for i in range(amplitude.size):
        re = wave[2 * i] + rest[2 * i]
        im = wave[2 * i + 1] + rest[2 * i + 1]
        a = amplitude[i]
        square = re * re + im * im + np.float32(1e-30)
        inverse = np.float32(1) / math.sqrt(square)
        known = a >= np.float32(0)
        factor = a * inverse if known else np.float32(1)
        difference = square * inverse - a if known else np.float32(0)
        misfit += difference * difference
        power += factor * factor * square
        keep = kf + kp * factor
        wave[2 * i] = re * factor
        wave[2 * i + 1] = im * factor
        rest[2 * i] = re * keep
        rest[2 * i + 1] = im * keep
    return misfit, power


@compiled
def update(g: Floats, p: Floats, support: Bytes, in_g: float, in_p: float, out_g: float, out_p: float) -> None:
    """g ← in_g · g + in_p · p inside the support, out_g · g + out_p · p outside.

    p ← what that is more than out_g · g + out_p · p: nothing outside the support; it is transformed next.
    """
    ag, ap = np.float32(out_g), np.float32(out_p)
    bg, bp = np.float32(in_g) - ag, np.float32(in_p) - ap
    for i in range(support.size):
        s = np.float32(support[i])
        re = s * (bg * g[2 * i] + bp * p[2 * i])
        im = s * (bg * g[2 * i + 1] + bp * p[2 * i + 1])
        g[2 * i] = ag * g[2 * i] + ap * p[2 * i] + re
        g[2 * i + 1] = ag * g[2 * i + 1] + ap * p[2 * i + 1] + im
        p[2 * i] = re
        p[2 * i + 1] = im


@compiled
def split(g: Floats, p: Floats, held: Floats, support: Bytes, beta: float, norm: float) -> None:
    """First half of the difference map, P = norm · p (see `steps.difference_map`).

    g ← kept; p ← what the probe is more than ρ/β; `held` ← what kept is more than β · probe: both nothing outside
    the support.
    """
    b, more, step = np.float32(beta), np.float32((beta + 1) * norm), np.float32(1 - 1 / beta)
    for i in range(support.size):
        s = np.float32(support[i])
        o = np.float32(1) - s
        re = g[2 * i]
        im = g[2 * i + 1]
        new_re = s * more * p[2 * i]
        new_im = s * more * p[2 * i + 1]
        g[2 * i] = o * re + new_re
        g[2 * i + 1] = o * im + new_im
        held[2 * i] = new_re - s * b * re
        held[2 * i + 1] = new_im - s * b * im
        p[2 * i] = s * step * re
        p[2 * i + 1] = s * step * im


@compiled
def rejoin(g: Floats, p: Floats, held: Floats, out_p: float) -> None:
    """Second half of the difference map: g ← g + out_p · p; p ← `held`."""
    ap = np.float32(out_p)
    for i in range(g.size):
        g[i] += ap * p[i]
        p[i] = held[i]


@compiled
def energy(p: Floats, support: Bytes) -> np.float32:
    """Σ|p|² inside the support."""
    inside = np.float32(0)
    for i in range(support.size):
        power = p[2 * i] * p[2 * i] + p[2 * i + 1] * p[2 * i + 1]
        inside += np.float32(support[i]) * power
    return inside


@compiled
def _fill(tile: Floats, wave: Floats, column: int, start: int, stop: int) -> None:
    """The planes `start` to `stop` of a column of `wave` → the tile, zero elsewhere; in floats, row by row."""
    width = tile.shape[1] - PADDED
    for plane in range(tile.shape[0]):
        row = tile[plane]
        if start <= plane < stop:
            there = wave[plane, column * width : (column + 1) * width]
            for k in range(width):  # element by element: slices of unknown strides take four times as long
                row[k] = there[k]
        else:
            for k in range(width):
                row[k] = np.float32(0)


@compiled
def _empty(tile: Floats, wave: Floats, column: int, start: int, stop: int) -> None:
    """The planes `start` to `stop` of the tile → a column of `wave`."""
    width = tile.shape[1] - PADDED
    for plane in range(start, stop):
        row, there = tile[plane], wave[plane, column * width : (column + 1) * width]
        for k in range(width):
            there[k] = row[k]


@compiled
def modulus_sweep(
    columns: tuple[int, int],
    forward: int,
    backward: int,
    tile: Floats,
    wave: Floats,
    rest: Floats,
    amplitude: Floats,
    source: tuple[int, int],
    target: tuple[int, int],
    rests: bool,
    keep_f: float,
    keep_p: float,
) -> tuple[float, float]:
    """`wave`, known in the planes `source`, → its modulus projection in the planes `target`, in a range of columns.

    `rest` is added to it if `rests`, and replaced as by `project`; else it is zero and stays. Returns the sums of
    `modulus`.
    """
    misfit, power = 0.0, 0.0
    place, flat = tile.ctypes.data, tile.reshape(tile.size)
    for column in range(columns[0], columns[1]):
        _fill(tile, wave, column, source[0], source[1])
        execute(forward, place, place)
        if rests:
            one, other = project(flat, rest[column], amplitude[column], keep_f, keep_p)
        else:
            one, other = modulus(flat, amplitude[column])
        misfit += float(one)
        power += float(other)
        execute(backward, place, place)
        _empty(tile, wave, column, target[0], target[1])
    return misfit, power


@compiled
def gather_sweep(
    columns: tuple[int, int],
    forward: int,
    backward: int,
    tile: Floats,
    wave: Floats,
    rest: Floats,
    into: Floats,
    source: tuple[int, int],
    target: tuple[int, int],
    keep: bool,
) -> None:
    """`wave`, known in the planes `source`, + `rest` → the planes `target` of `into`, in a range of columns; to `rest`
    as well, if asked to keep."""
    place, flat = tile.ctypes.data, tile.reshape(tile.size)
    for column in range(columns[0], columns[1]):
        _fill(tile, wave, column, source[0], source[1])
        execute(forward, place, place)
        flat += rest[column]
        if keep:
            rest[column] = flat
        execute(backward, place, place)
        _empty(tile, into, column, target[0], target[1])


@compiled
def update_sweep(
    pieces: tuple[int, int],
    forward: int,
    backward: int,
    g: Floats,
    wave: Floats,
    support: Bytes,
    weights: tuple[float, float, float, float],
    measure: bool,
) -> float:
    """Transform pieces of `wave` back, `update` them, transform them; Σ|p|² inside the support, if asked to measure."""
    inside = 0.0
    for piece in range(pieces[0], pieces[1]):
        place = wave[piece].ctypes.data
        execute(backward, place, place)
        if measure:
            inside += float(energy(wave[piece], support[piece]))
        update(g[piece], wave[piece], support[piece], weights[0], weights[1], weights[2], weights[3])
        execute(forward, place, place)
    return inside


@compiled
def split_sweep(
    pieces: tuple[int, int],
    forward: int,
    backward: int,
    g: Floats,
    wave: Floats,
    held: Floats,
    support: Bytes,
    beta: float,
    norm: float,
    measure: bool,
) -> float:
    """As `update_sweep`, with `split`."""
    inside = 0.0
    for piece in range(pieces[0], pieces[1]):
        place = wave[piece].ctypes.data
        execute(backward, place, place)
        if measure:
            inside += float(energy(wave[piece], support[piece]))
        split(g[piece], wave[piece], held[piece], support[piece], beta, norm)
        execute(forward, place, place)
    return inside


@compiled
def rejoin_sweep(
    pieces: tuple[int, int], forward: int, backward: int, g: Floats, wave: Floats, held: Floats, out_p: float
) -> float:
    """As `update_sweep`, with `rejoin`; measures nothing."""
    for piece in range(pieces[0], pieces[1]):
        place = wave[piece].ctypes.data
        execute(backward, place, place)
        rejoin(g[piece], wave[piece], held[piece], out_p)
        execute(forward, place, place)
    return 0.0


@compiled
def forward_sweep(pieces: tuple[int, int], forward: int, wave: Floats) -> float:
    """Transform pieces of `wave`."""
    for piece in range(pieces[0], pieces[1]):
        place = wave[piece].ctypes.data
        execute(forward, place, place)
    return 0.0
