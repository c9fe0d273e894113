"""A recipe is data: stages of steps with their shrinkwrap and twin removal; TOML file or one line of notation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.steps import ALGORITHMS, REFINING, TWICE, WITHOUT_BETA, Algorithm
from reconstructor.phasing.support import LEVELS, Level

Range = tuple[float, float]

BETA = 0.9
MOST_ITERATIONS = 1_000_000
"""Of a step: hours at 64³. More is a slip of the pen, and would never end."""
MOST_TRIES = 1000
MOST_RUNS = 10_000
MOST_GENERATIONS = 100
MOST_COHERENCE_ITERATIONS = 1000


def _want(holds: bool, found: str, wanted: str) -> None:
    if not holds:
        raise PhasingError(f"{found}; wanted {wanted}")


@dataclass(frozen=True)
class Step:
    """Iterations of one algorithm."""

    algorithm: Algorithm
    iterations: int
    beta: float = BETA
    """β; of CF its threshold as a share of the RMS amplitude inside the support. What ER, SF and ML are given is
    dropped, since they do not use it: steps that do the same are equal."""

    def __post_init__(self) -> None:
        _want(self.algorithm in ALGORITHMS, f"algorithm {self.algorithm!r}", "one of " + ", ".join(ALGORITHMS))
        found = f"{self.algorithm} has {self.iterations} iterations"
        _want(1 <= self.iterations <= MOST_ITERATIONS, found, f"at least 1 and at most {MOST_ITERATIONS}")
        _want(0 < self.beta <= 2, f"β of {self.algorithm} is {self.beta}", "0 < β ≤ 2")
        if self.algorithm in WITHOUT_BETA:
            object.__setattr__(self, "beta", BETA)


@dataclass(frozen=True)
class Shrinkwrap:
    """The support from the smoothed object: voxels above threshold × its level inside the present support."""

    every: int = 20
    """Iterations between updates."""
    threshold: Range = (0.15, 0.40)
    """Drawn once a run from this range."""
    sigma_voxels: Range = (2.0, 0.5)
    """Width of the Gaussian, falling exponentially while the support is updated: until the closing ER begins."""
    fraction: Range = (1e-4, 0.7)
    """Of the volume; outside it the threshold gives way by 10 % at a time."""
    by: Level = "rms"
    """The level: RMS, mean or maximum of the smoothed amplitude. One bright voxel decides the maximum."""
    grows: bool = True
    """Whether the new support may hold voxels that the old one did not."""

    def __post_init__(self) -> None:
        _want(self.every >= 1, f"shrinkwrap every {self.every} iterations", "every 1 or more")
        low, high = self.threshold
        _want(0 < low <= high, f"shrinkwrap threshold {low}..{high}", "0 < low ≤ high")
        sigma = self.sigma_voxels
        _want(min(sigma) > 0 and max(sigma) < 1000, f"shrinkwrap sigma {sigma}", "0 < σ < 1000 voxels")
        small, large = self.fraction
        _want(0 <= small < large <= 1, f"support fraction {small}..{large}", "0 ≤ small < large ≤ 1")
        _want(self.by in LEVELS, f"shrinkwrap by {self.by!r}", "one of " + ", ".join(LEVELS))


@dataclass(frozen=True)
class TwinRemoval:
    """Some iterations with half of the support, so that one of object and twin wins."""

    at: float = 0.25
    """Share of the stage's iterations before its closing ER after which it begins."""
    iterations: int = 10

    def __post_init__(self) -> None:
        _want(0 <= self.at < 1, f"twin removal at {self.at}", "0 ≤ at < 1")
        _want(self.iterations >= 1, f"twin removal for {self.iterations} iterations", "at least 1")


