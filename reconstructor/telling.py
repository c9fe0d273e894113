"""What the service says about scans and jobs: progress regularly, sentences once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contract.messages import Advice, AdviceKind, Deadline, Notice, Scan
from contract.stream import Publisher
from reconstructor import reports
from reconstructor.advice import advice
from reconstructor.agenda import Agenda
from reconstructor.curve import MONITOR, contiguous
from reconstructor.findings import findings, news
from reconstructor.followed import FollowedScan
from reconstructor.jobs import Job, Outlook
from reconstructor.past import Past
from reconstructor.reports import Flying

REPORT_S = 0.5
MOST_REMEMBERED = 1000


class Teller:
    """Publishes JobProgress, Advice, Deadline and Notice; nothing of it decides anything."""

    def __init__(self, out: Publisher) -> None:
        self._out = out
        self._said: dict[str, None] = {}
        self._advised: dict[tuple[Scan, AdviceKind], Advice] = {}
        self._deadlines: dict[Scan, Deadline] = {}
        self._next_at = 0.0

    def notice(self, level: reports.Level, text: str, scan: Scan | None) -> None:
        """Say a sentence."""
        self._out.publish(Notice(level=level, text=text, scan=scan))

    def once(self, level: reports.Level, text: str, scan: Scan, key: str = "") -> None:
        """Say a sentence the first time it is given (or the first of its `key`)."""
        if (key or text) in self._said:
            return
        self._said[key or text] = None
        if len(self._said) > MOST_REMEMBERED:
            del self._said[next(iter(self._said))]
        self.notice(level, text, scan)

    def fault(self, scan: Scan, reason: Exception) -> None:
        """Say once what a scan's data did to what was to be told of it."""
        self.once("warning", f"{scan}: something could not be told of it: {reason}.", scan)

    def obstacles(self, scan: FollowedScan) -> None:
        """Say once what keeps a scan from being phased, as soon as it will not mend itself."""
        name = scan.started.scan
        if scan.obstacle and (scan.over or scan.started.geometry is None):
            self.once("warning", f"{name}: {scan.obstacle}", name)
        if scan.curve.strange_monitor:
            frames, (least, most) = contiguous(scan.curve.strange_monitor), MONITOR
            text = f"{name}: the monitor of frame {frames} is outside {least:g} to {most:g}; it counts as 1."
            self.once("warning", text, name, key=f"{name}: monitor")

    def advise(self, scan: FollowedScan, past: Past | None, now: float) -> None:
        """Say what the frames so far tell, as far as it is news."""
        if scan.measured is None:
            return
        for one in advice(scan.measured, findings(scan, past, now)):
            key = (one.scan, one.kind)
            if news(one, self._advised.get(key), scan.over):
                self._advised[key] = one
                self._out.publish(one)
        while len(self._advised) > MOST_REMEMBERED:
            del self._advised[next(iter(self._advised))]

    def begun(self, agenda: Agenda, scan: FollowedScan, flying: Flying, now: float) -> None:
        """A job begins."""
        self._out.publish(reports.running(agenda, scan, flying, now))

    def ended(self, job: Job, scan: FollowedScan, state: reports.State, detail: str, now: float) -> None:
        """A job came to its end."""
        self._out.publish(reports.ended(job, scan, state, detail, now))

    def late(self, agenda: Agenda, outlooks: Sequence[Outlook], flying: Flying | None, now: float) -> None:
        """Say which scans' refined volumes will come too late, as soon as that is so, and where it is so no more."""
        for one in reports.deadlines(agenda, outlooks, flying, now, self._deadlines):
            self._deadlines[one.scan] = one
            self._out.publish(one)
        while len(self._deadlines) > MOST_REMEMBERED:
            del self._deadlines[next(iter(self._deadlines))]

    def regularly(self, agenda: Agenda, scans: Iterable[FollowedScan], flying: Flying | None, now: float) -> None:
        """How far things are, about twice a second."""
        if now < self._next_at:
            return
        self._next_at = now + REPORT_S
        for scan in scans:
            if flying is not None and flying.plan.job.scan == scan.started.scan:
                self._out.publish(reports.running(agenda, scan, flying, now))
            elif (waits := reports.waiting(agenda, scan, now)) is not None:
                self._out.publish(waits)
