"""`bragglive simulate` and `bragglive replay`: a detector to practise on, simulated or recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from contract.security import SecurityError
from streamer.detectors.bslz4 import use_one_thread
from streamer.simulator.beamline import BeamlinePlan, measure, prepare
from streamer.simulator.detector import Detector
from streamer.simulator.faults import Faults
from streamer.simulator.interrupt import Interrupt
from streamer.simulator.recorded import RecordedError, open_recorded
from streamer.simulator.sender import Sender, SenderError
from streamer.simulator.series import ScanToSend
from streamer.simulator.session import ControlDesk, Emit, perform
from streamer.simulator.settings import Pace, for_each, paces, replayed_scan, simulated_scans, voltages
from streamer.simulator.truth import write_truth

app = typer.Typer(no_args_is_help=True, help="A detector to practise on.")
INTERRUPTED = 130

Bind = Annotated[str, typer.Option(help="Where the detector's stream is bound.")]
Rate = Annotated[float, typer.Option(help="Frames a second.")]
Control = Annotated[str | None, typer.Option(help="The streamer's control address, to be told of the holds.")]
Events = Annotated[bool, typer.Option("--events", help="Print one JSON object a line for programs to follow.")]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for somebody to connect.")]
Frames = Annotated[list[int] | None, typer.Option(help="Index of an image; may be given more than once.")]
NoEnd = Annotated[bool, typer.Option("--no-end", help="Do not send the end message.")]


@app.command()
def simulate(
    bind: Bind = "tcp://127.0.0.1:31001",
    voltage: Annotated[str, typer.Option("--voltages", help="Volts of the holds, in order.")] = "4.1,4.0,3.9",
    crystal: Annotated[str, typer.Option(help="IV changes from hold to hold, V does not.")] = "IV",
    frames: Annotated[int, typer.Option(help="Frames a scan, in steps of 0.005°.")] = 201,
    rate: Rate = 10.0,
    rows: Annotated[int, typer.Option(help="Rows of the image.")] = 64,
    columns: Annotated[int, typer.Option(help="Columns of the image.")] = 64,
    binning: Annotated[int, typer.Option("--bin", help="Width of a pixel in detector pixels of 55 µm.")] = 4,
    photons: Annotated[float, typer.Option(help="Counts of the first scan.")] = 5e6,
    background: Annotated[float, typer.Option(help="Counts a pixel and frame not from the crystal.")] = 2e-4,
    dead_pixels: Annotated[int, typer.Option(help="Dead pixels, masked, never in the middle.")] = 4,
    saturation: Annotated[int, typer.Option(help="Largest count of a pixel.")] = 2**24 - 1,
    points: Annotated[int, typer.Option(help="Samples across a pixel; 1 takes its centre alone.")] = 2,
    hold_margin: Annotated[float, typer.Option(help="Seconds a hold lasts longer than its scan.")] = 10.0,
    hold_s: Annotated[str | None, typer.Option("--for", help="Seconds the holds last; or --hold-margin.")] = None,
    scan_s: Annotated[str | None, typer.Option("--scan-for", help="Seconds the scans take; or --rate.")] = None,
    offsets: Annotated[str | None, typer.Option(help="Frames by which each hold's peak comes later.")] = None,
    brightness: Annotated[str | None, typer.Option(help="Factors on each hold's intensity.")] = None,
    seed: Annotated[int, typer.Option(help="Repeats crystals and photons.")] = 1,
    truth: Annotated[Path | None, typer.Option(help="Write the truth behind the scans here (HDF5).")] = None,
    streamer_control: Control = None,
    drop: Frames = None,
    duplicate: Frames = None,
    swap: Frames = None,
    corrupt: Frames = None,
    truncate: Frames = None,
    no_end: NoEnd = False,
    wait_s: Wait = 120.0,
    events: Events = False,
) -> None:
    """Simulate voltage holds of a strained crystal and send their rocking scans as a DECTRIS detector would.

    All holds are computed first (about a second each), then each is told to the streamer, scanned, and ended. The
    options --drop, --duplicate, --swap, --corrupt and --truncate do that to one image of every scan. --for, --scan-for,
    --offsets and --brightness take one number for all holds, or one for each, separated by commas.
    """
    emit = _emitter(events)
    with _explained() as interrupt:
        faults = _faults(drop, duplicate, swap, corrupt, truncate, no_end)
        detector = Detector(background=background, dead_pixels=dead_pixels, saturation=saturation)
        volts = voltages(voltage)
        plan = BeamlinePlan(
            crystal=crystal,
            voltages_v=volts,
            frames=frames,
            rows=rows,
            columns=columns,
            binning=binning,
            photons=photons,
            points=points,
            offsets_frames=for_each(offsets, "offsets", len(volts)),
            brightness=for_each(brightness, "brightness", len(volts)),
            seed=seed,
            detector=detector,
        )
        scans_s, holds_s = (for_each(text, name, len(volts)) for text, name in ((scan_s, "scan-for"), (hold_s, "for")))
        each = paces(Pace(rate_hz=rate, hold_margin_s=hold_margin), len(volts), frames, scans_s, holds_s)
        _send(bind, streamer_control, _simulated(plan, each, truth, emit), faults, wait_s, emit, seed, interrupt)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Recorded scan (HDF5): a beamline's, or an archive of ours.")],
    bind: Bind = "tcp://127.0.0.1:31001",
    rate: Rate = 10.0,
    crystal: Annotated[str | None, typer.Option(help="Name of the crystal, if the file has none.")] = None,
    voltage: Annotated[float | None, typer.Option(help="Volts of the hold.")] = None,
    hold_s: Annotated[float | None, typer.Option("--for", help="Seconds the hold lasts, from its start.")] = None,
    hold_margin: Annotated[float | None, typer.Option(help="Seconds the hold lasts longer than its scan.")] = None,
    dark: Annotated[Path | None, typer.Option(help="Dark image (TIFF); darkfield.tif beside FILE if there.")] = None,
    white: Annotated[Path | None, typer.Option(help="Flat field (TIFF); whitefield.tif beside FILE if there.")] = None,
    streamer_control: Control = None,
    drop: Frames = None,
    duplicate: Frames = None,
    swap: Frames = None,
    corrupt: Frames = None,
    truncate: Frames = None,
    no_end: NoEnd = False,
    wait_s: Wait = 120.0,
    events: Events = False,
) -> None:
    """Send a recorded rocking scan again as a DECTRIS detector would, from FILE.

    A hold is told to the streamer when --for or --hold-margin is given.
    """
    emit = _emitter(events)
    with _explained() as interrupt:
        faults = _faults(drop, duplicate, swap, corrupt, truncate, no_end)
        pace = Pace(rate_hz=rate, hold_margin_s=hold_margin, hold_s=hold_s)
        with open_recorded(file, dark, white) as recorded:
            scan = replayed_scan(recorded, pace, datetime.now(UTC), crystal, voltage)
            _send(bind, streamer_control, [scan], faults, wait_s, emit, 0, interrupt)


def _simulated(plan: BeamlinePlan, each: Sequence[Pace], truth: Path | None, emit: Emit) -> list[ScanToSend]:
    campaign, holds = prepare(plan), []
    for number, measured in enumerate(measure(campaign), 1):
        holds.append(measured)
        good = measured.counts[:, campaign.mask == 0]
        emit("computed", hold=number, of=len(plan.voltages_v), counts=int(good.sum()), brightest=int(good.max()))
    scans = simulated_scans(campaign, holds, each, datetime.now(UTC))
    if truth is not None:
        write_truth(truth, [true for _, true in scans])
        emit("truth", file=str(truth))
    return [scan for scan, _ in scans]


def _send(
    bind: str,
    control: str | None,
    scans: Sequence[ScanToSend],
    faults: Faults,
    wait_s: float,
    emit: Emit,
    seed: int,
    interrupt: Interrupt,
) -> None:
    use_one_thread()
    sender = Sender(bind)
    emit("bound", address=sender.open())
    left_behind = True
    try:
        sender.wait_for_peer(wait_s)
        perform(sender, ControlDesk(control, emit), scans, faults, emit, seed, interrupt.whole)
        left_behind = False
    finally:
        # Interrupted or refused, what still waits to leave is given up; otherwise it is waited for.
        sender.close(*([0] if left_behind else []))
    emit("done", scans=len(scans))


def _faults(
    drop: list[int] | None,
    duplicate: list[int] | None,
    swap: list[int] | None,
    corrupt: list[int] | None,
    truncate: list[int] | None,
    no_end: bool,
) -> Faults:
    chosen = [frozenset(indices or ()) for indices in (drop, duplicate, swap, corrupt, truncate)]
    return Faults(
        drop=chosen[0], duplicate=chosen[1], swap=chosen[2], corrupt=chosen[3], truncate=chosen[4], no_end=no_end
    )


def _emitter(events: bool) -> Callable[..., None]:
    """Tells what happens on standard output: JSON lines for programs, or plain text."""

    def emit(event: str, **fields: Any) -> None:
        if events:
            typer.echo(json.dumps({"event": event, **fields}))
            return
        typer.echo(f"{event.replace('_', ' ')}: " + ", ".join(f"{name} {value}" for name, value in fields.items()))

    return emit


@contextmanager
def _explained() -> Iterator[Interrupt]:
    """What the caller can do something about becomes one line and exit code 1; SIGTERM and SIGINT become 130."""
    try:
        with Interrupt() as interrupt:
            yield interrupt
    except (SenderError, RecordedError, SecurityError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("stopped before everything was sent", err=True)
        raise typer.Exit(INTERRUPTED) from None
