"""How a message declares an array: its axes, dtype and unit stand beside the field."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Array(NamedTuple):
    """Declaration of an array field: named axes, the dtype on the wire, the unit, its meaning."""

    axes: tuple[str, ...]
    dtype: str
    unit: str
    meaning: str = ""


FrameStack = Annotated[NDArray[np.uint32], Array(("frame", "row", "column"), "<u4", "counts")]
PerFrameInt = Annotated[NDArray[np.int32], Array(("frame",), "<i4", "1")]
PerFrame = Annotated[NDArray[np.float64], Array(("frame",), "<f8", "declared by the field's name")]
PixelMask = Annotated[NDArray[np.uint32], Array(("row", "column"), "<u4", "0 = trusted")]
FlatField = Annotated[NDArray[np.float32], Array(("row", "column"), "<f4", "1")]
LabVolume = Annotated[NDArray[np.float32], Array(("z", "y", "x"), "<f4", "declared by the field's name")]
LabSupport = Annotated[NDArray[np.uint8], Array(("z", "y", "x"), "|u1", "0 outside, 1 inside")]


def declaration(annotation: Any) -> Array | None:
    """The `Array` declared on a type annotation (optional or not), or None if it is no array field."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        for extra in getattr(candidate, "__metadata__", ()):
            if isinstance(extra, Array):
                return extra
    return None
