"""Which ways there are to phase a scan: windows and recipes, the best first. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from contract.messages import ScanStarted
from reconstructor.jobs import Offer
from reconstructor.phasing.recipe import Recipe
from reconstructor.window import Place, Triple
from reconstructor.windows import Limits, Oversampling, guessed, provisional_window, refined_windows

SMALLER_SIDES = (80, 64)


@dataclass(frozen=True)
class Recipes:
    """By which recipes, on which windows."""

    provisional: Recipe
    refined: tuple[Recipe, ...]
    """The best first; a cheaper one is taken where the time left asks for it."""
    limits: Limits = field(default_factory=Limits)


def offers(
    sizes: Triple, place: Place, sampled: Oversampling, recipes: Recipes
) -> tuple[tuple[Offer, ...], tuple[Offer, ...]]:
    """Provisional and refined ways to phase a curve with its peak at `place`, the best first, each next one cheaper."""
    largest = recipes.limits.provisional_side
    sides = [largest, *(side for side in SMALLER_SIDES if side < largest)]
    windows = [provisional_window(sizes, place, sampled, Limits(provisional_side=side)) for side in sides]
    provisional = tuple(Offer(window, recipes.provisional) for window in dict.fromkeys(windows))
    refined = tuple(
        Offer(window, recipe)
        for window in refined_windows(sizes, place, sampled, recipes.limits)
        for recipe in recipes.refined
    )
    return provisional, refined


def likely_offers(started: ScanStarted, recipes: Recipes) -> tuple[tuple[Offer, ...], tuple[Offer, ...]]:
    """On what a scan of this size will probably be phased (provisional, refined), before its first frame."""
    sizes = (started.frames_expected, started.window.rows, started.window.columns)
    middle = (float(sizes[0] // 2), float(sizes[1] // 2), float(sizes[2] // 2))
    return offers(sizes, middle, guessed(sizes), recipes)