@dataclass(frozen=True)
class Coherence:
    """Partial coherence: the point-spread function that blurs the intensity is found with the object."""

    at: float = 0.67
    """Share of the stage's iterations before its closing ER or ML after which it begins; 0 for a stage whose object
    comes from an earlier one."""
    every: int = 20
    """Iterations between updates, as long as the search lasts."""
    reach_voxels: int = 3
    """Half width of the function: 2 · reach + 1 reciprocal voxels along each axis."""
    iterations: int = 10
    """Richardson–Lucy iterations an update."""

    def __post_init__(self) -> None:
        _want(0 <= self.at < 1, f"coherence at {self.at}", "0 ≤ at < 1")
        _want(self.every >= 1, f"coherence every {self.every} iterations", "every 1 or more")
        _want(1 <= self.reach_voxels <= 15, f"a coherence reach of {self.reach_voxels} voxels", "1 to 15")
        found = f"coherence with {self.iterations} iterations an update"
        wanted = f"at least 1 and at most {MOST_COHERENCE_ITERATIONS}"
        _want(1 <= self.iterations <= MOST_COHERENCE_ITERATIONS, found, wanted)


@dataclass(frozen=True)
class Stage:
    """Steps in a row on one resolution."""

    steps: tuple[Step, ...]
    shrinkwrap: Shrinkwrap | None = None
    twin: TwinRemoval | None = None
    coherence: Coherence | None = None
    """None: not looked for. What an earlier stage or the start has found holds; full coherence, where none has."""
    crop: float = 1.0
    """Central share of the window used, along each axis: 0.5 is half the resolution, about ten times the speed.
    A start that has an object enters at the first stage of full resolution."""
    tries: int = 1
    """The best of so many by free LLK goes on: in the first stage of as many random objects, in later ones of as many
    shrinkwrap thresholds from end to end of their range, each tried on the object the stage began with."""

    def __post_init__(self) -> None:
        _want(bool(self.steps), "a stage without steps", "at least one, such as ER**20")
        _want(0 < self.crop <= 1, f"crop {self.crop}", "0 < crop ≤ 1")
        _want(1 <= self.tries <= MOST_TRIES, f"{self.tries} tries", f"at least 1 and at most {MOST_TRIES}")

    @property
    def iterations(self) -> int:
        """Of all its steps, of one try."""
        return sum(step.iterations for step in self.steps)

    @property
    def cost(self) -> float:
        """Iterations of one try in units of one of HIO at its size, within some 20 %: partial coherence doubles them
        from where the stage begins to look for it."""
        plain = sum(step.iterations * (2 if step.algorithm in TWICE else 1) for step in self.steps)
        blurred = 0.0 if self.coherence is None else 1 - self.coherence.at * self.searching / self.iterations
        return plain * (1 + blurred)

    @property
    def searching(self) -> int:
        """Iterations before the closing ER and ML (all, if there is nothing else): as long as these last, the support
        is updated."""
        searching = [place for place, step in enumerate(self.steps) if step.algorithm not in REFINING]
        last = max(searching, default=len(self.steps))
        return sum(step.iterations for step in self.steps[: last + 1])


Shape = Literal["autocorrelation", "ellipsoid", "box"]
SHAPES: tuple[Shape, ...] = ("autocorrelation", "ellipsoid", "box")


@dataclass(frozen=True)
class Beginning:
    """How a start is made."""

    autocorrelation: Range = (0.05, 0.11)
    """Cold: the support is where |autocorrelation| is above this share (drawn a run) of its maximum."""
    grow_voxels: int = 2
    """Warm: the given support is grown by this first."""
    shape: Shape = "autocorrelation"
    """Cold: where the support comes from; the others are known beforehand, and centred."""
    size: Range = (0.5, 0.5)
    """Full width of ellipsoid or box along each axis, as a share (drawn a run) of the field of view."""

    def __post_init__(self) -> None:
        low, high = self.autocorrelation
        _want(0 < low <= high < 1, f"autocorrelation {low}..{high}", "0 < low ≤ high < 1")
        _want(0 <= self.grow_voxels < 1000, f"grow {self.grow_voxels} voxels", "0 to 999")
        _want(self.shape in SHAPES, f"a support of shape {self.shape!r}", "one of " + ", ".join(SHAPES))
        small, large = self.size
        _want(0 < small <= large <= 1, f"a support of size {small}..{large}", "0 < small ≤ large ≤ 1")


