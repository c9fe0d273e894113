"""What the demo has seen so far: messages and times in, one record a scan out. No I/O; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contract.messages import (
    Advice,
    AnyMessage,
    Deadline,
    ForecastScored,
    FrameBlock,
    HoldEnded,
    HoldStarted,
    JobProgress,
    Notice,
    ScanEnded,
    ScanStarted,
    Volume,
)

NOTICES_KEPT = 6
OfScan = FrameBlock | Volume | ScanEnded | JobProgress | ForecastScored | Deadline | Advice


@dataclass(frozen=True)
class HoldSeen:
    """One voltage hold on the demo's own clock (seconds)."""

    hold: str
    crystal: str
    voltage_v: float | None
    started_s: float
    planned_s: float | None
    ended_s: float | None = None

    @property
    def end_s(self) -> float | None:
        """When the hold ended, or is planned to end; None if nobody said."""
        if self.planned_s is not None:
            return self.started_s + self.planned_s
        return self.ended_s


@dataclass(frozen=True)
class VolumeSeen:
    """What the demo keeps of a published volume: the message without its arrays, and when it came."""

    at_s: float
    stage: str
    revision: int
    frames_used: int
    start: str
    last_hold: bool
    whole_curve: bool
    """Whether the scan was over when its job began."""
    first_frame_to_volume_s: float | None
    last_frame_to_volume_s: float | None
    r_factor: float | None
    free_llk: float | None
    warm_cold_overlap: float | None
    q_norm_inv_a: float
    crystal_volume_um3: float
    outer_volume_um3: float | None
    runs: int
    iterations: int
    window_shape: tuple[int, int, int] | None
    binning: tuple[int, int, int] | None
    recipe: str
    archive: str


@dataclass(frozen=True)
class DeadlineSeen:
    """What was said of a refined volume's being in time, and when it came."""

    at_s: float
    said: Deadline


@dataclass(frozen=True)
class ScanSeen:
    """One rocking scan as the demo saw it; times on the demo's own clock, in seconds."""

    scan: str
    crystal: str | None
    hold: str | None
    frames_expected: int
    indices: frozenset[int] = frozenset()
    first_frame_s: float | None = None
    last_frame_s: float | None = None
    volumes: tuple[VolumeSeen, ...] = ()
    status: str = "scanning"
    missing: tuple[int, ...] = ()
    raw_archive: str = ""
    job: JobProgress | None = None
    deadlines: tuple[DeadlineSeen, ...] = ()
    """All that was said of its refined volume's being in time."""
    forecasts: tuple[ForecastScored, ...] = ()
    """How its volumes were borne out."""
    good_enough: Advice | None = None
    """That it could have ended sooner, as it was said first."""

    @property
    def refined(self) -> tuple[VolumeSeen, ...]:
        """The refined volumes in the order they came."""
        return tuple(volume for volume in self.volumes if volume.stage == "refined")

    @property
    def volumes_before_last_frame(self) -> int:
        """How many volumes came while frames were still being measured."""
        if self.last_frame_s is None:
            return 0
        return sum(volume.at_s < self.last_frame_s for volume in self.volumes)


@dataclass(frozen=True)
class DemoState:
    """Everything seen: holds and scans in order of their start, and the newest notices."""

    holds: tuple[HoldSeen, ...] = ()
    scans: tuple[ScanSeen, ...] = ()
    notices: tuple[str, ...] = ()

    def hold(self, name: str | None) -> HoldSeen | None:
        """The hold of that name, if it was seen."""
        return next((hold for hold in self.holds if hold.hold == name), None)

    def finished(self, scans: int) -> bool:
        """Whether that many scans ended and each has a refined volume."""
        done = [scan for scan in self.scans if scan.status != "scanning" and scan.refined]
        return len(done) >= scans


def observe(state: DemoState, message: AnyMessage, now_s: float) -> DemoState:
    """The state after `message` arrived at `now_s`."""
    match message:
        case HoldStarted():
            return _start_hold(state, message, now_s)
        case HoldEnded():
            holds = tuple(replace(h, ended_s=now_s) if h.hold == message.hold else h for h in state.holds)
            return replace(state, holds=holds)
        case ScanStarted():
            return _start_scan(state, message)
        case Notice(level="warning" | "error"):
            return _noted(state, f"{message.level}: {message.text}")
        case Deadline(met=False):
            return _noted(_advanced(state, message, now_s), f"warning: {message.text}")
        case FrameBlock() | Volume() | ScanEnded() | JobProgress() | ForecastScored() | Deadline() | Advice():
            return _advanced(state, message, now_s)
    return state


def _noted(state: DemoState, text: str) -> DemoState:
    return replace(state, notices=(*state.notices, text)[-NOTICES_KEPT:])


def _start_hold(state: DemoState, message: HoldStarted, now_s: float) -> DemoState:
    if state.hold(message.hold):
        return state
    hold = HoldSeen(message.hold, message.crystal, message.voltage_v, now_s - message.elapsed_s, message.planned_s)
    return replace(state, holds=(*state.holds, hold))


def _start_scan(state: DemoState, message: ScanStarted) -> DemoState:
    if any(scan.scan == message.scan for scan in state.scans):
        return state
    scan = ScanSeen(message.scan, message.crystal, message.hold, message.frames_expected)
    return replace(state, scans=(*state.scans, scan))


def _advanced(state: DemoState, message: OfScan, now_s: float) -> DemoState:
    scans = tuple(_advance(s, message, now_s) if s.scan == message.scan else s for s in state.scans)
    return replace(state, scans=scans)


def _advance(scan: ScanSeen, message: OfScan, now_s: float) -> ScanSeen:
    match message:
        case FrameBlock():
            indices = scan.indices | {int(i) for i in message.index}
            if len(indices) == len(scan.indices):
                return scan
            first = now_s if scan.first_frame_s is None else scan.first_frame_s
            return replace(scan, indices=indices, first_frame_s=first, last_frame_s=now_s)
        case Volume():
            return replace(scan, volumes=(*scan.volumes, _seen(message, now_s)))
        case ScanEnded():
            archive = message.archive or scan.raw_archive
            return replace(scan, status=message.status, missing=message.missing, raw_archive=archive)
        case JobProgress():
            return replace(scan, job=message)
        case ForecastScored():
            return replace(scan, forecasts=(*scan.forecasts, message))
        case Deadline():
            return replace(scan, deadlines=(*scan.deadlines, DeadlineSeen(now_s, message)))
        case Advice(kind="good_enough"):
            return replace(scan, good_enough=scan.good_enough or message)
        case Advice():
            return scan


def _seen(volume: Volume, now_s: float) -> VolumeSeen:
    return VolumeSeen(
        at_s=now_s,
        stage=volume.stage,
        revision=volume.revision,
        frames_used=volume.frames_used,
        start=volume.start,
        last_hold=volume.last_hold,
        whole_curve=volume.completion is not None,
        first_frame_to_volume_s=volume.first_frame_to_volume_s,
        last_frame_to_volume_s=volume.last_frame_to_volume_s,
        r_factor=volume.quality.r_factor,
        free_llk=volume.quality.free_llk,
        warm_cold_overlap=volume.quality.warm_cold_overlap,
        q_norm_inv_a=volume.q_norm_inv_a,
        crystal_volume_um3=volume.crystal_volume_um3,
        outer_volume_um3=volume.outer_volume_um3,
        runs=volume.runs,
        iterations=volume.iterations,
        window_shape=volume.window_shape,
        binning=volume.binning,
        recipe=volume.recipe,
        archive=volume.archive,
    )
