"""The demo's live view in the terminal: frames, revisions, time left of the hold."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from compose.demo_state import DemoState, ScanSeen


def view(state: DemoState, phase: str, now_s: float, scans: int, title: str = "bragglive demo") -> RenderableType:
    """What the terminal shows at `now_s` (the demo's own clock)."""
    rows = Table.grid(padding=(0, 2))
    for scan in state.scans:
        rows.add_row(*_cells(state, scan, now_s))
    heading = Text(f"{title}: {phase}, scan {len(state.scans)} of {scans}", style="bold")
    notices = [Text(notice, style="yellow") for notice in state.notices]
    return Group(heading, rows, *notices)


def _cells(state: DemoState, scan: ScanSeen, now_s: float) -> tuple[RenderableType, ...]:
    hold = state.hold(scan.hold)
    frames = len(scan.indices)
    voltage = f"{hold.voltage_v:.2f} V" if hold and hold.voltage_v is not None else ""
    bar = ProgressBar(total=scan.frames_expected, completed=frames, width=20)
    badge = _badge(scan)
    return (
        f"{hold.crystal if hold else scan.crystal or ''} {voltage}".strip(),
        bar,
        f"{frames}/{scan.frames_expected} frames",
        badge,
        f"{len(scan.volumes)} volumes",
        _volume_numbers(scan),
        _time_left(hold.end_s if hold else None, now_s),
        _job(scan),
    )


def _badge(scan: ScanSeen) -> Text:
    if not scan.volumes:
        return Text("waiting for the peak", style="dim")
    if scan.refined:
        return Text("REFINED", style="bold green")
    if scan.volumes[-1].last_hold:
        return Text("LAST HOLD", style="bold cyan")
    return Text("PROVISIONAL", style="bold yellow3")


def _volume_numbers(scan: ScanSeen) -> str:
    if not scan.volumes:
        return ""
    newest = scan.volumes[-1]
    return "" if newest.r_factor is None else f"R {newest.r_factor:.4f} from {newest.frames_used} frames"


def _time_left(end_s: float | None, now_s: float) -> str:
    if end_s is None:
        return ""
    left = end_s - now_s
    return f"hold ends in {left:.0f} s" if left > 0 else "hold over"


def _job(scan: ScanSeen) -> str:
    job = scan.job
    if job is None or job.state not in ("running", "planned"):
        return ""
    return f"{job.stage} {job.detail}".strip()
