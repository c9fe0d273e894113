"""`bragglive streamer`, `bragglive hold` and `bragglive scan`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from contract.messages import Crystal, Hold, HoldEnded, HoldStarted, RegionSet, Scan, ScanAborted, Window
from contract.service import run
from contract.settings import SettingsError, load
from contract.stream import SecurityError, ask
from contract.telemetry import Telemetry
from streamer.service import StreamerService
from streamer.settings import SECTION, StreamerSettings

USAGE = 2

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
hold = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Tell the services about a voltage hold: which crystal is held, at which voltage and for how long.",
)
app.add_typer(hold, name="hold")
scan = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tell the streamer about a rocking scan.")
app.add_typer(scan, name="scan")

Config = Annotated[Path | None, typer.Option(help="TOML file; its table [streamer] is read.")]
Control = Annotated[
    str | None, typer.Option("--control", help="Control address of the streamer. Default tcp://127.0.0.1:5611.")
]
Patience = Annotated[float, typer.Option("--patience", help="Seconds to wait for the streamer's answer.")]


@app.command("streamer")
def streamer(
    detector: Annotated[
        list[str] | None,
        typer.Option(help="Where a detector pushes frames, e.g. tcp://dcu:31001; may be given several times."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Archives go to FOLDER/scans, journals to FOLDER/journal.")
    ] = None,
    window: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(help="Region of interest: first row, first column, rows, columns. Default: the full image."),
    ] = None,
    follow: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Rows and columns of windows that follow each crystal's Bragg peak from scan to scan."),
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Energy threshold to use. Default: the first announced.")] = None,
    stall: Annotated[
        float | None, typer.Option(help="Seconds of silence after which a scan without its end is closed. Default 30.")
    ] = None,
    grace: Annotated[
        float | None, typer.Option(help="Seconds to wait for frames that the end marker overtook. Default 2.")
    ] = None,
    keep_journals: Annotated[
        bool | None, typer.Option("--keep-journals", help="Keep journals even of archived and confirmed scans.")
    ] = None,
    live: Annotated[str | None, typer.Option(help="Where scans are published. Default tcp://127.0.0.1:5610.")] = None,
    control: Annotated[
        str | None, typer.Option(help="Where replay is asked for and holds told. Default tcp://127.0.0.1:5611.")
    ] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics; 0: any free one. Default 5612.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written (JSON) when frames can be received.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    config: Config = None,
) -> None:
    """Detector frames -> rocking curves.

    Connects to the detector's Stream V2 (connect before the detector is armed), keeps every message in a journal
    before anything else, assembles rocking curves in any order of arrival, publishes them as they grow, and archives
    finished scans as NeXus/HDF5. It may be stopped, or killed, at any time: started again, it takes the open scan up
    where it stood, and lists what is missing.

    \b
    At a beamline:
        bragglive streamer --detector tcp://DETECTOR:31001 --folder /data/visit

    The geometry comes with the detector's user_data, or from the table [streamer.geometry] of the TOML file.
    """
    try:
        settings = load(
            StreamerSettings,
            SECTION,
            config,
            detectors=tuple(detector) if detector else None,
            folder=folder,
            window=window,
            follow=follow,
            channel=channel,
            stall_s=stall,
            grace_s=grace,
            keep_journals=keep_journals,
            live=live,
            control=control,
            metrics_port=metrics_port,
            ready_file=ready_file,
            log_level=log_level,
        )
    except SettingsError as error:
        _refuse(str(error))
    telemetry = Telemetry(SECTION)
    raise typer.Exit(run(StreamerService(settings, telemetry), settings, telemetry))


@hold.command("start")
def start(
    crystal: Annotated[str, typer.Option(help='Your name of the crystal, e.g. "IV".')],
    voltage: Annotated[float | None, typer.Option(help="Cell voltage, in volts.")] = None,
    planned: Annotated[
        float | None, typer.Option("--for", help="How long it is meant to last, in seconds: jobs are sized by it.")
    ] = None,
    elapsed: Annotated[float, typer.Option(help="How long ago it began, in seconds.")] = 0.0,
    name: Annotated[str | None, typer.Option(help="Name of the hold. Default: crystal, voltage and time.")] = None,
    control: Control = None,
    patience: Patience = 3.0,
    config: Config = None,
) -> None:
    """A voltage hold begins.

    Scans that begin from now on belong to it, and their refined volumes are due before it ends. Say it before the
    scan is started.

    \b
    For a hold of ten minutes:
        bragglive hold start --crystal IV --voltage 4.1 --for 600
    """
    now = datetime.now(UTC)
    volts = "" if voltage is None else f"-{voltage:.3f}V"
    message = HoldStarted(
        hold=Hold(name or f"{crystal}{volts}-{now:%Y%m%dT%H%M%S}"),
        crystal=Crystal(crystal),
        voltage_v=voltage,
        planned_s=planned,
        elapsed_s=elapsed,
        started_at=now.isoformat(timespec="seconds"),
    )
    _tell(message, control, patience, config)


@hold.command("end")
def end(
    crystal: Annotated[str, typer.Option(help="Its crystal, if several are held. Default: the newest hold.")] = "",
    name: Annotated[str, typer.Option(help="Name of the hold. Default: the one that runs.")] = "",
    control: Control = None,
    patience: Patience = 3.0,
    config: Config = None,
) -> None:
    """The voltage hold is over: scans that begin from now on do not belong to it."""
    _tell(HoldEnded(hold=Hold(name), crystal=Crystal(crystal)), control, patience, config)


@scan.command("abort")
def abort(
    name: Annotated[str, typer.Option("--scan", help="Its name. Default: the newest that is being measured.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for those who read of it later.")] = "",
    control: Control = None,
    patience: Patience = 3.0,
    config: Config = None,
) -> None:
    """A scan was given up: close it now, as aborted.

    A detector that stops in the middle of a series says nothing, and the scan would be waited for until --stall.
    Frames that are still on their way are taken and listed all the same.
    """
    _tell(ScanAborted(scan=Scan(name), reason=reason), control, patience, config)


@scan.command("region")
def region(
    window: Annotated[
        tuple[int, int, int, int] | None, typer.Option(help="First row, first column, rows, columns.")
    ] = None,
    find: Annotated[
        bool, typer.Option("--find", help="Find the scan's brightest Bragg peak anew, and follow it.")
    ] = False,
    name: Annotated[str, typer.Option("--scan", help="Its name. Default: the newest.")] = "",
    control: Control = None,
    patience: Patience = 3.0,
    config: Config = None,
) -> None:
    """Choose a scan's region of interest, while it is measured or after.

    All its frames are published, and archived, anew in that window: they are taken from its journal, which has them in
    full. The next scans of the same crystal are cut alike, until something else is said.

    \b
    The window was wrong:
        bragglive scan region --scan SCAN --window 200 310 128 128
    Follow the peak again, in windows of the size that --follow gave the streamer:
        bragglive scan region --find
    """
    if (window is None) != find:
        _refuse("wanted --window ROW COLUMN ROWS COLUMNS or --find")
    if window is not None and (min(window[:2]) < 0 or min(window[2:]) < 1):
        _refuse(f"the window {' '.join(map(str, window))} has no pixels, or begins before the first")
    wanted = None if window is None else Window(**dict(zip(Window.__struct_fields__, window, strict=True)))
    _tell(RegionSet(scan=Scan(name), window=wanted), control, patience, config)


@scan.command("check")
def check(
    archives: Annotated[list[Path], typer.Argument(help="Archived scans (.h5).")],
) -> None:
    """Read archived scans and compare every frame with its CRC32C; exit with 1 if one is not what was received.

    What is damaged in an archive is whole in the scan's journal, as long as that is kept.
    """
    # Here, because h5py takes a while to load, and other commands do not need it.
    from streamer.archive_checksums import damaged

    well = True
    for path in archives:
        try:
            found = damaged(path)
        except ValueError as error:
            typer.echo(f"bragglive: {error}", err=True)
            well = False
            continue
        typer.echo(f"{path}: " + (f"damaged frames {', '.join(map(str, found))}" if found else "sound"))
        well = well and not found
    raise typer.Exit(0 if well else 1)


def _tell(
    message: HoldStarted | HoldEnded | ScanAborted | RegionSet,
    control: str | None,
    patience_s: float,
    config: Path | None,
) -> None:
    """Say it to the streamer and print the answer; exit code 1 if it was not taken."""
    try:
        settings = load(StreamerSettings, SECTION, config, control=control)
        answer = ask(settings.addresses, message, patience_s, keys=settings.keys())
    except (SettingsError, SecurityError) as error:
        _refuse(str(error))
    typer.echo(answer.text if answer.ok else f"bragglive: {answer.text}", err=not answer.ok)
    raise typer.Exit(0 if answer.ok else 1)


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"bragglive: {reason}", err=True)
    raise typer.Exit(USAGE)
