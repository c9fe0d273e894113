"""What intensities leave open about an object, settled by convention: place, phase ramp, constant phase, hand.

Array frame throughout: axes (rocking, row, column), direct steps (rows of `steps_nm`, each (x, y, z) in nm).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reconstructor.phasing.problem import Complex, Mask

Scalar = TypeVar("Scalar", bound=np.generic)
Signature = tuple[float, ...]
"""Numbers of an object that change sign with its hand and with nothing else."""


@dataclass(frozen=True, eq=False)
class Upright:
    """An object freed of what the data do not tell."""

    obj: Complex
    """Zero outside the support; the phase ramp and the mean phase are removed."""
    support: Mask
    centre: tuple[float, float, float]
    """Centre of mass of the support, in voxels."""
    twinned: bool
    """Whether the object given was inverted and conjugated."""
    signature: Signature


def upright(obj: Complex, support: Mask, steps_nm: NDArray[np.float64], like: Signature | None = None) -> Upright:
    """Settle an object: centred, without ramp and constant phase, in the hand nearest to that of `like`.

    Without `like` the hand is a convention (the largest number of the signature is positive), not a finding. The
    arrays are cut to a box about the support, so they are smaller than those given.
    """
    mask = _centred(support, support)
    box = _box(mask)
    whole = np.where(mask, _centred(obj, support), np.complex64(0))[box].astype(np.complex64)
    mask = mask[box]
    whole = without_ramp(whole)
    found = signature(whole, mask, steps_nm)
    turn = sided(found, like) < 0
    if turn:
        whole, mask = without_ramp(twin(whole)), twin(mask)
        found = signature(whole, mask, steps_nm)
    return Upright(whole, mask, centre_of(mask), turn, found)


def twin(volume: NDArray[Scalar]) -> NDArray[Scalar]:
    """The other object of the same intensities: inverted about n // 2 and conjugated."""
    turned = np.roll(volume[::-1, ::-1, ::-1], [1 - n % 2 for n in volume.shape], axis=(0, 1, 2))
    return np.asarray(np.conj(turned) if np.iscomplexobj(turned) else turned, dtype=volume.dtype)


def without_ramp(obj: Complex) -> Complex:
    """Without the mean phase gradient (mean of wrapped differences, weighted with |ρ|²) and the mean phase."""
    out = obj
    for _ in range(3):
        for axis, n in enumerate(obj.shape):
            ahead = np.take(out, range(1, n), axis=axis)
            behind = np.take(out, range(n - 1), axis=axis)
            slope = float(np.angle(np.vdot(behind, ahead)))
            turn = np.exp(-1j * slope * (np.arange(n) - n // 2)).astype(np.complex64)
            out = out * np.expand_dims(turn, tuple(a for a in range(3) if a != axis))
    mean = complex(out.sum(dtype=np.complex128))
    final: Complex = (out * np.complex64(np.exp(-1j * np.angle(mean)))).astype(np.complex64)
    return final


def signature(obj: Complex, support: Mask, steps_nm: NDArray[np.float64]) -> Signature:
    """Third moments of |ρ| and second moments of |ρ| sin φ in laboratory axes, in units of the crystal's radius.

    Both kinds change sign when the object is inverted and conjugated; neither depends on the voxels.
    """
    index = np.stack(np.nonzero(support)).astype(float)
    values = obj[support]
    weight = np.abs(values).astype(float)
    total = float(weight.sum())
    if total <= 0:
        return (0.0,) * 16
    place = steps_nm.T @ (index - (index @ weight / total)[:, None])
    place /= np.sqrt(float((np.square(place).sum(axis=0) @ weight) / total)) or 1.0
    odd = weight * np.sin(np.angle(values))
    odd = odd - weight * (odd.sum() / total)
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    triples = [(i, j, k) for i, j in pairs for k in range(j, 3)]
    moments = [float((place[i] * place[j] * place[k]) @ weight) / total for i, j, k in triples]
    moments += [float((place[i] * place[j]) @ odd) / total for i, j in pairs]
    return tuple(moments)


def sided(found: Signature, like: Signature | None) -> float:
    """Positive where an object has the hand of `like` (or, without one, of the convention); −1 … 1."""
    mine = np.asarray(found)
    size = float(np.linalg.norm(mine))
    if size == 0:
        return 0.0
    if like is None:
        return float(mine[int(np.argmax(np.abs(mine)))]) / size
    other = np.asarray(like)
    return float(mine @ other) / (size * (float(np.linalg.norm(other)) or 1.0))


def centre_of(support: Mask) -> tuple[float, float, float]:
    """Centre of mass of a support, in voxels."""
    a, b, c = (float(along.mean()) for along in np.nonzero(support))
    return a, b, c


def _box(mask: Mask) -> tuple[slice, ...]:
    """Symmetric about n // 2 along each axis, so that the twin fits it too, and a voxel larger than the support."""
    box = []
    for axis, n in enumerate(mask.shape):
        along = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        half = 1 + max(n // 2 - int(along[0]), int(along[-1]) - n // 2)
        whole = half > n - 1 - n // 2
        box.append(slice(0, n) if whole else slice(n // 2 - half, n // 2 + half + 1))
    return tuple(box)


def _centred(volume: NDArray[Scalar], support: Mask) -> NDArray[Scalar]:
    """Rolled so that the support's centre of mass (on a ring: it may reach over the edge) lies at n // 2."""
    shifts = []
    for axis, n in enumerate(support.shape):
        along = support.sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.int64)
        angle = np.angle(np.sum(along * np.exp(2j * np.pi * np.arange(n) / n)))
        shifts.append(n // 2 - round(float(angle) * n / (2 * np.pi)))
    return np.roll(volume, shifts, axis=(0, 1, 2))
