"""What can be set of the reconstructor."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from contract.settings import ServiceSettings, SettingsError
from contract.stream import Addresses
from reconstructor import support_file
from reconstructor.offers import Recipes
from reconstructor.phasing import notation, recipe_file
from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.recipe import Recipe
from reconstructor.support_file import SupportFile
from reconstructor.windows import Limits


class ReconstructorSettings(ServiceSettings):
    """Settings of `bragglive reconstructor`; section [reconstructor], environment BRAGGLIVE_RECONSTRUCTOR_…"""

    metrics_port: int = Field(default=5622, ge=0, le=65535)
    streamer_live: str = "tcp://127.0.0.1:5610"
    """Where the streamer publishes frames."""
    streamer_control: str = "tcp://127.0.0.1:5611"
    live: str = "tcp://127.0.0.1:5620"
    """Where volumes are published."""
    control: str = "tcp://127.0.0.1:5621"
    folder: Path = Path("data")
    """Archives of volumes go to its folder `volumes`."""
    workers: int = Field(default=0, ge=0)
    """Runs at a time, one a thread; 0 for as many as this process has cores."""
    provisional_recipe: str = "provisional"
    """Name of a recipe of this package, a TOML file, or a line of notation."""
    refined_recipes: tuple[str, ...] = ("refined",)
    """The best first; a cheaper one is taken where the hold leaves no time for it."""
    support: Path | None = None
    """An archived volume (.cxi) or an array (.npy) in whose support cold runs begin."""
    provisional_s: float = Field(default=2.0, gt=0)
    """A provisional volume should take no longer; its window shrinks until it does."""
    provisional_side: int = Field(default=96, ge=16)
    """Most voxels a side of a provisional window."""
    refined_side: int = Field(default=128, ge=16)
    """Most voxels a side of a refined window."""
    scans_kept: int = Field(default=4, ge=1)
    """Curves kept in memory; older ones make room."""

    @property
    def streamer(self) -> Addresses:
        """The stream of frames."""
        return Addresses(live=self.streamer_live, control=self.streamer_control)

    @property
    def volumes(self) -> Addresses:
        """The stream of volumes."""
        return Addresses(live=self.live, control=self.control)

    @property
    def threads(self) -> int:
        """Runs at a time."""
        return self.workers or len(os.sched_getaffinity(0))

    def recipes(self) -> Recipes:
        """By which recipes, on which windows. SettingsError: a recipe that cannot be read."""
        limits = Limits(self.provisional_side, self.refined_side)
        refined = tuple(_recipe(text) for text in self.refined_recipes)
        if not refined:
            raise SettingsError("refined_recipes is empty; wanted at least one recipe")
        return Recipes(_recipe(self.provisional_recipe), refined, limits)

    def given_support(self) -> SupportFile | None:
        """The support cold runs begin in, if one is given. SettingsError: it cannot be read."""
        try:
            return None if self.support is None else support_file.read(self.support)
        except ValueError as reason:
            raise SettingsError(str(reason)) from reason


def _recipe(text: str) -> Recipe:
    try:
        if text.endswith(".toml"):
            return recipe_file.load(Path(text))
        if text.isidentifier():
            return recipe_file.default(text)
        return notation.parse(text)
    except (PhasingError, OSError) as reason:
        raise SettingsError(f"recipe {text!r} cannot be used: {reason}") from reason
