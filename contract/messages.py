"""Every message that travels between the services: frozen, keyword-only, with axes and units.

Nothing is matched by order of arrival: `scan`, `index`, `window_revision`, `revision`, `crystal` and
`hold` identify the content, `epoch` and `seq` (added by the stream) the place in the stream. Lengths of
time are durations in seconds; wall-clock text (RFC 3339) is carried to be shown, never to be compared.
"""

from __future__ import annotations

from typing import Literal, NewType

import msgspec

from contract.fields import FlatField, FrameStack, LabSupport, LabVolume, PerFrame, PerFrameInt, PixelMask

Scan = NewType("Scan", str)
"""Names one rocking scan for ever, e.g. the detector's `series_unique_id`."""
Crystal = NewType("Crystal", str)
"""The experimenters' name of a crystal, e.g. "IV"."""
Hold = NewType("Hold", str)
"""Names one voltage hold of one crystal, e.g. "IV-4.100V-20261123T031500"."""

Completion = Literal["complete", "incomplete", "aborted"]
Stage = Literal["provisional", "refined"]


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What all messages have in common: they are values."""


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


class Quality(Message, frozen=True, kw_only=True):
    """How far a volume can be trusted; None is "not determined", never zero.

    Definitions: `r_factor` R = Σ(|Fρ| − √I)²/ΣI on known pixels; `llk` the Poisson deviance
    2Σ[Ic − Io + Io ln(Io/Ic)] over known pixels divided by N_known − N_support; `free_llk` the same over the
    free pixels divided by their number; `llk_ratio` and `free_llk_ratio` are these over their expectation for
    pure Poisson noise.
    """

    r_factor: float | None = None
    llk: float | None = None
    llk_ratio: float | None = None
    free_llk: float | None = None
    free_llk_ratio: float | None = None
    mean_to_max: float | None = None
    support_voxels: int | None = None
    energy_outside: float | None = None
    """Share of Σ|ρ|² outside the support before the last support projection."""
    forecast_residual: float | None = None
    """How far the volume was off on what was measured by now and not used for it: 0 for the truth, about 1 for nothing
    of the kind. When this was published few such frames had come; `ForecastScored` says it for good."""
    mode_weight: float | None = None
    prtf_resolution_nm: float | None = None
    oversampling: tuple[float, float, float] | None = None
    """Field of view over extent of the support along (rocking, row, column)."""


class Volume(Message, frozen=True, kw_only=True, tag="volume"):
    """A reconstructed crystal in the laboratory frame (z downstream, y up, x completing), cropped to its support.

    `displacement_a` and `strain` are NaN outside the isosurface or the support; position of voxel (0, 0, 0) from the
    centre of mass of the support is `origin_nm`.
    """

    scan: Scan
    stage: Stage
    revision: int
    """Grows by one with each volume of a scan, whatever its stage."""
    supersedes: int | None = None
    crystal: Crystal | None = None
    hold: Hold | None = None
    voltage_v: float | None = None
    frames_used: int
    frames_expected: int
    missing: tuple[int, ...] = ()
    completion: Completion | None = None
    """State of the scan when the job began; None while it ran."""
    recipe: str
    recipe_sha256: str
    seeds: tuple[int, ...]
    start: Literal["cold", "warm"] = "cold"
    last_hold: bool = False
    """Whether it is captioned LAST HOLD, never PROVISIONAL: it is the crystal's last object laid over the frames so far
    (`runs` is 0), or was begun from it, and nothing of this scan has foretold new frames better than that object."""
    runs: int = 1
    iterations: int = 0
    """Iterations a run."""
    window_shape: tuple[int, int, int] | None = None
    """Voxels of the phased window along (rocking, row, column), after binning."""
    binning: tuple[int, int, int] | None = None
    """Measured (frames, rows, columns) in a voxel of the phased window."""
    quality: Quality
    kernel_sign: Literal[-1] = -1
    """Diffraction amplitude = Σρ exp(−i q·r): forward FFT; the phase of the object is −Q·u."""
    q_inv_a: tuple[float, float, float]
    """Q at the measured Bragg peak, (x, y, z) in the laboratory frame, 1/Å."""
    q_norm_inv_a: float
    crystal_volume_um3: float
    """Inside the isosurface: right for a homogeneous crystal, whatever blurs its faces."""
    outer_volume_um3: float | None = None
    """Out to a tenth of the crystal's density, blurred faces counted in full: what shrinkwraps take for the crystal."""
    isosurface: float
    """Level of `density` that bounds the crystal."""
    voxel_nm: tuple[float, float, float]
    origin_nm: tuple[float, float, float]
    """(z, y, x)"""
    hand: Literal["unknown", "matched"] = "unknown"
    """Whether the twin ambiguity was settled against an earlier hold."""
    assumptions: tuple[str, ...] = ()
    """What was assumed for want of information, one sentence each; shown to the user."""
    first_frame_to_volume_s: float | None = None
    last_frame_to_volume_s: float | None = None
    """None while the scan was running."""
    hold_left_s: float | None = None
    """Time left of the hold when this was published; negative if it came too late; None if not known."""
    archive: str = ""
    made_at: str = ""
    density: LabVolume
    """Bragg density, 1 at its maximum."""
    displacement_a: LabVolume
    """Displacement along Q in Å, ramp and constant removed."""
    strain: LabVolume
    """∂u_Q/∂x_Q, dimensionless, ramp removed."""
    support: LabSupport


