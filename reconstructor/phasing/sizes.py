"""Lengths of an FFT axis that are fast: multiples of 16 with the factors 2, 3 and 5 (measured)."""

from __future__ import annotations

from reconstructor.phasing.problem import PhasingError, Shape

FAST: tuple[int, ...] = tuple(
    sorted(
        n
        for two in range(4, 11)
        for three in range(4)
        for five in range(3)
        if (n := 2**two * 3**three * 5**five) <= 1024 and (n < 512 or n % 32 == 0)
    )
)
"""16, 32, 48, 64, 80, 96, 128, 144, 160, 192, 240, 256 …"""


def nearest_fast(length: float) -> int:
    """The fast length nearest to this one."""
    return min(FAST, key=lambda n: abs(n - length))


def smallest_fast(length: float) -> int:
    """The shortest fast length that is not shorter; the longest there is, where none is."""
    return next((n for n in FAST if n >= length), FAST[-1])


def largest_fast(length: int) -> int:
    """The largest fast length that is not longer."""
    if length < FAST[0]:
        raise PhasingError(f"an axis of {length} voxels; wanted at least {FAST[0]}")
    return max(n for n in FAST if n <= length)


def check(shape: Shape) -> None:
    """Refuse a shape whose FFT would be many times slower than need be (a prime factor above 7).

    Raises PhasingError naming the axis, its length and the nearest fast one.
    """
    for axis, length in zip(("rocking", "row", "column"), shape, strict=True):
        if length < 1:
            raise PhasingError(f"the {axis} axis has {length} voxels; wanted at least 1")
        rest = length
        for factor in (2, 3, 5, 7):
            while rest and rest % factor == 0:
                rest //= factor
        if rest != 1:
            raise PhasingError(
                f"the {axis} axis has {length} voxels, a multiple of the slow {rest}; "
                f"wanted factors 2, 3, 5 and 7 only, e.g. {nearest_fast(length)}"
            )
