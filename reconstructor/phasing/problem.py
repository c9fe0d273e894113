"""What is to be phased, what a run starts from, and what it gives.

Everything here is in natural order, axes (rocking, row, column): the Bragg peak at index n // 2 of each axis of
the data, the crystal about index n // 2 of each axis of the object. Forward FFT from object to diffraction
(kernel exp(−i q·r)), not normalised: Σ|F|² = N Σ|ρ|².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Real = NDArray[np.float32]
Complex = NDArray[np.complex64]
Mask = NDArray[np.bool_]
Shape = tuple[int, int, int]


class PhasingError(ValueError):
    """These data, this support or this recipe cannot be phased; the text names what was found and what is wanted."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A rocking curve ready to be phased.

    A measured voxel is modelled as I = response · (|Fρ|² + background), |Fρ|² convolved with the estimate's psf where
    the light is partially coherent. Voxels neither `known` nor `free` were not
    measured, or are not trusted: their counts are never read.
    """

    counts: Real
    """Raw counts (sums, where binned), ≥ 0, whatever in unknown voxels."""
    known: Mask
    """Measured, trusted and used by the modulus projection. A known zero is a measured zero."""
    free: Mask
    """Measured and trusted but kept from the projection, to judge by: `known` and `free` never meet."""
    response: Real | None = None
    """Counts a photon of the model gives: monitor × exposure × flat field, about 1; None for 1 everywhere."""
    background: float = 0.0
    """Added to |Fρ|², in photons a voxel."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def shape(self) -> Shape:
        """(rocking, row, column)"""
        n0, n1, n2 = self.counts.shape
        return n0, n1, n2

    @property
    def measured(self) -> Mask:
        """Known or free."""
        return self.known | self.free


def _check_flags(**masks: Mask) -> None:
    for name, mask in masks.items():
        if mask.dtype != np.bool_:
            raise PhasingError(f"{name} is {mask.dtype}; wanted bool")


def _check(problem: Problem) -> None:
    counts, known, free = problem.counts, problem.known, problem.free
    if counts.ndim != 3 or counts.dtype != np.float32:
        raise PhasingError(f"counts are {counts.dtype} of shape {counts.shape}; wanted float32 (rocking, row, column)")
    _check_flags(known=known, free=free)
    for name, array in (("known", known), ("free", free), ("response", problem.response)):
        if array is not None and array.shape != counts.shape:
            raise PhasingError(f"{name} has shape {array.shape}; wanted that of the counts, {counts.shape}")
    both = int(np.count_nonzero(known & free))
    if both:
        raise PhasingError(f"{both} voxels are known and free at once; wanted none")
    used = counts[known | free]
    if not np.isfinite(used).all() or (used < 0).any():
        bad = int(np.count_nonzero(~np.isfinite(used) | (used < 0)))
        raise PhasingError(f"{bad} measured voxels hold NaN, infinite or negative counts; wanted counts ≥ 0")
    if not (np.isfinite(problem.background) and problem.background >= 0):
        raise PhasingError(f"background is {problem.background} photons a voxel; wanted a finite number ≥ 0")
    if problem.response is not None:
        response = problem.response[known | free]
        if not (np.isfinite(response) & (response > 0)).all():
            wanted = "> 0, and finite (mark the others unknown)"
            raise PhasingError(f"response is not positive in every measured voxel; wanted {wanted}")


@dataclass(frozen=True, eq=False)
class Start:
    """What a run starts from. Nothing given: cold (random object in the autocorrelation's support)."""

    obj: Complex | None = None
    """Object of the problem's shape, natural order; a window that moved by δ voxels multiplies it by a ramp."""
    support: Mask | None = None
    """Support of the problem's shape, natural order; it is grown by the recipe's `grow_voxels` first."""
    psf: Real | None = None
    """Partial coherence found before (see `coherence`): it holds until a stage looks for it anew."""

    def __post_init__(self) -> None:
        for name, array in (("object", self.obj), ("support", self.support)):
            if array is not None and array.ndim != 3:
                raise PhasingError(f"the start {name} has shape {array.shape}; wanted three axes")
        if self.obj is not None and self.support is not None and self.obj.shape != self.support.shape:
            raise PhasingError(
                f"the start support has shape {self.support.shape}; wanted that of the start object, {self.obj.shape}"
            )

    @property
    def warm(self) -> bool:
        """Whether anything is known beforehand."""
        return self.obj is not None or self.support is not None


