"""What the soak of all services found: one result a run, the table of all, and what was promised."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from compose.chain_check import ChainAccount
from contract.record import Target

LEAST_OVERLAP = 0.5
"""With the truth; a refined volume below it is taken for wrong."""


class ChainResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one run found."""

    seed: int
    faults: tuple[str, ...]
    account: ChainAccount
    finished: bool
    """A refined volume of all frames that came was told"""
    archive_wrong: bool
    """The scan's archive has not just the frames that were told"""
    overlap: float | None
    """Complex overlap of the refined volume with the truth; None if there is none, or its archive cannot be read"""
    frames_missing: int = 0
    """That the refined volume lacks, as the scan lists them"""
    recovery_s: tuple[float, ...]
    """From each start after a kill until the service is ready"""
    peak_memory_mib: float
    took_s: float

    @property
    def wrong(self) -> int:
        """Volumes that are not what they say, or not the crystal."""
        unlike = self.finished and (self.overlap is None or self.overlap < LEAST_OVERLAP)
        return self.account.wrong + unlike


def rows(results: Sequence[ChainResult]) -> list[dict[str, Any]]:
    """The results as they go into a record."""
    return [{"soak": "all services", **msgspec.to_builtins(result)} for result in results]


def targets(results: Sequence[ChainResult]) -> list[Target]:
    """What must be 0."""
    total = sum((result.account for result in results), ChainAccount())
    nought = {
        "volumes twice": total.duplicated,
        "volumes or messages out of order": total.out_of_order,
        "volumes wrong": sum(result.wrong for result in results),
        "scans without a refined volume": sum(not result.finished for result in results),
        "archives that differ from what was told": sum(result.archive_wrong for result in results),
    }
    return [Target.of(name, value, 0, "==", "") for name, value in nought.items()]


def show(results: Sequence[ChainResult], console: Console) -> None:
    """Sums, who was hit when and how often, and the seeds of runs in which something was wrong."""
    injected = Counter(name for result in results for name in result.faults)
    recovery_s = [one for result in results for one in result.recovery_s]
    overlaps = [result.overlap for result in results if result.overlap is not None]
    table = Table("all services", "how many")
    table.add_row("runs", f"{len(results)}")
    table.add_row("faults injected", f"{injected.total()}")
    for name, count in sorted(injected.items()):
        table.add_row(f"  {name}", f"{count}")
    table.add_row("volumes told", f"{sum(result.account.volumes for result in results)}")
    for target in targets(results):
        table.add_row(f"  {target.name}", f"{target.value:g}")
    if overlaps:
        middle, least = statistics.median(overlaps), min(overlaps)
        table.add_row("overlap of refined volumes with the truth", f"{middle:.3f} (median), {least:.3f} (least)")
    if recovery_s:
        middle, worst = statistics.median(recovery_s), max(recovery_s)
        table.add_row("start until ready after a kill, s", f"{middle:.2f} (median), {worst:.2f} (longest)")
    table.add_row("peak memory of a service, MiB", f"{max(result.peak_memory_mib for result in results):.0f}")
    console.print(table)
    failed = [result.seed for result in results if any(not target.met for target in targets([result]))]
    if failed:
        console.print(f"seeds of the runs in which something was wrong: {', '.join(map(str, failed))}", style="red")
