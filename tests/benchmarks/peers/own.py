"""How near our own recipe comes to the truth on known crystals, and how alike its runs are on a recorded scan.

Nothing of the peers is needed.

python tests/benchmarks/peers/own.py [--seeds 20] [--runs 10] [--recipe NAME|LINE] [--scan54 s0054_frames.h5]
    [--json FILE] [--check]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accuracy
import crystals
import numpy as np
import recorded
from published import Published, published
from rich.console import Console
from rich.table import Table

from contract.record import Record, Target, finish
from reconstructor.phasing import engine, notation, recipe_file
from reconstructor.phasing.alignment import overlap
from reconstructor.phasing.kernels import cpu
from reconstructor.phasing.population import Member
from reconstructor.phasing.problem import Complex, PhasingError, Problem, free_pixels
from reconstructor.phasing.recipe import Recipe

SCAN54 = "scan 54"
LEAST_WEIGHT, MOST_R = 0.93, 0.009
"""Of the first mode, and of what is published, on scan 54."""
HEADS = ("case", "kind", "best", "mode", "published", "chosen", "free LLK", "weight", "kept", "R", "support", "s a run")


@dataclass(frozen=True, eq=False)
class Asked:
    """A window to phase, and its truth where there is one."""

    name: str
    kind: str
    problem: Problem
    truth: Complex | None
    first_seed: int
    voxels: float
    """What the support's volume is divided by: the true crystal's voxels, or 1/µm³ of the voxel."""


def crystal(seed: int, photons: float) -> Asked:
    """One of the known crystals in a window of 64³, with 5 % of its voxels free."""
    case = crystals.make(seed, 64, photons)
    free = free_pixels(case.counts.shape, np.ones(case.counts.shape, np.bool_), seed=0)
    problem = Problem(case.counts, ~free, free)
    return Asked(str(seed), case.kind, problem, case.truth, 100 * seed, crystals.voxels(case))


def scan54(frames: Path) -> Asked:
    """The recorded scan."""
    return Asked(SCAN54, "gold", recorded.gold(frames), None, 0, 1 / recorded.VOXEL_UM3)


def measure(asked: Asked, recipe: Recipe, runs: int, threads: int = 1) -> dict[str, Any]:
    """A row: what is published of so many cold runs, and the runs themselves."""
    kernel = cpu.choose(asked.problem.shape, threads)
    members, begun = [], time.perf_counter()
    for seed in range(asked.first_seed, asked.first_seed + runs):
        *_, last = engine.run(recipe, asked.problem, None, kernel, seed)
        members.append(Member(last, seed))
    seconds = (time.perf_counter() - begun) / runs
    return {
        **_row(asked, published(members, asked.problem, kernel)),
        "seconds_a_run": seconds,
        "runs": [_run(asked, member) for member in members],
    }


def _row(asked: Asked, found: Published) -> dict[str, Any]:
    chosen, misfit = found.chosen.estimate, found.chosen.estimate.misfit
    return {
        "case": asked.name,
        "kind": asked.kind,
        "best": _overlap(asked, found.candidates[0].estimate.obj),
        "mode": None if found.mode is None else _overlap(asked, found.mode),
        "published": _overlap(asked, chosen.obj),
        "chosen": found.chosen.origin,
        "free_llk": None if misfit is None else misfit.free_llk,
        "weight": found.weight,
        "kept": found.kept,
        "r_factor": None if misfit is None else misfit.r_factor,
        "support": np.count_nonzero(chosen.inside) / asked.voxels,
    }


def _run(asked: Asked, member: Member) -> dict[str, Any]:
    misfit = member.estimate.misfit
    return {
        "seed": member.seed,
        "overlap": _overlap(asked, member.estimate.obj),
        "free_llk": member.free_llk,
        "r_factor": None if misfit is None else misfit.r_factor,
        "support": np.count_nonzero(member.estimate.inside) / asked.voxels,
    }


def _overlap(asked: Asked, obj: Complex) -> float | None:
    return None if asked.truth is None else overlap(asked.truth, obj)


def targets(rows: Sequence[dict[str, Any]]) -> list[Target]:
    """Overlaps of what is published of the crystals; weight and R of the recorded scan."""
    overlaps = [row["published"] for row in rows if row["case"] != SCAN54]
    found = []
    if overlaps:
        name = f"complex overlap, {len(overlaps)} crystals"
        found.append(Target.of(f"median {name}", statistics.median(overlaps), accuracy.MEDIAN, ">=", ""))
        found.append(Target.of(f"worst {name}", min(overlaps), accuracy.WORST, ">=", ""))
    for row in rows:
        if row["case"] == SCAN54:
            found.append(Target.of("first-mode weight, scan 54", row["weight"], LEAST_WEIGHT, ">=", ""))
            found.append(Target.of("R, scan 54", row["r_factor"], MOST_R, "<=", ""))
    return found


def table(rows: Sequence[dict[str, Any]], recipe: Recipe, runs: int) -> Table:
    """A line a case, and the median of the crystals."""
    out = Table(title=f"{runs} cold runs of {recipe.name}, {notation.sha256(recipe)[:12]}")
    for head in HEADS:
        out.add_column(head, justify="left" if head in ("case", "kind", "chosen") else "right")
    for row in rows:
        out.add_row(*_cells(row))
    known = [row for row in rows if row["case"] != SCAN54]
    if known:
        middle = {key: _median([row[key] for row in known]) for key, value in known[0].items() if key != "runs"}
        out.add_section()
        out.add_row(*_cells({**middle, "case": "median", "kind": "", "chosen": ""}))
    out.caption = "support: voxels over the true crystal's; scan 54: µm³"
    return out


def _cells(row: dict[str, Any]) -> list[str]:
    def number(key: str, digits: int) -> str:
        return "" if row[key] is None else f"{row[key]:.{digits}f}"

    overlaps = [number(key, 4) for key in ("best", "mode", "published")]
    return [
        *(row["case"], row["kind"], *overlaps, row["chosen"]),
        *(number("free_llk", 3), number("weight", 3), number("kept", 0), number("r_factor", 5)),
        *(number("support", 3), number("seconds_a_run", 1)),
    ]


def _median(values: Sequence[Any]) -> float | None:
    numbers = [value for value in values if isinstance(value, int | float)]
    return statistics.median(numbers) if numbers else None


def wanted(text: str) -> Recipe:
    """A packaged recipe by its name, or one line of notation."""
    return recipe_file.default(text) if text.isidentifier() else notation.parse(text)


def _cases(asked: argparse.Namespace) -> list[Callable[[], Asked]]:
    seeds = asked.seed or range(asked.seeds)
    cases: list[Callable[[], Asked]] = [lambda seed=seed: crystal(seed, asked.photons) for seed in seeds]
    if asked.scan54:
        cases.append(lambda: scan54(asked.scan54))
    return cases


def main() -> int:
    asked = _asked()
    recipe = wanted(asked.recipe)
    console, err = Console(width=None if sys.stdout.isatty() else 150), Console(stderr=True)
    rows: list[dict[str, Any]] = []
    for case in _cases(asked):
        rows.append(measure(case(), recipe, asked.runs, asked.threads))
        err.print(" ".join(_cells(rows[-1])), highlight=False)
    console.print(table(rows, recipe, asked.runs))
    record = Record.now(
        command=" ".join(["python", "tests/benchmarks/peers/own.py", *sys.argv[1:]]),
        settings={**vars(asked), "recipe": notation.written(recipe), "recipe_sha256": notation.sha256(recipe)},
        rows=rows,
        targets=targets(rows),
    )
    return finish(record, asked.json, asked.check, console)


def _asked() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=20, help="known crystals 0, 1, … (20; 0 for none)")
    options.add_argument("--seed", type=int, action="append", help="this crystal alone; repeat for several")
    options.add_argument("--runs", type=int, default=10, help="cold runs a case (10, the fewest that have a weight)")
    options.add_argument("--recipe", default="refined", help="a packaged recipe, or a line of notation (refined)")
    options.add_argument("--scan54", type=Path, metavar="FILE", help="s0054_frames.h5, to phase the recorded scan too")
    options.add_argument("--photons", type=float, default=5e6, help="in a crystal's window (5e6)")
    options.add_argument("--threads", type=int, default=1, help="a run may use (1)")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    options.add_argument("--check", action="store_true", help="exit 1 if a target is not met")
    asked = options.parse_args()
    if asked.runs < 1:
        options.error(f"--runs is {asked.runs}; wanted at least 1")
    try:
        wanted(asked.recipe)
    except PhasingError as reason:
        options.error(f"--recipe: {reason}")
    if asked.scan54 and not asked.scan54.is_file():
        options.error(f"{asked.scan54} is no file; wanted the recorded scan, s0054_frames.h5")
    return asked


if __name__ == "__main__":
    sys.exit(main())
