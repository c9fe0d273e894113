"""What to show, as values: knowledge + intent + time -> a frozen Scene. No Qt, no napari.

Parts that have not changed are the same objects from one scene to the next, so that the screen touches only what
did change. Colour limits come from the intent alone: nothing is rescaled behind the user's back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from contract.messages import Hold
from viewer.badge import Badge, choose_picture, duration, judge, link_text, quiet_link
from viewer.captions import Number, canvas_text, live_numbers, remarks, volume_numbers
from viewer.frames import FrameView
from viewer.picture import Picture
from viewer.rocking import Curve, GaussianFit
from viewer.state import ScanKnown, State
from viewer.timeline import Timeline, draw_timeline

RESIZED = 1.4
"""A crystal that seems larger or smaller by this factor is framed anew."""


@dataclass(frozen=True)
class Intent:
    """What the user wants to see."""

    hold: Hold | None = None
    """None follows the newest."""
    displacement_limit_a: float | None = None
    """Colours of the displacement run from − this to + this; None: a quarter of d, a phase of ±90°."""


@dataclass(frozen=True)
class Framing:
    """What the camera is set to see: a sphere about the centre of a crystal."""

    crystal: str
    radius_nm: float
    half_side_nm: float
    """Of a cube with sides along x, y, z."""

    def still_serves(self, wanted: Framing) -> bool:
        """Whether the camera may stay as the user left it: the same crystal, not of quite another size."""
        same_size = 1 / RESIZED < wanted.radius_nm / self.radius_nm < RESIZED
        return self.crystal == wanted.crystal and same_size


@dataclass(frozen=True)
class PictureView:
    """Surface and slices of one volume, and the fixed colour limits they are shown with."""

    picture: Picture
    displacement_limit_a: float
    framing: Framing

    @property
    def note(self) -> str:
        """What the colours mean, or that they do not hold the displacement."""
        extent = self.picture.displacement_extent_a
        if extent > self.displacement_limit_a:
            return f"5 % of the crystal have |u| > {extent:.2f} Å, beyond the colours"
        phase_deg = math.degrees(self.picture.facts.q_norm_inv_a * self.displacement_limit_a)
        return f"u = −φ/|Q| along Q; ±{self.displacement_limit_a:g} Å are ∓{phase_deg:.0f}° of phase"


@dataclass(frozen=True)
class DetectorView:
    """The detector frame and the words about it."""

    frame: FrameView
    title: str
    caption: str
    top: float
    """log₁₀(1 + counts) of the brightest colour: grows with the scan in halves of a decade, never shrinks."""
    stale: bool


@dataclass(frozen=True)
class RockingView:
    """The rocking curve, its fit, the same crystal's curve before, and the words about them."""

    curve: Curve
    fit: GaussianFit | None
    previous: Curve | None
    title: str
    caption: str
    running: bool
    """Whether more frames are expected."""
    stale: bool


@dataclass(frozen=True)
class Link:
    """A line on a connection."""

    name: str
    good: bool
    text: str


@dataclass(frozen=True)
class Scene:
    """Everything on the screen at one time."""

    badge: Badge
    canvas_text: str
    numbers: tuple[Number, ...]
    remarks: tuple[str, ...]
    links: tuple[Link, ...]
    picture: PictureView | None
    detector: DetectorView | None
    rocking: RockingView | None
    no_frames: str
    """What to say where there is no detector frame and no curve."""
    timeline: Timeline


def compose(state: State, intent: Intent, now_s: float) -> Scene:
    """Say what to show at `now_s`, in seconds of the clock that `state` was reduced with."""
    shown = choose_picture(state, intent.hold)
    badge = judge(state, shown, now_s)
    scan = state.newest_scan()
    still = volume_numbers(shown.picture) if shown else ()
    return Scene(
        badge=badge,
        canvas_text=canvas_text(badge, shown, now_s),
        numbers=live_numbers(state, shown, now_s) + still,
        remarks=remarks(state, badge, shown, now_s),
        links=tuple(_link(state, name, now_s) for name in ("streamer", "reconstructor")),
        picture=_picture(shown.picture, intent) if shown else None,
        detector=_detector(state, scan, now_s) if scan else None,
        rocking=_rocking(state, scan, now_s) if scan and len(scan.curve.index) else None,
        no_frames=_no_frames(scan),
        timeline=draw_timeline(state, now_s),
    )