class ForecastScored(Message, frozen=True, kw_only=True, tag="forecast_scored"):
    """How the frames that came after a provisional volume bore it out; told once a volume, a tenth of a scan later."""

    scan: Scan
    revision: int
    """Of the volume that is scored."""
    frames_used: int
    """That it was made from."""
    frames_scored: int
    """Measured when it was scored."""
    residual: float
    """Takes the place of the volume's `Quality.forecast_residual`."""
    baseline: float | None = None
    """The same of the crystal's last object with offset and brightness fitted to the volume's frames; None without."""
    last_hold: bool = False
    """Whether what began from the last hold is still captioned LAST HOLD: False, for all volumes phased from the scan,
    once one of them foretold better."""


class JobProgress(Message, frozen=True, kw_only=True, tag="job_progress"):
    """What the reconstructor is doing for a scan, for progress bars and for planning at the control desk."""

    scan: Scan
    stage: Stage
    state: Literal["planned", "running", "done", "dropped", "failed", "waiting"]
    detail: str = ""
    """One sentence for people."""
    recipe: str = ""
    run: int = 0
    runs: int = 0
    iteration: int = 0
    iterations: int = 0
    r_factor: float | None = None
    expected_refined_s: float | None = None
    """Seconds from now until a refined volume is expected."""
    hold_left_s: float | None = None


class Confirmed(Message, frozen=True, kw_only=True, tag="confirmed"):
    """The reconstructor's refined archive of this scan is durable; the streamer may forget the scan's frames."""

    scan: Scan
    revision: int


class ScanAborted(Message, frozen=True, kw_only=True, tag="scan_aborted"):
    """Somebody at the control desk gave a scan up: no more of its frames are waited for. Said to the streamer."""

    scan: Scan
    """"" for the newest that is being measured."""
    reason: str = ""


class Notice(Message, frozen=True, kw_only=True, tag="notice"):
    """Something a person at the control desk should know: one plain sentence."""

    level: Literal["info", "warning", "error"]
    text: str
    scan: Scan | None = None


AdviceKind = Literal[
    "peak_passed", "expected_end", "window_cut", "saturation", "drift", "counts", "good_enough", "repeated"
]


class Advice(Message, frozen=True, kw_only=True, tag="advice"):
    """What the frames so far say about the rest of the scan; of each kind the newest of a scan stands.

    It is advice to people: nothing drives the beamline.
    """

    scan: Scan
    kind: AdviceKind
    level: Literal["info", "warning"]
    """Warning: there is something to decide or to mend."""
    frames_used: int
    """Frames that were measured when it was found."""
    text: str
    """One or two plain sentences."""
    numbers: tuple[tuple[str, float], ...] = ()
    """What the sentence rests on; names end in their unit, as those of fields do."""


AnyMessage = (
    HoldStarted
    | HoldEnded
    | ScanStarted
    | FrameBlock
    | Angles
    | ScanEnded
    | Volume
    | ForecastScored
    | JobProgress
    | Confirmed
    | ScanAborted
    | Notice
    | Advice
)
