"""What `bragglive simulate` and `bragglive replay` are told, as values; and the scans that follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from contract.messages import Crystal, Hold
from streamer.simulator.beamline import Campaign, MeasuredHold
from streamer.simulator.recorded import RecordedError, RecordedScan
from streamer.simulator.series import HoldPlan, ScanToSend
from streamer.simulator.truth import HoldTruth

DUTY = 0.95
"""Share of the time from frame to frame that the simulated detector counts."""
UNLIMITED = 2**32 - 1


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast frames are sent and how long holds last."""

    rate_hz: float = 10.0
    hold_margin_s: float | None = 10.0
    """Seconds a hold lasts longer than its scan; None: no hold is told."""
    hold_s: float | None = None
    """Seconds a hold lasts from the start of its scan, instead of the margin."""

    def __post_init__(self) -> None:
        if not 0.0 < self.rate_hz <= 1e4:
            raise ValueError(f"a rate of {self.rate_hz:g} frames/s, wanted more than 0 and at most 10000")

    def planned_s(self, frames: int) -> float | None:
        """Length of the hold of a scan of `frames` frames."""
        if self.hold_s is not None:
            return self.hold_s
        return None if self.hold_margin_s is None else frames / self.rate_hz + self.hold_margin_s


def voltages(text: str) -> tuple[float, ...]:
    """Comma-separated volts; ValueError names what is no number."""
    return _numbers(text, "voltages")


def for_each(text: str | None, name: str, holds: int) -> tuple[float, ...]:
    """One number for all holds, or comma-separated ones for each; none without a text. ValueError: another number."""
    if text is None:
        return ()
    found = _numbers(text, name)
    if len(found) not in (1, holds):
        raise ValueError(f"{name} {text!r}: {len(found)} numbers for {holds} holds; wanted one for all or one for each")
    return found * (holds // len(found))


def paces(pace: Pace, holds: int, frames: int, scan_s: tuple[float, ...], hold_s: tuple[float, ...]) -> list[Pace]:
    """The pace of each hold: that of all, but for how long its scan of `frames` frames and it itself are to last."""
    if any(seconds <= 0 for seconds in (*scan_s, *hold_s)):
        raise ValueError(f"scans of {scan_s} s in holds of {hold_s} s; wanted each above 0")
    rates = [frames / seconds for seconds in scan_s] or [pace.rate_hz] * holds
    lengths = hold_s or (pace.hold_s,) * holds
    return [Pace(rate_hz=r, hold_margin_s=pace.hold_margin_s, hold_s=s) for r, s in zip(rates, lengths, strict=True)]


def _numbers(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{name} {text!r}: wanted numbers separated by commas, like 4.1,4.0,3.9") from error


def hold_name(crystal: str, voltage_v: float | None, now: datetime, number: int) -> Hold:
    """Names a hold for ever, e.g. "IV-4.100V-20261123T031500-1"."""
    volts = "" if voltage_v is None else f"{voltage_v:.3f}V-"
    return Hold(f"{crystal}-{volts}{now:%Y%m%dT%H%M%S}-{number}")


def simulated_scans(
    campaign: Campaign, holds: Iterable[MeasuredHold], each: Iterable[Pace], now: datetime
) -> list[tuple[ScanToSend, HoldTruth]]:
    """The scans of a simulated campaign, each at its pace, and the truth behind each."""
    plan, scans = campaign.plan, []
    for number, (measured, pace) in enumerate(zip(holds, each, strict=True), 1):
        voltage_v = measured.state.voltage_v
        name = hold_name(plan.crystal, voltage_v, now, number)
        planned_s = pace.planned_s(plan.frames)
        hold = None if planned_s is None else _hold(name, plan.crystal, voltage_v, planned_s)
        scan = ScanToSend(
            name=f"{name}-scan",
            number=number,
            image=measured.counts.__getitem__,
            shape=(plan.rows, plan.columns),
            angles_deg=campaign.angles_deg,
            monitor=measured.monitor,
            geometry=campaign.geometry,
            crystal=Crystal(plan.crystal),
            hold=hold,
            frame_time_s=1 / pace.rate_hz,
            count_time_s=DUTY / pace.rate_hz,
            saturation=plan.detector.saturation,
            arm_date=now.isoformat(),
            mask=campaign.mask,
        )
        scans.append((scan, HoldTruth(name, scan.name, measured.state, measured.amplitude)))
    return scans


def replayed_scan(
    recorded: RecordedScan, pace: Pace, now: datetime, crystal: str | None, voltage_v: float | None
) -> ScanToSend:
    """A recorded scan under a new name, in a hold if `pace` has one; an unnamed crystal is the recorded one."""
    if recorded.geometry is None:
        raise RecordedError(f"{recorded.name} does not tell its geometry, without which it cannot be sent")
    frames = len(recorded.angles_deg)
    planned_s = pace.planned_s(frames)
    crystal = crystal or recorded.crystal or (None if planned_s is None else recorded.name)  # a hold needs a crystal
    voltage_v = recorded.voltage_v if voltage_v is None else voltage_v
    hold = None
    if planned_s is not None and crystal is not None:
        hold = _hold(hold_name(crystal, voltage_v, now, 1), crystal, voltage_v, planned_s)
    return ScanToSend(
        name=f"{recorded.name}-{now:%Y%m%dT%H%M%S}",
        number=1,
        image=recorded.frames.__getitem__,
        shape=recorded.frames.shape[1:],
        dtype=recorded.frames.dtype.name,
        angles_deg=recorded.angles_deg,
        monitor=recorded.monitor,
        geometry=recorded.geometry,
        crystal=None if crystal is None else Crystal(crystal),
        hold=hold,
        frame_time_s=1 / pace.rate_hz,
        count_time_s=min(recorded.count_time_s or DUTY / pace.rate_hz, DUTY / pace.rate_hz),
        saturation=recorded.saturation or UNLIMITED,
        arm_date=now.isoformat(),
        mask=recorded.mask,
        flat_field=recorded.flat_field,
        missing=recorded.missing,
    )


def _hold(name: Hold, crystal: str, voltage_v: float | None, planned_s: float) -> HoldPlan:
    return HoldPlan(hold=name, crystal=Crystal(crystal), voltage_v=voltage_v, planned_s=planned_s)