def fitting_limit(extent: float) -> float:
    """The next of 1, 2, 5 × a power of ten that holds `extent`; what the "fit colours" button asks for."""
    if not extent > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(extent))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= extent * (1 - 1e-9)))


def natural_limit_a(q_norm_inv_a: float) -> float:
    """A quarter of the lattice spacing d, to 0.1 Å: displacements of a phase of ±90°."""
    return max(0.1, round(math.pi / 2 / q_norm_inv_a, 1))


def _picture(picture: Picture, intent: Intent) -> PictureView:
    facts = picture.facts
    return PictureView(
        picture,
        intent.displacement_limit_a or natural_limit_a(facts.q_norm_inv_a),
        Framing(str(facts.crystal or facts.scan), picture.radius_nm, picture.half_side_nm),
    )


def _link(state: State, name: str, now_s: float) -> Link:
    link = state.links.get(name)
    return Link(name, link is not None and not quiet_link(state, name, now_s), link_text(link, name, state, now_s))


def _no_frames(scan: ScanKnown | None) -> str:
    if scan is None or scan.status is None:
        return "no frame yet"
    return f"the frames of scan {scan.scan} went by before this viewer came"


def _detector(state: State, scan: ScanKnown, now_s: float) -> DetectorView | None:
    # While frames come the newest is what one wants to see; afterwards the brightest, on the Bragg peak.
    ended = scan.status is not None
    frame = scan.brightest_view if ended else scan.newest_view
    if frame is None:
        return None
    brightest = max(frame.maximum_counts, scan.brightest_view.maximum_counts if scan.brightest_view else 0)
    angle = "" if np.isnan(frame.angle_deg) else f" · {frame.angle_deg:.4f}°"
    of = f" of {scan.frames_expected}" if scan.frames_expected else ""
    centre = frame.centre_of_mass
    mass = f" · mass ({centre[0]:.1f}, {centre[1]:.1f})" if centre else ""
    flaws = f" · {frame.saturated} saturated" if frame.saturated else ""
    flaws += f" · {frame.masked} masked" if frame.masked else ""
    return DetectorView(
        frame=frame,
        title=f"{'brightest' if ended else 'newest'}: frame #{frame.index}{of}{angle}",
        caption=f"max {frame.maximum_counts} at ({frame.maximum_at[0]:.0f}, {frame.maximum_at[1]:.0f}){mass}{flaws}",
        top=max(1.0, float(np.ceil(2 * np.log10(1 + brightest)) / 2)),
        stale=_frames_stale(state, scan, now_s),
    )


def _rocking(state: State, scan: ScanKnown, now_s: float) -> RockingView:
    earlier = [one for one in state.scans.values() if one.crystal == scan.crystal and one.began_s < scan.began_s]
    before = max(earlier, key=lambda one: one.began_s, default=None)
    stale = _frames_stale(state, scan, now_s)
    quiet = f" · no frame for {duration(now_s - scan.last_frame_s, whole=True)}" if stale and scan.last_frame_s else ""
    fit = scan.fit
    return RockingView(
        curve=scan.curve,
        fit=fit,
        previous=before.curve if before and scan.crystal and len(before.curve.index) else None,
        title=f"{len(scan.curve.index)} of {scan.frames_expected or '?'} frames, {scan.status or 'running'}{quiet}",
        caption=f"centre {fit.centre_deg:.4f}° · FWHM {fit.fwhm_deg:.4f}°" if fit else "no peak to fit yet",
        running=scan.status is None,
        stale=stale,
    )


def _frames_stale(state: State, scan: ScanKnown, now_s: float) -> bool:
    """Whether frames should be coming and do not."""
    if scan.status is not None:
        return False
    if quiet_link(state, "streamer", now_s):
        return True
    expected_s = max(2.5, scan.frame_time_s or 0.0)
    return scan.last_frame_s is not None and now_s - scan.last_frame_s > 2 * expected_s
