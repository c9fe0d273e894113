"""What was measured: geometry, holds, scans and their frames, as the streamer tells it."""

from __future__ import annotations

from typing import Literal

from contract.fields import FlatField, FrameStack, PerFrame, PerFrameInt, PixelMask
from contract.names import Completion, Crystal, Hold, Message, Scan


class Geometry(Message, frozen=True, kw_only=True):
    """Where beam, goniometer and detector are, in the notation of `xrayutilities.QConversion`.

    Laboratory frame, right-handed: x = y × z, y up, z along the beam downstream (CXI/NeXus). Every axis below
    is a letter of this frame and a sign. With λ the wavelength, k = 2π/λ, R("y+", a) the right-handed rotation
    by a about y and R("y-", a) = R("y+", −a):

    - Sample circles go from the outermost to the innermost: with all angles a_i, the entry of `rocking_axis`
      being the frame's own angle, the crystal is turned by S = R(s₁, a₁) R(s₂, a₂) … from where all are zero.
    - Detector circles likewise: D = R(d₁, b₁) R(d₂, b₂) …
    - The centre of pixel (row r, column c), whole numbers, counted in the full stored detector image, is at
      p = D (distance z + (r − r₀) · pixel_um[0] · e_row + (c − c₀) · pixel_um[1] · e_column) from the sample;
      `pixel_directions` = (e_row, e_column), where the indices grow at zero detector angles; `beam_centre_px`
      = (r₀, c₀) is where the direct beam hits at zero detector angles; it may lie outside the stored image.
    - q = k (p/|p| − z) in the laboratory frame, S⁻¹ q in the crystal's own. So a frame step is the change of
      S⁻¹ q, turned back by S of the frame at the Bragg peak: −Δθ n × q for the rocking axis n.

    In `xrayutilities`: QConversion(sample_axes, detector_axes, r_i=(0, 0, 1)), init_area(*pixel_directions,
    cch1=r₀, cch2=c₀, …), area() gives S⁻¹ q. APS 34-ID-C: sample ("y+", "z-", "y+") = (th, chi, phi), detector
    ("y+", "x-") = (delta, gamma), pixels ("y-", "x+"): rows grow downwards, columns to +x, which is outboard.
    """

    instrument: str
    energy_kev: float
    distance_mm: float
    pixel_um: tuple[float, float]
    sample_axes: tuple[str, ...]
    sample_angles_deg: tuple[float, ...]
    rocking_axis: int
    detector_axes: tuple[str, ...]
    detector_angles_deg: tuple[float, ...]
    pixel_directions: tuple[str, str]
    beam_centre_px: tuple[float, float]


class Window(Message, frozen=True, kw_only=True):
    """Region of interest of the full detector image, in pixels: rows row0 ≤ r < row0 + rows, columns alike."""

    row0: int
    column0: int
    rows: int
    columns: int


class HoldStarted(Message, frozen=True, kw_only=True, tag="hold_started"):
    """The cell is held at a constant voltage from now (less `elapsed_s`) on."""

    hold: Hold
    crystal: Crystal
    voltage_v: float | None = None
    planned_s: float | None = None
    """How long the hold is meant to last, from its start; None if not known."""
    elapsed_s: float = 0.0
    """How long it had lasted when this message was made."""
    started_at: str = ""


class HoldEnded(Message, frozen=True, kw_only=True, tag="hold_ended"):
    """The hold is over; what is still computed for it comes too late to decide on it."""

    hold: Hold
    crystal: Crystal


class ScanStarted(Message, frozen=True, kw_only=True, tag="scan_started"):
    """A rocking scan began. Repeated with a higher `window_revision` when the region of interest changes."""

    scan: Scan
    source: str
    frames_expected: int
    """0 where nobody told: the series' start was missed. Then the scan ends `incomplete`, whatever came."""
    window_revision: int
    window: Window
    detector_shape: tuple[int, int]
    geometry: Geometry | None = None
    crystal: Crystal | None = None
    hold: Hold | None = None
    frame_time_s: float | None = None
    """Time from one frame to the next."""
    count_time_s: float | None = None
    saturation_counts: int | None = None
    """Counts from here on are not trusted."""
    started_at: str = ""
    mask: PixelMask
    """The detector's pixel mask inside `window`; anything but 0 is not trusted."""
    flat_field: FlatField | None = None
    """Relative response of each pixel inside `window`, about 1: counts = response × photons."""


class FrameBlock(Message, frozen=True, kw_only=True, tag="frame_block"):
    """Some frames of a scan, raw counts cropped to the window, in any order; each frame is sent once a window."""

    scan: Scan
    window_revision: int
    index: PerFrameInt
    """Place of each frame in the rocking curve, from 0."""
    angle_deg: PerFrame
    """Rocking angle, NaN where not yet known (an `Angles` message follows)."""
    monitor: PerFrame
    """Incident intensity relative to the scan's nominal one; 1 where not measured."""
    total_counts: PerFrame
    """Counts of all trusted pixels inside the window: only the rows under it are decoded while frames come in."""
    counts: FrameStack
    since_received_s: float = 0.0
    """How long the newest of these frames had been with the streamer when the block was published."""


class Angles(Message, frozen=True, kw_only=True, tag="angles"):
    """Rocking angles that became known after their frames."""

    scan: Scan
    index: PerFrameInt
    angle_deg: PerFrame


class ScanEnded(Message, frozen=True, kw_only=True, tag="scan_ended"):
    """No more frames are expected. Never silently padded: `missing` lists every index that did not come."""

    scan: Scan
    window_revision: int
    status: Completion
    frames_received: int
    frames_expected: int
    missing: tuple[int, ...] = ()
    reason: str = ""
    archive: str = ""
    """Where the streamer wrote (or is writing) the scan, as a path on its machine."""


class ScanAborted(Message, frozen=True, kw_only=True, tag="scan_aborted"):
    """Somebody at the control desk gave a scan up: no more of its frames are waited for. Said to the streamer."""

    scan: Scan
    """"" for the newest that is being measured."""
    reason: str = ""


class RegionChosen(Message, frozen=True, kw_only=True, tag="region_chosen"):
    """How a scan's window was chosen, and how far it has moved since the crystal's last scan. Told with each window."""

    scan: Scan
    window_revision: int
    window: Window
    chosen: Literal["set", "searched", "found", "followed", "moved"]
    """"set" by hand; "searched": the whole image, until the peak is found; "found" in this scan's frames; "followed":
    taken over from the crystal's last scan; "moved" within this scan, because the peak lay elsewhere."""
    crystal: Crystal | None = None
    since: Scan | None = None
    """The crystal's last scan, if there was one."""
    shift_px: tuple[int, int] = (0, 0)
    """(rows, columns) by which the window's middle is further on than in that scan."""
    peak_px: tuple[float, float] | None = None
    """(row, column) of the Bragg peak on the full image: of this scan or, when followed, of the last."""
    reason: str = ""


class RegionSet(Message, frozen=True, kw_only=True, tag="region_set"):
    """Somebody at the control desk chooses a scan's region of interest, also of a scan that is over and of the
    crystal's next ones. Said to the streamer."""

    scan: Scan
    """"" for the newest."""
    window: Window | None = None
    """None: the peak is to be found again, and followed."""