@dataclass(frozen=True)
class Runs:
    """How large a population the recipe asks for."""

    cold: int
    warm: int = 0
    """At most so many of them warm, where there is something to start from."""
    least: int = 1
    """Never fewer than this, whatever the deadline."""

    def __post_init__(self) -> None:
        _want(self.cold >= 0 and self.warm >= 0 and self.cold + self.warm >= 1, f"{self}", "at least one run")
        _want(max(self.cold + self.warm, self.least) <= MOST_RUNS, f"{self}", f"at most {MOST_RUNS} runs")


Breeding = Literal["geometric", "mean", "maximum", "minimum"]
BREEDINGS: tuple[Breeding, ...] = ("geometric", "mean", "maximum", "minimum")


@dataclass(frozen=True)
class Guided:
    """Generations of runs: after each the worse ones are culled and the others bred with the best."""

    generations: int = 3
    breeding: Breeding = "geometric"
    """How two amplitudes become one, after alignment; the phase is the best's."""
    keep: float = 0.5
    """Share of the runs, the best by free LLK, that live on."""
    sigma_voxels: Range = (2.0, 1.5)
    """Low-pass of a bred object, falling from the second generation to the last."""

    def __post_init__(self) -> None:
        found = f"{self.generations} generations"
        _want(2 <= self.generations <= MOST_GENERATIONS, found, f"at least 2 and at most {MOST_GENERATIONS}")
        _want(self.breeding in BREEDINGS, f"breeding {self.breeding!r}", "one of " + ", ".join(BREEDINGS))
        _want(0 < self.keep <= 1, f"a share kept of {self.keep}", "0 < keep ≤ 1")
        _want(min(self.sigma_voxels) >= 0, f"a low-pass of {self.sigma_voxels}", "σ ≥ 0 voxels")


@dataclass(frozen=True)
class Recipe:
    """All that decides a run, but its data, start and seed."""

    name: str
    stages: tuple[Stage, ...]
    beginning: Beginning = Beginning()
    runs: Runs = Runs(1)
    guided: Guided | None = None
    """None: runs know nothing of each other."""

    def __post_init__(self) -> None:
        _want(bool(self.stages), f"recipe {self.name!r} without stages", "at least one")

    @property
    def iterations(self) -> int:
        """Iterations of a cold run, all stages and tries together."""
        return sum(stage.iterations * stage.tries for stage in self.stages)

    @property
    def cost(self) -> float:
        """Of a run, in units of an iteration of HIO at the full size of the problem: a stage counts by its voxels."""
        return sum(stage.cost * stage.tries * stage.crop**3 for stage in self.stages)


def scaled(recipe: Recipe, iterations: int) -> Recipe:
    """The same recipe with about so many iterations a run, never less than one a step.

    Tries give way first, then iterations; shrinkwrap and coherence keep their number of updates as far as 5 iterations
    between them allow.
    """
    _want(iterations >= 1, f"a recipe scaled to {iterations} iterations", "at least 1")
    share = iterations / recipe.iterations
    stages = tuple(_scaled(stage, share) for stage in recipe.stages)
    return replace(recipe, stages=stages)


def _scaled(stage: Stage, share: float) -> Stage:
    tries = max(1, min(stage.tries, round(stage.tries * share)))
    share *= stage.tries / tries
    steps = tuple(replace(step, iterations=max(1, round(step.iterations * share))) for step in stage.steps)
    shrinkwrap = stage.shrinkwrap
    if shrinkwrap is not None and share < 1:
        least = min(5, shrinkwrap.every)
        shrinkwrap = replace(shrinkwrap, every=max(least, round(shrinkwrap.every * share)))
    coherence = stage.coherence
    if coherence is not None and share < 1:
        least = min(5, coherence.every)
        coherence = replace(coherence, every=max(least, round(coherence.every * share)))
    return replace(stage, steps=steps, shrinkwrap=shrinkwrap, coherence=coherence, tries=tries)
