"""`bragglive keys`: make CURVE keys for services that are reached over a network, add clients, show what there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from compose import key_folder
from compose.key_folder import Holder
from contract.security import SecurityError

USAGE = 2

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="CURVE keys: without them the services listen on loopback only.",
)

T = TypeVar("T")
Folder = Annotated[Path, typer.Argument(help="Where the keys are.")]


@app.command("make")
def make(
    folder: Folder,
    client: Annotated[
        list[str] | None, typer.Option(help="Who may connect; give it again for more. Default: viewer.")
    ] = None,
) -> None:
    """Make a new folder with keys for the services and their clients, and show how they are used.

    Streamer and reconstructor have one key between them. A client's folder goes to its machine, and nothing else does.
    """
    _or_refuse(lambda: key_folder.make(folder, client or ["viewer"]))
    _show(folder)


@app.command("add")
def add(folder: Folder, name: Annotated[str, typer.Argument(help="Of the client.")]) -> None:
    """Make keys for one more client; services let it in after their next start."""
    _or_refuse(lambda: key_folder.add(folder, name))
    _show(folder)


@app.command("show")
def show(folder: Folder) -> None:
    """Show who has keys and who is let in, and the settings to use; exit with 1 if something is wrong with them.

    Secret keys are never shown.
    """
    raise typer.Exit(0 if _show(folder) else 1)


def _show(folder: Path) -> bool:
    """Whether all is well with the keys that are shown."""
    found = _or_refuse(lambda: key_folder.holders(folder.absolute()))
    console = Console()
    table = Table("who", "public key", "let in")
    for one in found:
        table.add_row(one.name, escape(one.public), "[green]yes[/green]" if one.allowed else "[red]no[/red]")
    console.print(table)
    for one in found:
        if one.trouble:
            console.print(f"[red]{one.name}: {escape(one.trouble)}[/red]", soft_wrap=True)
    typer.echo("Settings file (--config FILE) on the machines of the services:\n")
    typer.echo(_toml("streamer", found[0]) + _toml("reconstructor", found[0]))
    for one in found[1:]:
        typer.echo(f"and on the machine of {one.name}, with its folder {one.settings['curve_own_key'].parent}:\n")
        typer.echo(_toml("viewer", one))
    return not any(one.trouble or not one.allowed for one in found)


def _toml(section: str, one: Holder) -> str:
    lines = [f'{name} = "{path}"' for name, path in one.settings.items()]
    return "\n".join([f"[{section}]", *lines, "", ""])


def _or_refuse(work: Callable[[], T]) -> T:
    try:
        return work()
    except (SecurityError, OSError) as error:
        typer.echo(f"bragglive: {error}", err=True)
        raise typer.Exit(USAGE) from None
