"""`bragglive reconstructor`, `bragglive score` and `bragglive playback`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from contract.service import Service, run
from contract.settings import ServiceSettings, SettingsError, load
from contract.stream import Publisher, Subscriber, open_publisher, open_subscriber
from contract.telemetry import Telemetry

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

SECTION = "reconstructor"
USAGE = 2


@app.command("reconstructor")
def reconstructor(
    folder: Annotated[Path | None, typer.Option(help="Archives of volumes go to its folder volumes.")] = None,
    streamer_live: Annotated[str | None, typer.Option(help="Where the streamer publishes.")] = None,
    streamer_control: Annotated[str | None, typer.Option(help="Where the streamer answers.")] = None,
    live: Annotated[str | None, typer.Option(help="Where volumes are published.")] = None,
    control: Annotated[str | None, typer.Option(help="Where this service answers.")] = None,
    workers: Annotated[int | None, typer.Option(help="Runs at a time; 0 for as many as there are cores.")] = None,
    provisional_recipe: Annotated[str | None, typer.Option(help="Name, TOML file or line of notation.")] = None,
    refined_recipes: Annotated[
        list[str] | None, typer.Option("--refined-recipe", help="The same; give it again for cheaper ones.")
    ] = None,
    support: Annotated[Path | None, typer.Option(help="A .cxi volume or .npy array to begin in.")] = None,
    provisional_side: Annotated[int | None, typer.Option(help="Most voxels a side while a scan runs.")] = None,
    refined_side: Annotated[int | None, typer.Option(help="Most voxels a side afterwards.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics; 0 takes any free one.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written when the service is ready.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; its table [reconstructor] is read.")] = None,
) -> None:
    """Turn growing rocking curves into provisional volumes, and finished ones into refined volumes."""
    # Nothing but the parameters is there yet: each is a setting of its name, but for the file of settings.
    flags = {name: value for name, value in locals().items() if name != "config"}
    telemetry = Telemetry(SECTION)
    try:
        service, settings = _service(config, telemetry, flags)
    except SettingsError as error:
        _refuse(str(error))
    raise typer.Exit(run(service, settings, telemetry))


def _service(config: Path | None, telemetry: Telemetry, flags: dict[str, Any]) -> tuple[Service, ServiceSettings]:
    """The service as it was asked for. SettingsError: it cannot be had like that."""
    # Here, because these take a second to load, and other commands do not need them.
    from reconstructor.service import ReconstructorService
    from reconstructor.settings import ReconstructorSettings

    settings = load(ReconstructorSettings, SECTION, config, **flags)
    keys = settings.keys()

    def follow() -> Subscriber:
        return open_subscriber(settings.streamer, name="streamer", keys=keys, happened=telemetry.happened)

    def publish() -> Publisher:
        return open_publisher(settings.volumes, name="volumes", keys=keys, happened=telemetry.happened)

    return ReconstructorService(settings, follow, publish, happened=telemetry.happened), settings


@app.command("score")
def score_command(
    archive: Annotated[Path, typer.Argument(help="An archived volume (.cxi).")],
    truth: Annotated[Path, typer.Argument(help="The truth file of the simulator (.h5).")],
    scan: Annotated[str | None, typer.Option(help="Compare with this scan's truth, not with its own.")] = None,
    hold: Annotated[str | None, typer.Option(help="Compare with this hold's truth.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
) -> None:
    """Compare a volume with the simulated truth: complex overlap after hand, shift and constant phase."""
    from reconstructor.score import score

    try:
        found = score(archive, truth, scan, hold)
    except ValueError as error:
        _refuse(str(error))
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(asdict(found)), indent=1))
    typer.echo(f"complex overlap {found.complex_overlap:.4f} ({found.stage} {found.revision} of {found.scan})")


@app.command("playback")
def playback_command(
    scan: Annotated[Path, typer.Argument(help="An archived scan (.h5) of the simulator.")],
    truth: Annotated[Path, typer.Argument(help="The truth file of the simulator (.h5).")],
    last: Annotated[Path | None, typer.Option(help="Archived volume (.cxi) of the crystal's last hold.")] = None,
    volume: Annotated[list[Path] | None, typer.Option(help="Score this volume (.cxi) of the scan, too.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads a run.")] = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
) -> None:
    """Play a simulated scan back: what could have been shown at each share of its frames, against the truth.

    With --last: the last hold's object (LAST HOLD), a run begun from it (warm) and a cold one. Each is scored by its
    complex overlap with the truth, and by what it foretold of the next tenth of the frames (forecast residual).
    """
    from reconstructor.phasing.recipe_file import default
    from reconstructor.playback import play_back

    try:
        found = play_back(scan, truth, last, volume or [], default("provisional"), threads)
    except ValueError as error:
        _refuse(str(error))
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    for way in found.ways:
        residual = "" if way.residual is None else f", forecast residual {way.residual.value:.4f}"
        typer.echo(f"{way.share:.0%} of the frames, {way.way}: complex overlap {way.overlap:.4f}{residual}")
    for one in found.published:
        typer.echo(f"{one.stage} {one.revision}: complex overlap {one.complex_overlap:.4f}")


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"bragglive: {reason}", err=True)
    raise typer.Exit(USAGE)
