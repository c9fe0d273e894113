"""The words of the notation: what each setting is called, what it takes, where it goes in a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from reconstructor.phasing.recipe import (
    BREEDINGS,
    SHAPES,
    Beginning,
    Coherence,
    Guided,
    Runs,
    Shrinkwrap,
    Stage,
    Step,
    TwinRemoval,
)
from reconstructor.phasing.steps import Algorithm
from reconstructor.phasing.support import LEVELS

Kind = Literal["range", "number", "whole", "word"]
YES_NO = ("yes", "no")

ARGUMENT: dict[Algorithm, tuple[str, float]] = {
    "ER": ("beta", 0.9),
    "HIO": ("beta", 0.9),
    "RAAR": ("beta", 0.9),
    "DM": ("beta", 0.9),
    "SF": ("beta", 0.9),
    "CF": ("threshold", 0.3),
}
"""What stands in the brackets of a step, and what it is where they are missing; ML has no brackets."""


class Field(NamedTuple):
    """One argument of a setting."""

    key: str
    """Field of the recipe's part."""
    kind: Kind
    words: tuple[str, ...] = ()
    """Of a word: those allowed; yes and no stand for True and False."""
    quiet: bool = False
    """Not written at its default: recipes older than the argument keep their hash."""


class Setting(NamedTuple):
    """A word with arguments in brackets."""

    key: str
    """Field of Stage, or of Recipe."""
    fields: dict[str, Field]
    make: Callable[..., Any]
    recipe: bool = False


SETTINGS: dict[str, Setting] = {
    "Sup": Setting(
        "shrinkwrap",
        {
            "every": Field("every", "whole"),
            "threshold": Field("threshold", "range"),
            "sigma": Field("sigma_voxels", "range"),
            "fraction": Field("fraction", "range"),
            "by": Field("by", "word", LEVELS, quiet=True),
            "grows": Field("grows", "word", YES_NO, quiet=True),
        },
        Shrinkwrap,
    ),
    "Twin": Setting("twin", {"at": Field("at", "number"), "iterations": Field("iterations", "whole")}, TwinRemoval),
    "Coherent": Setting(
        "coherence",
        {
            "at": Field("at", "number"),
            "every": Field("every", "whole"),
            "reach": Field("reach_voxels", "whole"),
            "iterations": Field("iterations", "whole"),
        },
        Coherence,
    ),
    "Crop": Setting(
        "crop", {"share": Field("share", "number")}, lambda share=1.0: Stage((Step("ER", 1),), crop=share).crop
    ),
    "Tries": Setting(
        "tries", {"number": Field("number", "whole")}, lambda number=1: Stage((Step("ER", 1),), tries=number).tries
    ),
    "Start": Setting(
        "beginning",
        {
            "autocorrelation": Field("autocorrelation", "range"),
            "grow": Field("grow_voxels", "whole"),
            "shape": Field("shape", "word", SHAPES, quiet=True),
            "size": Field("size", "range", quiet=True),
        },
        Beginning,
        recipe=True,
    ),
    "Runs": Setting(
        "runs",
        {key: Field(key, "whole") for key in ("cold", "warm", "least")},
        lambda cold=20, warm=0, least=1: Runs(cold, warm, least),
        recipe=True,
    ),
    "Guided": Setting(
        "guided",
        {
            "generations": Field("generations", "whole"),
            "breeding": Field("breeding", "word", BREEDINGS),
            "keep": Field("keep", "number"),
            "sigma": Field("sigma_voxels", "range"),
        },
        Guided,
        recipe=True,
    ),
}
