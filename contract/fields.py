"""How a message declares an array: its axes, dtype and unit stand beside the field."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Array(NamedTuple):
    """Declaration of an array field: named axes, the dtype on the wire, the unit ("": the field's name tells it)."""

    axes: tuple[str, ...]
    dtype: str
    unit: str = ""


FrameStack = Annotated[NDArray[np.uint32], Array(("frame", "row", "column"), "<u4", "counts")]
PerFrameInt = Annotated[NDArray[np.int32], Array(("frame",), "<i4", "1")]
PerFrame = Annotated[NDArray[np.float64], Array(("frame",), "<f8")]
PixelMask = Annotated[NDArray[np.uint32], Array(("row", "column"), "<u4", "0 = trusted")]
FlatField = Annotated[NDArray[np.float32], Array(("row", "column"), "<f4", "1")]
LabVolume = Annotated[NDArray[np.float32], Array(("z", "y", "x"), "<f4")]
LabSupport = Annotated[NDArray[np.uint8], Array(("z", "y", "x"), "|u1", "0 outside, 1 inside")]


UNITS = {
    "_s": "s",
    "_deg": "°",
    "_v": "V",
    "_kev": "keV",
    "_mm": "mm",
    "_um": "µm",
    "_um3": "µm³",
    "_nm": "nm",
    "_px": "pixel",
    "_counts": "counts",
    "_a": "Å",
    "_inv_a": "1/Å",
}
"""Endings of names and the units they stand for; the longest that fits counts."""


def unit_of(name: str) -> str | None:
    """The unit that a field's name ends in, e.g. "°" for "angle_deg"; None if it tells none."""
    fitting = [ending for ending in UNITS if name.endswith(ending)]
    return UNITS[max(fitting, key=len)] if fitting else None


def declaration(annotation: Any) -> Array | None:
    """The `Array` declared on a type annotation (optional or not), or None if it is no array field."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        for extra in getattr(candidate, "__metadata__", ()):
            if isinstance(extra, Array):
                return extra
    return None
