"""The one JSON shape in which every demo and every benchmark writes what it found."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PACKAGES = (
    "numpy",
    "scipy",
    "pyzmq",
    "msgspec",
    "h5py",
    "pyfftw",
    "numba",
    "napari",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
Comparison = Literal["<", "<=", ">", ">=", "=="]
GPU_TIMEOUT_S = 10.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A number that was promised, and what came of it."""

    name: str
    value: float | None
    """None: not determined, which meets no target."""
    limit: float
    comparison: Comparison
    unit: str
    met: bool

    @classmethod
    def of(cls, name: str, value: float | None, limit: float, comparison: Comparison, unit: str) -> Target:
        """Compare `value` with `limit`, e.g. value <= limit."""
        met = value is not None and _holds(value, comparison, limit)
        return cls(name=name, value=value, limit=limit, comparison=comparison, unit=unit, met=met)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the numbers were measured on."""

    processor: str
    cores: int
    """That this process may use."""
    memory_gib: float
    gpu: str
    """Names of the GPUs; "" if there is none."""
    system: str
    python: str
    packages: Mapping[str, str]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a demo or benchmark found."""

    command: str
    date: str
    """RFC 3339, UTC."""
    machine: Machine
    version: str
    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    """A record a case."""
    targets: Sequence[Target]

    @classmethod
    def now(
        cls,
        *,
        command: str,
        settings: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        targets: Sequence[Target] = (),
    ) -> Record:
        """A record of this version on this machine at this moment."""
        return cls(
            command=command,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=machine(),
            version=version(),
            settings=dict(settings),
            rows=list(rows),
            targets=list(targets),
        )


def finish(record: Record, json_path: Path | None, check: bool, console: Console | None) -> int:
    """Write the record where wanted, show its targets; the exit code: 1 if `check` and a target is not met, else 0."""
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        temporary = json_path.with_name(f".{json_path.name}.{os.getpid()}")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(record, enc_hook=_plain), indent=2) + b"\n")
        temporary.replace(json_path)
    missed = [target for target in record.targets if not target.met]
    if console is not None and record.targets:
        console.print(_table(record.targets))
        if check and missed:
            console.print(f"targets not met: {escape(', '.join(target.name for target in missed))}", style="red")
    return 1 if check and missed else 0


def version() -> str:
    """Of bragglive, as installed."""
    return importlib.metadata.version("bragglive")


def machine() -> Machine:
    """This machine, as far as it can be found out without privileges."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        gpu=_gpu(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := _package(name))},
    )


def _holds(value: float, comparison: Comparison, limit: float) -> bool:
    match comparison:
        case "<":
            return value < limit
        case "<=":
            return value <= limit
        case ">":
            return value > limit
        case ">=":
            return value >= limit
        case "==":
            return value == limit


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.processor()
    return platform.processor()


def _gpu() -> str:
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        asked = subprocess.run(
            [command, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=GPU_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ", ".join(line.strip() for line in asked.stdout.splitlines() if line.strip())


def _package(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _plain(value: Any) -> Any:
    """NumPy scalars and paths, which callers may have put into rows and settings."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"record holds a {type(value).__name__}, wanted what JSON knows")


def _table(targets: Sequence[Target]) -> Table:
    table = Table("target", "value", "wanted", "unit", "met")
    for target in targets:
        value = "not determined" if target.value is None else f"{target.value:.6g}"
        met = "[green]yes[/green]" if target.met else "[red]no[/red]"
        table.add_row(escape(target.name), value, f"{target.comparison} {target.limit:.6g}", escape(target.unit), met)
    return table
