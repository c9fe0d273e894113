"""`bragglive viewer` and `bragglive picture`."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from contract.service import run
from contract.settings import SettingsError, load
from contract.telemetry import Telemetry

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

USAGE = 2
CLOSE_WITHIN_S = 10.0
"""A last picture and Qt's end take a busy machine longer than the 2 s of the services that hold data."""
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


@app.command("viewer")
def viewer(
    streamer_live: Annotated[str | None, typer.Option(help="Where the streamer publishes.")] = None,
    streamer_control: Annotated[str | None, typer.Option(help="Where the streamer answers.")] = None,
    reconstructor_live: Annotated[str | None, typer.Option(help="Where the reconstructor publishes.")] = None,
    reconstructor_control: Annotated[str | None, typer.Option(help="Where the reconstructor answers.")] = None,
    displacement_limit_a: Annotated[float | None, typer.Option(help="Colours run from − this to + this, Å.")] = None,
    screenshot: Annotated[Path | None, typer.Option(help="Keep a PNG of the whole window here.")] = None,
    exit_after: Annotated[float | None, typer.Option(help="End after this many seconds.")] = None,
    exit_after_refined: Annotated[int | None, typer.Option(help="End after so many scans' refined volumes.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics; 0 takes any free one.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written when the window is there.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; its table [viewer] is read.")] = None,
) -> None:
    """Show volumes, frames and holds live; starts before or after the other services."""
    _check_screen()
    # Here, because these bring Qt and napari with them, which other commands do not need.
    from viewer.service import ViewerService
    from viewer.settings import SECTION, ViewerSettings

    try:
        settings = load(
            ViewerSettings,
            SECTION,
            config,
            streamer_live=streamer_live,
            streamer_control=streamer_control,
            reconstructor_live=reconstructor_live,
            reconstructor_control=reconstructor_control,
            displacement_limit_a=displacement_limit_a,
            screenshot=screenshot,
            exit_after_s=exit_after,
            exit_after_refined=exit_after_refined,
            metrics_port=metrics_port,
            ready_file=ready_file,
            log_level=log_level,
        )
    except SettingsError as error:
        _refuse(str(error))
    telemetry = Telemetry(SECTION)
    raise typer.Exit(run(ViewerService(settings, telemetry), settings, telemetry, CLOSE_WITHIN_S))


@app.command("picture")
def picture(
    archives: Annotated[list[Path], typer.Argument(help="Archived volumes (.cxi), one page each.")],
    out: Annotated[Path, typer.Option(help="The PNG to write.")],
    scan: Annotated[list[Path] | None, typer.Option(help="Archived scans with the rocking curves, same order.")] = None,
    displacement_limit_a: Annotated[float | None, typer.Option(help="Colours run from − this to + this, Å.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers in the picture here.")] = None,
) -> None:
    """Draw archived volumes as a PNG, without a screen: slices, surface, rocking curve, table."""
    # Here, because matplotlib and scikit-image take a second to load.
    from viewer.summary import draw_pages, numbers, read_pages
    from viewer.volumefile import VolumeFileError

    try:
        pages = read_pages(archives, scan or [])
    except VolumeFileError as error:
        _refuse(str(error))
    draw_pages(pages, out, displacement_limit_a)
    if json_file is not None:
        json_file.write_text(json.dumps({"picture": str(out), "volumes": [numbers(page) for page in pages]}, indent=1))
    typer.echo(str(out))


def _check_screen() -> None:
    missing = [name for name in ("napari", "pyqtgraph", "skimage") if not importlib.util.find_spec(name)]
    if missing:
        _refuse(f"{', '.join(missing)} not installed; the viewer needs pip install 'bragglive[viewer]'")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in SCREENS):
        _refuse("no screen: DISPLAY and WAYLAND_DISPLAY are not set; try xvfb-run -a, or `bragglive picture`")


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"bragglive: {reason}", err=True)
    raise typer.Exit(USAGE)