@dataclass(frozen=True)
class Misfit:
    """How well |Fρ|², scaled to the known counts, tells the counts. None: not determined (no such voxels)."""

    r_factor: float
    """Σ(√(Ic/s) − √(Io/s))² / Σ Io/s on known voxels, s the response."""
    llk: float | None
    """Poisson deviance 2Σ[Ic − Io + Io ln(Io/Ic)] on known voxels over N_known − N_support."""
    llk_ratio: float | None
    """`llk` over its expectation if Ic were true."""
    free_llk: float | None
    """The deviance on free voxels over their number."""
    free_llk_ratio: float | None
    """`free_llk` over its expectation if Ic were true."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """An object that has passed the support projection, with its misfit.

    Kept as the block that bounds the support. In a low-resolution stage `shape` is smaller than the problem's: the
    field of view is the same, the voxels are larger.
    """

    shape: Shape
    corner: Shape
    """Index of the block's first voxel in the full volume."""
    block: Complex
    """The object in the support's bounding box, zero outside the support."""
    inside: Mask
    """The support in the same box."""
    iteration: int
    """Iterations this run has done."""
    iterations: int
    """Iterations this run will do."""
    step: str
    """Algorithm of the last iteration, e.g. "RAAR"."""
    stage: int
    """Place in the recipe, from 0."""
    iterate_r: float
    """R of the iterate (before the support projection) at the last iteration: cheap, for progress only."""
    energy_outside: float
    """Share of Σ|ρ|² outside the support after the last modulus projection, before the support projection."""
    misfit: Misfit | None = None
    """Given at the end of each stage."""
    psf: Real | None = None
    """Partial coherence: what |Fρ|² is convolved with (see `coherence`); None where fully coherent."""

    @property
    def last(self) -> bool:
        """Whether the run is over."""
        return self.iteration >= self.iterations

    @property
    def obj(self) -> Complex:
        """The whole object, (rocking, row, column) in natural order; a new array."""
        full = np.zeros(self.shape, np.complex64)
        full[self._box] = self.block
        return full

    @property
    def support(self) -> Mask:
        """The whole support; a new array."""
        full = np.zeros(self.shape, np.bool_)
        full[self._box] = self.inside
        return full

    @property
    def _box(self) -> tuple[slice, ...]:
        return tuple(slice(c, c + n) for c, n in zip(self.corner, self.block.shape, strict=True))


def free_llk(estimate: Estimate) -> float:
    """What estimates are ranked by: free LLK; where no voxel is free the LLK of the known ones, else infinite."""
    misfit = estimate.misfit
    for value in (misfit.free_llk, misfit.llk) if misfit else ():
        if value is not None:
            return value
    return float("inf")


def amplitude(problem: Problem) -> Real:
    """√(counts / response − background) of the model where known, −1 where not; natural order.

    Raises PhasingError when there is nothing to phase.
    """
    known = int(np.count_nonzero(problem.known))
    if not known:
        raise PhasingError("0 of the voxels are known; wanted at least one measured frame")
    intensity = problem.counts if problem.response is None else problem.counts / _positive(problem.response)
    if problem.background:
        intensity = np.maximum(intensity - np.float32(problem.background), np.float32(0))
    found = float(np.sum(intensity, where=problem.known, dtype=np.float64))
    if found <= 0:
        raise PhasingError(f"all {known} known voxels hold zero counts above background; wanted at least one photon")
    out: Real = np.where(problem.known, np.sqrt(np.maximum(intensity, 0)), np.float32(-1)).astype(np.float32)
    return out


def _positive(response: Real) -> Real:
    out: Real = np.where(response > 0, response, np.float32(1))
    return out


def free_pixels(shape: Shape, measured: Mask, seed: int, share: float = 0.05, radius: int = 3) -> Mask:
    """Draw the free voxels of a scan: `share` of `measured` in islands of `radius`, none in the central 5 %.

    One mask a scan, shared by every run and stage: give the scan's seed, and the whole window. The central part
    left out is |k| ≤ 0.05 n along each axis about n // 2 (an ellipsoid).
    """
    if not 0 <= share < 1:
        raise PhasingError(f"the share of free pixels is {share}; wanted 0 ≤ share < 1")
    rng = np.random.default_rng(seed)
    r = np.arange(-radius, radius + 1)
    ball = r[:, None, None] ** 2 + r[None, :, None] ** 2 + r[None, None, :] ** 2 <= radius**2
    size = int(np.prod(shape))
    spots = np.zeros(shape, np.bool_)
    # islands overlap: n balls cover 1 − exp(−n·ball/size) of the volume
    wanted = round(-np.log1p(-share) * size / ball.sum())
    spots.ravel()[rng.integers(0, size, wanted)] = True
    islands: Mask = ndimage.binary_dilation(spots, ball)
    distance = np.zeros(shape, np.float32)
    for axis, n in enumerate(shape):
        k = ((np.arange(n) - n // 2) / (0.05 * n)) ** 2
        distance += np.expand_dims(k.astype(np.float32), tuple(a for a in range(3) if a != axis))
    return islands & (distance > 1) & measured
