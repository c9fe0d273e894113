"""`bragglive status`: ask each service how it is and show it in one table."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

DEFAULT_PORTS = {"streamer": 5612, "reconstructor": 5622, "viewer": 5632}
TIMEOUT_S = 2.0


def ask(host: str, port: int, page: str) -> tuple[bool, str]:
    """Whether `http://host:port/page` answers with success, and its first line (or the reason it did not)."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/{page}", timeout=TIMEOUT_S) as reply:
            return True, reply.read(4096).decode(errors="replace").strip()
    except urllib.error.HTTPError as refused:
        return False, refused.read(4096).decode(errors="replace").strip() or str(refused)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as silent:
        return False, f"no answer ({getattr(silent, 'reason', silent)})"


def status(
    host: Annotated[str, typer.Option(help="Machine the services run on.")] = "127.0.0.1",
    streamer_port: Annotated[int, typer.Option(help="Metrics port of the streamer.")] = DEFAULT_PORTS["streamer"],
    reconstructor_port: Annotated[int, typer.Option(help="Metrics port of the reconstructor.")] = DEFAULT_PORTS[
        "reconstructor"
    ],
    viewer_port: Annotated[int, typer.Option(help="Metrics port of the viewer.")] = DEFAULT_PORTS["viewer"],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Ask the services whether they are alive and ready; exit with 1 if streamer or reconstructor are not."""
    ports = {"streamer": streamer_port, "reconstructor": reconstructor_port, "viewer": viewer_port}
    found = {}
    for name, port in ports.items():
        alive, detail = ask(host, port, "healthz")
        ready, ready_detail = ask(host, port, "readyz") if alive else (False, "")
        found[name] = {"port": port, "alive": alive, "ready": ready, "detail": ready_detail or detail}
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        Console().print(_table(found))
    if not all(found[name]["ready"] for name in ("streamer", "reconstructor")):
        raise typer.Exit(1)


def _table(found: dict[str, dict[str, object]]) -> Table:
    shown = Table("service", "port", "alive", "ready", "says")
    for name, fact in found.items():
        alive = "[green]yes[/green]" if fact["alive"] else "[red]no[/red]"
        ready = "[green]yes[/green]" if fact["ready"] else "[red]no[/red]"
        shown.add_row(name, str(fact["port"]), alive, ready, str(fact["detail"]))
    return shown
