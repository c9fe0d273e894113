"""One colour table a quantity, the same wherever it is shown, safe for colour-blind people; and the badge's colours."""

from __future__ import annotations

from typing import Literal

import colorcet
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgba
from numpy.typing import NDArray

Quantity = Literal["density", "displacement", "strain", "detector"]

PANEL = "#262930"
TEXT = "#e6e8eb"
MUTED = "#9aa3ad"
ACCENT = "#5cc8ff"
AMBER = "#d9920a"
GREEN = "#2e9e4f"
GREY = "#7b828b"
BRICK = "#c2513d"
SLATE = "#44658f"
VIOLET = "#8460b0"

_COLORCET = {"displacement": "CET_D1A", "strain": "CET_D13", "density": "CET_L1"}


def table(quantity: Quantity) -> NDArray[np.uint8]:
    """Return the (256, 4) RGBA table of a quantity, lowest value first.

    Diverging for displacement (blue −, red +) and strain (blue −, green +), grey for density, inferno for counts.
    """
    if quantity == "detector":
        rgba = colormaps["inferno"](np.linspace(0, 1, 256))
    else:
        rgba = np.array([to_rgba(colour) for colour in colorcet.palette[_COLORCET[quantity]]])
    scaled: NDArray[np.uint8] = np.rint(np.asarray(rgba) * 255).astype(np.uint8)
    return scaled
