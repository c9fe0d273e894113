"""A phasing window: which measured voxels it covers, and how many of them make one of its own."""

from __future__ import annotations

from dataclasses import dataclass

Triple = tuple[int, int, int]
Place = tuple[float, float, float]
"""A place on the measured curve, (frame, row, column), voxel centres at whole numbers."""


@dataclass(frozen=True)
class Window3:
    """A box of the measured curve; axes (rocking, row, column).

    Voxel k of axis a covers the raw indices start + k·binning … start + k·binning + binning − 1. It may reach beyond
    what is measured: there everything is unknown.
    """

    start: Triple
    binning: Triple
    shape: Triple

    def __post_init__(self) -> None:
        if min(self.binning) < 1 or min(self.shape) < 1:
            raise ValueError(f"window binned {self.binning} of shape {self.shape}; both must be at least 1 everywhere")

    @property
    def stop(self) -> Triple:
        """First raw index behind the window, along each axis."""
        a, b, c = (s + n * k for s, n, k in zip(self.start, self.shape, self.binning, strict=True))
        return a, b, c

    @property
    def centre(self) -> Place:
        """Place of the centre of voxel n // 2: the origin of q in the phased data."""
        return self.place((self.shape[0] // 2, self.shape[1] // 2, self.shape[2] // 2))

    @property
    def voxels(self) -> int:
        """How many voxels the window has."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def place(self, voxel: Place) -> Place:
        """Place on the measured curve of the centre of a voxel of the window (fractions allowed)."""
        a, b, c = (s + k * n + (n - 1) / 2 for s, k, n in zip(self.start, voxel, self.binning, strict=True))
        return a, b, c

    def voxel(self, place: Place) -> Place:
        """The inverse of `place`."""
        a, b, c = ((p - (n - 1) / 2 - s) / n for s, p, n in zip(self.start, place, self.binning, strict=True))
        return a, b, c


def around(place: Place, binning: Triple, shape: Triple) -> Window3:
    """The window whose voxel n // 2 lies nearest to a place of the measured curve."""
    start = tuple(round(p - (n - 1) / 2 - (size // 2) * n) for p, n, size in zip(place, binning, shape, strict=True))
    return Window3((start[0], start[1], start[2]), binning, shape)
