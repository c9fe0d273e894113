"""What was made of it: volumes, how far they can be trusted, and what is under way, as the reconstructor tells it."""

from __future__ import annotations

from typing import Literal

from contract.fields import LabSupport, LabVolume
from contract.names import Completion, Crystal, Hold, Message, Scan, Stage


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
    warm_cold_overlap: float | None = None
    """Complex overlap of the best run that began from what the last hold's object led to with the best cold one; None
    where not both kinds were accepted. Near 1, the volume does not depend on where its runs began."""
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
    abandoned: bool = False
    """Whether no more runs begin from the last hold's object: the crystal has changed too much."""


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


class Deadline(Message, frozen=True, kw_only=True, tag="deadline"):
    """Whether a scan's first refined volume can be out before its hold ends; the newest of a scan stands.

    Told as soon as it is found that it cannot, and again if it can after all. A scan of which nothing was told is
    expected to be in time.
    """

    scan: Scan
    met: bool
    ready_s: float
    """Seconds from now until that volume can be out at the earliest; 0 if it is there."""
    hold_left_s: float
    """Seconds from now until the hold ends."""
    text: str
    """One or two plain sentences."""


class Confirmed(Message, frozen=True, kw_only=True, tag="confirmed"):
    """The reconstructor's refined archive of this scan is durable; the streamer may forget the scan's frames."""

    scan: Scan
    revision: int


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
