"""What is told of a scan's region of interest, and what it leaves to its crystal's next scan."""

from __future__ import annotations

from collections.abc import Callable

from contract.messages import AnyMessage, Notice
from contract.telemetry import Happened, JournalFault
from streamer.measured_scan import MeasuredScan
from streamer.regions import Regions


def scan_over(
    regions: Regions,
    scan: MeasuredScan,
    publish: Callable[[AnyMessage], object],
    happened: Callable[[Happened], None],
) -> None:
    """A scan was closed: its crystal's next scan begins where its peak was; what is odd about its region is told."""
    followed, remark = scan.region.followed(), scan.region.remark()
    try:
        if followed is not None:
            regions.remember(followed)
    except OSError as error:  # known to this process; after a restart the peak is found anew
        happened(JournalFault(kind="write", detail=f"regions: {error}"))
    if remark:
        name = scan.open.scan
        publish(Notice(level="warning", text=f"scan {name}: {remark}", scan=name))
