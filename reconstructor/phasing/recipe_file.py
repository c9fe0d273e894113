"""Recipes as TOML files; the default ones lie in this package's folder `recipes`."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from reconstructor.phasing.notation import parse
from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.recipe import Recipe

_FIELDS = {"name", "line", "stages", "comment"}


def read(text: str, origin: str) -> Recipe:
    """Read a TOML recipe: `name`, and either `line` (the notation) or `stages` (a list of lines, joined by "|").

    Raises PhasingError naming `origin`.
    """
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise PhasingError(f"recipe {origin} is no TOML: {wrong}") from None
    unknown = sorted(found.keys() - _FIELDS)
    if unknown:
        raise PhasingError(f"recipe {origin} has {', '.join(unknown)}; wanted only {', '.join(sorted(_FIELDS))}")
    if {"line", "stages"} <= found.keys():
        raise PhasingError(f"recipe {origin} has both line and stages; wanted one of them")
    name, stages = found.get("name"), found.get("stages", [found.get("line")])
    if not isinstance(name, str) or not isinstance(stages, list) or not all(isinstance(s, str) for s in stages):
        raise PhasingError(
            f"recipe {origin} gives name {name!r} and stages {stages!r}; wanted a name and lines of text"
        )
    try:
        return parse(" | ".join(stages), name)
    except PhasingError as wrong:
        raise PhasingError(f"recipe {origin}: {wrong}") from None


def load(path: Path) -> Recipe:
    """Read a recipe from a TOML file."""
    return read(path.read_text(encoding="utf-8"), str(path))


def default(name: str) -> Recipe:
    """A recipe of this package: "refined", "partial" (for partially coherent beams) or "provisional"."""
    file = resources.files("reconstructor.phasing").joinpath("recipes", f"{name}.toml")
    if not file.is_file():
        raise PhasingError(f"no recipe {name!r} in this package; wanted refined, partial or provisional")
    return read(file.read_text(encoding="utf-8"), name)
