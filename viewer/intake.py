"""Messages in, knowledge out, and the heavy work between: drawing pictures, preparing frames, fitting curves.

No thread and no clock: whoever owns it (the inbox's thread, a test) says when and what time it is.
"""

from __future__ import annotations

from contract.messages import AnyMessage, Notice, Scan, Volume
from viewer.backlog import Backlog
from viewer.drawable import undrawable
from viewer.frames import Frame, FrameView, view_frame
from viewer.picture import draw_picture
from viewer.reducer import reduce, with_fit, with_frame_views, with_link, with_picture
from viewer.rocking import fit_gaussian
from viewer.state import LinkKnown, ScanKnown, State


class Intake:
    """Takes messages at once and does the work they ask for piece by piece."""

    def __init__(self, maximum_faces: int) -> None:
        self.state = State()
        self.backlog = Backlog()
        self.drawn = 0
        """Volumes drawn so far."""
        self._maximum_faces = maximum_faces
        self._changed_curves: set[Scan] = set()

    def take(self, message: AnyMessage, published_s: float) -> None:
        """Take in a message that was published at `published_s`; quick, whatever it is."""
        if isinstance(message, Volume):
            if why := undrawable(message):
                text = f"a {message.stage} volume of scan {message.scan} cannot be drawn and is left out: {why}"
                message = Notice(level="error", text=text, scan=message.scan)
            else:
                self.backlog.add(message, published_s)
        before = self.state
        self.state = reduce(before, message, published_s)
        for scan, known in self.state.scans.items():
            if _measured(before.scans.get(scan)) != _measured(known):
                self._changed_curves.add(scan)

    def hear(self, name: str, link: LinkKnown) -> None:
        """Take in how the connection to a service is."""
        self.state = with_link(self.state, name, link)

    def work(self) -> bool:
        """Do one piece of work: the changed curves, or one volume; False if there was nothing to do."""
        if self._changed_curves:
            self._prepare_curves()
            return True
        waiting = self.backlog.pop()
        if waiting is None:
            return False
        self.state = with_picture(self.state, draw_picture(waiting.volume, self._maximum_faces), waiting.published_s)
        self.drawn += 1
        return True

    def _prepare_curves(self) -> None:
        for scan in self._changed_curves:
            known = self.state.scans.get(scan)
            if known is None:
                continue
            newest = _view(known, known.newest, known.newest_view)
            same = _same(known.newest, known.brightest)
            brightest = newest if same else _view(known, known.brightest, known.brightest_view)
            self.state = with_frame_views(self.state, scan, newest, brightest)
            self.state = with_fit(self.state, scan, fit_gaussian(known.curve))
        self._changed_curves.clear()


def _measured(scan: ScanKnown | None) -> tuple[object, ...]:
    """What the frames' views and the fit depend on; curves and frames compare by identity; () without frames."""
    if scan is None or not len(scan.curve.index):
        return ()
    return (scan.curve, scan.newest, scan.brightest, scan.window_revision)


def _same(one: Frame | None, other: Frame | None) -> bool:
    return one is not None and other is not None and one.index == other.index


def _view(scan: ScanKnown, frame: Frame | None, before: FrameView | None) -> FrameView | None:
    if frame is None or scan.window is None:
        return None
    if before is not None and before.index == frame.index and before.window == scan.window:
        return before
    return view_frame(frame, scan.window, scan.mask, scan.saturation_counts)
