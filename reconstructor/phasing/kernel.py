"""What the engine asks of a kernel: the one place where a device, a library or a thread is known."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from reconstructor.phasing.problem import Complex, Mask, Problem, Real, Shape
from reconstructor.phasing.steps import Algorithm
from reconstructor.phasing.support import Level


class Sums(NamedTuple):
    """What the last iteration measured on its way; of ML, what a modulus projection of its outcome measures."""

    misfit: float
    """Σ(|Fg| − A)² over known voxels, g the object before the iteration."""
    inside: float
    """Σ|P|² inside the support, P the (first) modulus projection."""
    total: float
    """Σ|P|² everywhere."""


class Shrunk(NamedTuple):
    """A support update's outcome."""

    voxels: int
    threshold: float
    """The one used, after the fraction guard."""


class Snapshot(NamedTuple):
    """The object inside its support, cut to the box that bounds it."""

    corner: Shape
    block: Complex
    inside: Mask


class Kernel(Protocol):
    """The state of one run on one device; an instance serves one thread at a time, instances are independent.

    Arrays go in and come out in natural order. Only the data are shifted inside, once: the object stays where it
    is, since a shift would only multiply its diffraction by a ramp, which the modulus projection keeps.
    """

    @property
    def shape(self) -> Shape:
        """Of the data loaded."""

    def load(self, amplitude: Real, problem: Problem | None = None) -> None:
        """Take the data (amplitudes, negative where unknown) and make ready for their shape, fully coherent.

        `problem`, of the same shape, holds the raw counts; only ML asks for it, and keeps no part of what went before.
        """

    def blur(self, psf: Real | None) -> None:
        """Partial coherence from now on: √(|Fg|² ⊛ psf) is compared with the amplitudes, and F scaled by their ratio.

        `psf`: odd sizes in reciprocal voxels, no longer than the data's, origin in the middle, ≥ 0, sum 1 (see
        `coherence`). None: fully coherent.
        """

    def put(self, obj: Complex, support: Mask) -> None:
        """Take object and support."""

    def restrict(self, support: Mask) -> None:
        """Take another support; the object stays."""

    def iterate(self, algorithm: Algorithm, beta: float, iterations: int) -> Sums:
        """Do so many iterations; `beta` is CF's threshold, and nothing to ML.

        ML begins afresh with each call. Raises PhasingError for ML where `load` was given no problem.
        """

    def shrink(
        self,
        sigma_voxels: float,
        threshold: float,
        fraction: tuple[float, float],
        by: Level = "rms",
        grows: bool = True,
    ) -> Shrunk:
        """Update the support from the present object, as `support.shrunk` tells; raises PhasingError if it vanishes."""

    def snapshot(self) -> Snapshot:
        """The present object after the support projection; new arrays."""

    def obj(self) -> Complex:
        """The whole present object, before the support projection; a new array."""

    def support(self) -> Mask:
        """The whole present support; a new array."""
