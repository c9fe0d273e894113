"""What has become of a scan. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contract.messages import Completion, Notice, RegionChosen, Scan, ScanEnded
from contract.telemetry import CurveClosed, FrameRejected, Happened, JournalFault
from streamer.finished import Finished
from streamer.journal import Damage
from streamer.open_scan import OpenScan
from streamer.rocking_curve import Closing


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of a scan; kept in its journal."""

    closing: Closing | None = None
    archive: str = ""
    """Where its archive is, or will be."""
    archived: bool = False
    """The archive is there, verified and durable."""
    confirmed: int | None = None
    """Revision of the volume with which the reconstructor was done with it."""


def shortfall(ended: ScanEnded) -> str:
    """What came of a scan that is not complete, in one sentence."""
    listed = ", ".join(str(index) for index in ended.missing[:10]) + (", …" if len(ended.missing) > 10 else "")
    missing = f"{len(ended.missing)} of {ended.frames_expected} frames are missing" + (f" ({listed})" if listed else "")
    return f"scan {ended.scan} is {ended.status}, {ended.reason}: {missing}"


def curve_closed(scan: OpenScan, status: Completion, edition: int) -> CurveClosed:
    """That a scan was closed; what is missing is counted the first time only."""
    return CurveClosed(
        source=scan.identity.source,
        scan=scan.scan,
        status=status,
        missing=len(scan.assembly.curve().missing) if edition == 1 else 0,
        assembly_s=scan.assembly.age_s,
    )


def damage_told(scan: Scan, source: str, damage: Sequence[Damage]) -> tuple[list[Happened], Notice | None]:
    """What is to be said of damaged records of a scan's journal."""
    told: list[Happened] = []
    for one in damage:
        detail = f"scan {scan}, record {one.position}: {one.why}"
        told.append(JournalFault(kind="record", detail=detail))
        told.append(FrameRejected(source=source, reason="crc", detail=detail))
    if not damage:
        return told, None
    text = f"scan {scan}: {len(damage)} records of its journal are damaged and count as missing"
    return told, Notice(level="error", text=text, scan=scan)


def finished(scan: OpenScan, region: RegionChosen | None, state: State) -> Finished:
    """Everything the archive of a closed scan is written from."""
    scan.settle()
    started, closing = scan.started(), state.closing
    if started is None or closing is None:
        raise RuntimeError(f"scan {scan.scan} is not closed")
    curve = scan.assembly.curve()
    return Finished(
        started=started,
        ended=scan.ended(closing, state.archive),
        series=scan.series,
        curve=curve,
        channel=scan.channel,
        angles_deg=scan.angles_deg(curve),
        hold=scan.identity.held,
        rocking_axis=scan.series.rocking_axis,
        region=region,
    )
