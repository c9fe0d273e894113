"""The region of interest of one scan: looks at full images as they come, and says where the window must be.

While the scan runs a window moves only when it must, for a move publishes all frames anew: when the peak is found at
first, or when it has passed outside of the window. At the scan's end, when all of the curve is known, the window is
put right in any case; the frames it needs are in the journal. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from contract.messages import RegionChosen, Window
from streamer.detectors.records import Channel, Frame
from streamer.open_scan import OpenScan
from streamer.region import Chosen, Follow, Followed, Peak, Region, around, holds, keeps, of_crystal, shift_px
from streamer.region_looks import Looks

MOST_LOOKS = 32
"""Full images looked at in a scan: unpacking all of them would cost what the window saves."""
EVERY_UNKNOWN = 8
"""Of a series without a start, every eighth frame is looked at."""
LEAST_LOOKS = 4
"""Before the window moves while the scan runs: by fewer images nobody knows what rocks."""
CLEAR_COUNTS = 500.0
"""What a peak must have to move a window while the scan runs,"""
CERTAIN_COUNTS = 10_000.0
"""or, to be found for the first time before it has passed: fringes that come earlier lie up to 20 pixels beside it,"""
CLEAR_TIMES = 3.0
"""how many times as bright it must be as the next one, or as what is in the window,"""
CLEAR_SHARE = 0.25
"""and the share of the counts that the crystal had in its last scan."""
LATER = 0.1
"""Of the scan's frames: so much after the place where the crystal's peak was in its last scan it is missed."""


class Move(NamedTuple):
    """The window must move."""

    window: Window | None
    """None for the whole image."""
    region: Region


class ScanRegion:
    """What is seen of a scan on full images. Without `follow` nothing is looked at, and no window moves."""

    def __init__(self, follow: Follow | None, scan: OpenScan) -> None:
        self._follow = follow
        self._scan = scan
        self._looks: Looks | None = None
        self._decided_on = 0

    @property
    def region(self) -> Region:
        """How the present window was chosen."""
        return self._scan.identity.region or Region()

    def look(self, frames: Iterable[Frame]) -> None:
        """Look at those frames' full images whose turn it is."""
        if self._follow is None or not self._scan.known:
            return
        every = _every(self._scan.series.frames_expected)
        for frame in frames:
            image = self._scan.image(frame) if frame.index % every == 0 else None
            if image is not None:
                self._seen().add(frame.index, image, frame.monitor)

    def running(self) -> Move | None:
        """Where the window must move now, while the scan runs."""
        follow, looks, region = self._follow, self._looks, self.region
        if follow is None or looks is None or region.chosen == "set" or len(looks) < LEAST_LOOKS:
            return None
        if len(looks) < self._decided_on + LEAST_LOOKS:
            return None
        self._decided_on = len(looks)
        peaks = looks.peaks()
        if region.chosen == "searched":
            return self._found(follow, peaks)
        return self._missed(follow, peaks)

    def closing(self) -> Move | None:
        """Where the window must be, now that the scan is over."""
        follow, looks, region = self._follow, self._looks, self.region
        if follow is None or looks is None or region.chosen == "set":
            return None
        peak = of_crystal(looks.peaks(), _last(region))
        if peak is None:
            return None
        if region.chosen == "searched":
            return self._to(follow, peak, "found", "it is about the brightest peak of the scan")
        if self._kept(follow, peak) or not self._whole(peak):
            return None
        return self._to(
            follow, peak, "moved", f"the peak came at {_at(peak)}, outside of the window or too near its edge"
        )

    def anew(self) -> Move | None:
        """Where the window must be if nothing is known of the crystal; None if no peak was seen."""
        peaks = [] if self._looks is None else self._looks.peaks()
        if self._follow is None or not peaks:
            return None
        window = around(peaks[0], self._follow, self._scan.series.shape)
        reason = f"it is about the brightest peak so far, at {_at(peaks[0])}"
        return Move(window, Region(chosen="found", peak=peaks[0], reason=reason))

    def remark(self) -> str:
        """What a person should know about the region of a scan that is over; "" if nothing."""
        if self._follow is None or self._looks is None:
            return ""
        peaks, region, window = self._looks.peaks(), self.region, self._scan.window
        if not peaks:
            return "no Bragg peak is to be seen on its full images"
        peak = of_crystal(peaks, _last(region))
        if peak is None:
            return (
                f"no peak is like the crystal's last one, neither in place nor in brightness: the window stayed; the "
                f"brightest peak is at {_at(peaks[0])}"
            )
        if region.chosen == "set" and not holds(window, peak):
            return f"its peak is at {_at(peak)}, outside of the window that was set by hand"
        return ""

    def followed(self) -> Followed | None:
        """What the crystal's next scan begins with, as far as this one knows better than what there was."""
        identity, region = self._scan.identity, self.region
        peak = None if self._looks is None else of_crystal(self._looks.peaks(), _last(region))
        if self._follow is None or region.chosen == "set" or peak is None or not self._whole(peak):
            return None
        length = self._scan.series.frames_expected or peak.frame + 1
        return Followed(
            source=identity.source,
            crystal=identity.crystal or "",
            scan=self._scan.scan,
            window=self._scan.window,
            peak=peak,
            share=(peak.frame + 1) / length,
            geometry=self._scan.geometry,
        )

    def told(self) -> RegionChosen | None:
        """What is told of the present window; None where it is simply that of the settings."""
        identity, region = self._scan.identity, self.region
        if identity.region is None:
            return None
        peak = region.peak or (None if region.before is None else region.before.peak)
        return RegionChosen(
            scan=self._scan.scan,
            window_revision=identity.window_revision,
            window=self._scan.window,
            chosen=region.chosen,
            crystal=identity.crystal,
            since=None if region.before is None else region.before.scan,
            shift_px=shift_px(self._scan.window, region.before),
            peak_px=None if peak is None else (round(peak.row, 2), round(peak.column, 2)),
            reason=region.reason,
        )

    def _seen(self) -> Looks:
        if self._looks is None:
            series = self._scan.series
            if series.dtype is None:
                raise RuntimeError(f"the dtype of scan {self._scan.scan} is not known yet")
            channel = series.channels.get(self._scan.channel, Channel())
            self._looks = Looks(series.shape, series.dtype, channel, series.saturation_counts)
        return self._looks

    def _found(self, follow: Follow, peaks: list[Peak]) -> Move | None:
        """The brightest peak, if it is clear enough already."""
        if not peaks or peaks[0].counts < (CLEAR_COUNTS if peaks[0].passed else CERTAIN_COUNTS):
            return None
        if len(peaks) > 1 and peaks[0].counts < CLEAR_TIMES * peaks[1].counts:
            return None
        return self._to(follow, peaks[0], "found", f"the first clear peak came at {_at(peaks[0])}")

    def _missed(self, follow: Follow, peaks: list[Peak]) -> Move | None:
        """The crystal's peak, if it has passed outside of the window and its place in the window stayed empty."""
        last = _last(self.region)
        peak = of_crystal(peaks, last)
        if peak is None or not peak.passed or self._kept(follow, peak):
            return None
        inside = max((one.counts for one in peaks if holds(self._scan.window, one) and one != peak), default=0.0)
        if peak.counts < max(CLEAR_COUNTS, CLEAR_TIMES * inside, 0.0 if last is None else CLEAR_SHARE * last.counts):
            return None
        before = self.region.before
        if (
            before is not None
            and self._scan.assembly.frames < (before.share + LATER) * self._scan.series.frames_expected
        ):
            return None
        return self._to(
            follow, peak, "moved", f"the peak passed at {_at(peak)}, outside of the window or near its edge"
        )

    def _whole(self, peak: Peak) -> bool:
        """Whether the scan has come as far as to show the whole peak."""
        expected = self._scan.series.frames_expected
        return peak.passed or 0 < expected <= self._scan.assembly.frames

    def _kept(self, follow: Follow, peak: Peak) -> bool:
        return keeps(self._scan.window, peak, follow, self._scan.series.shape)

    def _to(self, follow: Follow, peak: Peak, chosen: Chosen, reason: str) -> Move | None:
        window = around(peak, follow, self._scan.series.shape)
        if window == self._scan.window:  # the image ends there
            return None
        return Move(window, Region(chosen=chosen, before=self.region.before, peak=peak, reason=reason))


def _last(region: Region) -> Peak | None:
    return None if region.before is None else region.before.peak


def _every(frames_expected: int) -> int:
    """Which frames are looked at: each n-th."""
    return -(-frames_expected // MOST_LOOKS) if frames_expected else EVERY_UNKNOWN


def _at(peak: Peak) -> str:
    return f"row {peak.row:.0f}, column {peak.column:.0f}"
