"""The `bragglive` command: the services' own commands, found by entry point, and those that run them together."""

from __future__ import annotations

import os
from importlib.metadata import entry_points, version
from typing import Annotated

import typer

# Before any library that brings OpenMP is loaded: its idle threads otherwise spin on cores that others need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The cores belong to the runs: threads of OpenBLAS beside them made a look at a curve take 1 s instead of 0.06 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from compose import bench_faults, demo_command, keys_command, status_command

ABOUT = """Live Bragg coherent diffraction imaging.

A beamline session runs three services, each in its own terminal (or all at once with `bragglive demo`):

    bragglive streamer        detector frames -> rocking curves

    bragglive reconstructor   rocking curves -> volumes

    bragglive viewer          volumes -> screen

`bragglive hold start --crystal IV --voltage 4.1 --for 600` tells them about a voltage hold,
`bragglive status` asks how they are. Settings come from flags, BRAGGLIVE_… variables and a TOML file.
"""


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"bragglive {version('bragglive')}")
        raise typer.Exit


def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options of `bragglive` itself; the commands do the work."""


def build() -> typer.Typer:
    """Assemble the command tree: what services registered, then what compose adds."""
    app = typer.Typer(help=ABOUT, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(help=ABOUT)(_root)
    for entry in sorted(entry_points(group="bragglive.commands")):
        app.add_typer(entry.load())
    bench = typer.Typer(no_args_is_help=True, help="Measure: each benchmark prints a table, `--json FILE` keeps it.")
    for entry in sorted(entry_points(group="bragglive.bench")):
        bench.add_typer(entry.load())
    bench.command("faults")(bench_faults.faults)
    app.add_typer(bench, name="bench")
    app.command("demo")(demo_command.demo)
    app.add_typer(keys_command.app, name="keys")
    app.command("status")(status_command.status)
    return app


def main() -> None:
    """Entry point of the `bragglive` console script."""
    build()()
