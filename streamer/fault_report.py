"""What a soak found: one result a run, the table of all, and what was promised."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from contract.record import Target
from streamer.checker import Account


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one run found."""

    seed: int
    faults: tuple[str, ...]
    account: Account
    out_of_order: int
    archives_wrong: int
    flips_unnoticed: int = 0
    """Bits that flipped in a journal or archive and were not told, or not of their frame alone"""
    recovery_s: tuple[float, ...]
    """From each kill until frames are received again"""
    closing_s: float | None
    """From the last message until the scan was closed, where it was waited for"""
    closing_limit_s: float
    """Within which it must be: stall time, grace, and a second for a busy machine"""
    peak_memory_mib: float
    took_s: float


def rows(results: list[Result]) -> list[dict[str, Any]]:
    """The results as they go into a record."""
    return [msgspec.to_builtins(result) for result in results]


def targets(results: list[Result]) -> list[Target]:
    """What must be 0, and what must be in time."""
    total = sum((result.account for result in results), Account())
    late = sum(result.closing_s is not None and result.closing_s > result.closing_limit_s for result in results)
    nought = {
        "accepted frames lost": total.lost,
        "frames unaccounted": total.unaccounted,
        "frames wrong": total.wrong,
        "scans without an end": total.unfinished,
        "archives that differ": sum(result.archives_wrong for result in results),
        "flipped bits unnoticed": sum(result.flips_unnoticed for result in results),
        "messages twice or out of order": sum(result.out_of_order for result in results),
        "scans closed too late": late,
    }
    return [Target.of(name, value, 0, "==", "") for name, value in nought.items()]


def show(results: list[Result], console: Console) -> None:
    """Sums, what was injected how often, and the seeds of runs in which something was wrong."""
    total = sum((result.account for result in results), Account())
    injected = Counter(name for result in results for name in result.faults)
    recovery_s = [one for result in results for one in result.recovery_s]
    table = Table("what", "how many", title=None)
    table.add_row("runs", f"{len(results)}")
    table.add_row("faults injected", f"{injected.total()}")
    for name, count in injected.most_common():
        table.add_row(f"  {name}", f"{count}")
    table.add_row("frames sent whole", f"{total.sent}")
    table.add_row("  in the scans in the end", f"{total.kept}")
    table.add_row("  of these recovered after a kill", f"{total.recovered}")
    table.add_row("  listed as missing", f"{total.listed}")
    table.add_row("  of these for a bit flipped in the journal", f"{total.rotten}")
    table.add_row("  unaccounted", f"{total.unaccounted}")
    if recovery_s:
        middle, worst = statistics.median(recovery_s), max(recovery_s)
        table.add_row("recovery after a kill, s", f"{middle:.2f} (median), {worst:.2f} (longest)")
    table.add_row("peak memory of the streamer, MiB", f"{max(result.peak_memory_mib for result in results):.0f}")
    console.print(table)
    failed = [result.seed for result in results if _failed(result)]
    if failed:
        console.print(f"seeds of the runs in which something was wrong: {', '.join(map(str, failed))}", style="red")


def _failed(result: Result) -> bool:
    return any(not target.met for target in targets([result]))
