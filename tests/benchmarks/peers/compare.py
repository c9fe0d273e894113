"""Our engine beside cohere-core, Bonsu and PyNX, in one run on the same data. README.md tells how.

python tests/benchmarks/peers/compare.py DIR [--size 64 --size 128] [--rounds 5] [--json FILE]
python tests/benchmarks/peers/compare.py DIR --accuracy [--seeds 20] [--runs 3] [--our-runs 12]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import accuracy
import speed
from rich.console import Console
from workers import Worker

from contract.record import Record, Target, finish, version

OURS = "bragglive"
PEERS = (
    ("cohere-core torch", "cohere", "torch", False),
    ("cohere-core numpy", "cohere", "np", True),
    ("Bonsu complex64", "bonsu", "c64", False),
    ("Bonsu complex128", "bonsu", "c128", True),
    ("PyNX CPU operators", "pynx", "cpu", False),
)
"""Name, package, variant, and whether it is a slower backend, run with --all only."""


def main() -> int:
    asked = _asked()
    if not (asked.environment / "peers.json").is_file():
        sys.stderr.write(f"no peers.json in {asked.environment}; make it with setup.py {asked.environment}\n")
        return 2
    console = Console(width=None if sys.stdout.isatty() else 150)
    err = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        workers, absent = _workers(asked, Path(folder))
        try:
            rows, targets = _measured(asked, workers, absent, Path(folder), console, err)
        finally:
            for worker in workers:
                worker.close()
    record = Record.now(
        command=" ".join(["python", "tests/benchmarks/peers/compare.py", *sys.argv[1:]]),
        settings={**vars(asked), "peers": {w.name: w.version for w in workers}, "absent": absent},
        rows=rows,
        targets=targets,
    )
    return finish(record, asked.json, asked.check, console)


def _measured(
    asked: argparse.Namespace,
    workers: list[Worker],
    absent: dict[str, str],
    folder: Path,
    console: Console,
    err: Console,
) -> tuple[list[dict[str, Any]], list[Target]]:
    if asked.accuracy:
        size = asked.size[0] if asked.size else 64
        entries = [accuracy.Entry(worker, asked.runs) for worker in workers]
        if asked.our_runs != asked.runs:
            entries += [accuracy.Entry(worker, asked.our_runs) for worker in workers if worker.name == OURS]
        crystals = asked.seed or range(asked.seeds)
        rows = accuracy.measure(entries, size, crystals, asked.photons, folder, err.print)
        console.print(accuracy.table(rows, absent))
        return rows, accuracy.targets(rows, OURS)
    rows, targets = [], []
    for size in asked.size or [64, 128]:
        figures = speed.measure(workers, size, asked.rounds, asked.photons, folder, err.print)
        console.print(speed.table(figures, size, absent))
        rows += [one.row(size) for one in figures]
        targets += speed.targets(figures, size)
    return rows, targets


def _workers(asked: argparse.Namespace, folder: Path) -> tuple[list[Worker], dict[str, str]]:
    """Ours and the peers that are installed; the others with the reason why not."""
    python = asked.environment.resolve() / "bin" / "python"
    found = json.loads((asked.environment / "peers.json").read_text())
    here = Path(sys.executable)
    workers = [Worker(OURS, version(), here, "run_bragglive.py", asked.threads, "fused", folder)]
    if asked.all:
        workers.append(
            Worker(f"{OURS} without cpu", version(), here, "run_bragglive.py", asked.threads, "plain", folder)
        )
    absent = {}
    for name, package, variant, slower in PEERS:
        if slower and not asked.all:
            continue
        if "version" in found[package]:
            workers.append(
                Worker(name, found[package]["version"], python, f"run_{package}.py", asked.threads, variant, folder)
            )
        else:
            absent[name] = f"not installed: {found[package]['absent']}"
    return workers, absent


def _asked() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("environment", type=Path, metavar="DIR", help="what setup.py made")
    options.add_argument("--size", type=int, action="append", help="voxels a side; repeat for several (64 and 128)")
    options.add_argument("--rounds", type=int, default=5, help="turns each engine gets (5)")
    options.add_argument("--accuracy", action="store_true", help="own recipes over many crystals instead of speed")
    options.add_argument("--seeds", type=int, default=20, help="crystals for --accuracy (20)")
    options.add_argument("--seed", type=int, action="append", help="this crystal alone; repeat for several")
    options.add_argument("--runs", type=int, default=3, help="random starts each engine gets a crystal (3)")
    options.add_argument(
        "--our-runs", type=int, default=12, help="ours gets so many too: about the time a peer takes for 3 (12)"
    )
    options.add_argument("--photons", type=float, default=5e6, help="in a window of 64³ (5e6)")
    options.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="an engine may use (all)")
    options.add_argument("--all", action="store_true", help="the slower backends too")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    options.add_argument("--check", action="store_true", help="exit 1 if a target is not met")
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
