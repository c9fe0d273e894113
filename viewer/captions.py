"""What is known, in words and numbers for people: whose volume it is, how good, how old, what was assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from contract.messages import AdviceKind, ForecastScored, JobProgress, Volume
from viewer.badge import Badge, ago, duration
from viewer.picture import Picture
from viewer.state import HoldKnown, PictureKnown, ScanKnown, State

MISSING_SHOWN = 6
FORECAST_MEANING = "misfit of frames that came after the volume: 0 for the truth, about 1 for anything else"
TOLD: frozenset[AdviceKind] = frozenset({"counts", "good_enough", "repeated"})
"""Advice that is read with the picture though there is nothing to mend."""
CHANGED = "The crystal has changed too much for its last hold to begin from: runs begin cold."
NOT_KNOWN = ""
"""What was not determined has no line."""


@dataclass(frozen=True)
class Number:
    """A line of the status panel: what, its value with unit, and what it means."""

    label: str
    value: str
    meaning: str = ""


def voltage_text(voltage_v: float | None) -> str:
    """Such as "4.100 V"."""
    return "voltage not known" if voltage_v is None else f"{voltage_v:.3f} V"


def where_text(volume: Volume) -> str:
    """Crystal and voltage, or the scan where neither is known."""
    crystal = f"crystal {volume.crystal}" if volume.crystal else f"scan {volume.scan}"
    return crystal if volume.voltage_v is None else f"{crystal} · {voltage_text(volume.voltage_v)}"


def hold_text(volume: Volume) -> str:
    """Which hold the volume belongs to."""
    return f"hold {volume.hold}" if volume.hold else f"scan {volume.scan}, no hold"


def frames_text(volume: Volume) -> str:
    """Frames used of those expected, and which are missing."""
    expected = f" of {volume.frames_expected}" if volume.frames_expected else ""
    # While the scan runs, what has not come yet is not missing.
    missing = f", {len(volume.missing)} missing" if volume.missing and volume.completion else ""
    return f"{volume.frames_used}{expected} frames{missing}"


def coarse_age(age_s: float) -> str:
    """An age in steps, so that the 3D canvas is not drawn anew every second for its sake."""
    age_s = max(0.0, age_s)
    if age_s < 5:
        return "age < 5 s"
    if age_s < 60:
        return f"age {int(age_s // 5) * 5} s"
    if age_s < 600:
        return f"age {duration(int(age_s // 30) * 30)}"
    return f"age {duration(int(age_s // 60) * 60)}"


def canvas_text(badge: Badge, shown: PictureKnown | None, now_s: float) -> str:
    """The lines in the canvas, so that a picture of it explains itself."""
    if shown is None:
        return _boxed([badge.trust, badge.reason])
    facts = shown.picture.facts
    was = "" if badge.trust.lower() in (facts.stage, "last hold") else f" ({facts.stage})"
    lines = [
        f"{badge.trust}{was}",
        where_text(facts),
        hold_text(facts),
        frames_text(facts),
        f"revision {facts.revision} · {coarse_age(now_s - shown.published_s)}",
    ]
    return _boxed(lines)


def _boxed(lines: list[str]) -> str:
    # Spaces that do not break keep the text off the edges of its box.
    return "\n".join(f"\u00a0{line}\u00a0\u00a0" for line in lines)


def volume_numbers(picture: Picture) -> tuple[Number, ...]:
    """Numbers of one volume that do not change with time; what was not determined is left out."""
    facts, quality = picture.facts, picture.facts.quality
    missing = ", ".join(str(index) for index in facts.missing[:MISSING_SHOWN])
    missing += ", …" if len(facts.missing) > MISSING_SHOWN else ""
    numbers = (
        Number("frames", frames_text(facts) + (f": {missing}" if missing and facts.completion else "")),
        Number("revision", f"{facts.revision}, {facts.stage}, {facts.start}"),
        Number("R", _plain(quality.r_factor, ".4f"), "Σ(|Fρ| − √I)² / ΣI over known pixels"),
        Number("free LLK", _llk(quality.free_llk, quality.free_llk_ratio), "Poisson deviance per free pixel"),
        Number("LLK", _llk(quality.llk, quality.llk_ratio), "Poisson deviance per degree of freedom"),
        Number("mean / max", _plain(quality.mean_to_max, ".2f"), "of the Bragg density inside the support"),
        Number(
            "resolution", _plain(quality.prtf_resolution_nm, ".1f", "nm"), "phase retrieval transfer function at 1/e"
        ),
        Number("mode weight", _plain(quality.mode_weight, ".2f"), "share of the first mode over the best cold runs"),
        Number("warm against cold", _plain(quality.warm_cold_overlap, ".3f"), "complex overlap of the best of both"),
        Number("strain, rms", _strain(picture.strain_rms), "∂u_Q/∂x_Q inside the isosurface"),
        Number("crystal", f"{facts.crystal_volume_um3:.4f} µm³", "volume inside the isosurface"),
        Number("voxel", " × ".join(f"{side:.1f}" for side in facts.voxel_nm) + " nm", "(z, y, x)"),
        Number("|Q|", f"{facts.q_norm_inv_a:.4f} Å⁻¹", f"d = {2 * math.pi / facts.q_norm_inv_a:.4f} Å"),
        Number("Q, direction", _direction(facts), "(x, y, z), laboratory; displacement u = −φ/|Q| is along it"),
        Number("phasing", _phasing(facts), facts.recipe),
        Number("first frame → volume", _seconds(facts.first_frame_to_volume_s)),
        Number("last frame → volume", _seconds(facts.last_frame_to_volume_s)),
    )
    return tuple(number for number in numbers if number.value != NOT_KNOWN)


def live_numbers(state: State, shown: PictureKnown | None, now_s: float) -> tuple[Number, ...]:
    """Numbers that change as time goes on: hold, scan, job, age."""
    hold, scan = state.newest_hold(), state.newest_scan()
    numbers = []
    if hold is not None:
        numbers.append(Number("hold now", f"{hold.crystal} · {voltage_text(hold.voltage_v)}", str(hold.hold)))
        numbers.append(Number("time left", time_left(hold, now_s), "of the planned hold"))
    if scan is not None:
        numbers.append(Number("scan now", scan_text(scan), str(scan.scan)))
        if scan.forecast is not None:
            numbers.append(Number("forecast residual", forecast_text(scan.forecast), FORECAST_MEANING))
        if scan.job is not None:
            numbers.append(Number("reconstructor", job_text(scan.job), scan.job.recipe))
    if shown is not None:
        numbers.append(Number("volume made", ago(now_s - shown.published_s), shown.picture.facts.made_at))
    return tuple(numbers)


def forecast_text(scored: ForecastScored) -> str:
    """How far a volume was off on frames that came after it, beside the last hold's crystal."""
    last = "" if scored.baseline is None else f", last hold {scored.baseline:.3f}"
    return f"{scored.residual:.3f} from {scored.frames_used} frames{last}"


def time_left(hold: HoldKnown, now_s: float) -> str:
    """How long the hold will still last."""
    if hold.ended_s is not None:
        return f"ended {ago(now_s - hold.ended_s)}"
    if hold.planned_s is None:
        return f"open end, {duration(max(0.0, now_s - hold.began_s), whole=True)} so far"
    left = hold.began_s + hold.planned_s - now_s
    return duration(left, whole=True) if left >= 0 else f"planned time over for {duration(-left, whole=True)}"


def scan_text(scan: ScanKnown) -> str:
    """How far a scan is."""
    have = max(len(scan.curve.index), scan.frames_used)
    expected = f" of {scan.frames_expected}" if scan.frames_expected else ""
    missing = f", {len(scan.missing)} missing" if scan.missing else ""
    return f"{have}{expected} frames, {scan.status or 'running'}{missing}"


def job_text(job: JobProgress) -> str:
    """What the reconstructor does for a scan."""
    if job.state != "running":
        return f"{job.stage} {job.state}" + (f": {job.detail}" if job.detail else "")
    done = f" {job.iteration} / {job.iterations}" if job.iterations else ""
    runs = f", run {job.run} / {job.runs}" if job.runs > 1 else ""
    return f"{job.stage}, iteration{done}{runs}" if done else f"{job.stage} running{runs}"


def remarks(state: State, badge: Badge, shown: PictureKnown | None, now_s: float) -> tuple[str, ...]:
    """Sentences that must be read with the picture: why it is not trusted, what was assumed, what went wrong."""
    said = [badge.reason] if badge.reason else []
    if shown is not None:
        said += shown.picture.facts.assumptions
        if shown.picture.facts.hand == "unknown" and not any("hand" in one for one in said):
            said.append("The hand is not known: the inverted twin fits the data as well.")
        if shown.picture.surface is None:
            said.append("The density does not reach the isosurface level: there is no surface to show.")
    scan = state.newest_scan()
    said += [] if scan is None else _told_of(state, scan, now_s)
    said += [f"{notice.level}, {ago(now_s - at_s)}: {notice.text}" for at_s, notice in state.notices]
    return tuple(dict.fromkeys(said))


def _told_of(state: State, scan: ScanKnown, now_s: float) -> list[str]:
    """What the reconstructor says of the scan that runs: too late, changed too much, advice."""
    said = []
    refined = any(
        one.picture.scan == scan.scan and one.picture.facts.stage == "refined" for one in state.pictures.values()
    )
    if scan.deadline is not None and not scan.deadline.met and not refined:
        said.append(f"warning, {ago(now_s - scan.deadline_s)}: {scan.deadline.text}")
    if scan.forecast is not None and scan.forecast.abandoned:
        said.append(CHANGED)
    return said + [one.text for one in scan.advice if one.level == "warning" or one.kind in TOLD]


def _plain(value: float | None, form: str, unit: str = "") -> str:
    return NOT_KNOWN if value is None else f"{value:{form}} {unit}".rstrip()


def _llk(value: float | None, ratio: float | None) -> str:
    return _plain(value, ".2f") + ("" if ratio is None else f" ({ratio:.2f} × Poisson)")


def _strain(rms: float) -> str:
    return NOT_KNOWN if math.isnan(rms) else f"{rms * 100:.4f} %"


def _seconds(value: float | None) -> str:
    return NOT_KNOWN if value is None else duration(value)


def _direction(facts: Volume) -> str:
    norm = math.sqrt(sum(part**2 for part in facts.q_inv_a)) or 1.0
    return "(" + ", ".join(f"{part / norm:+.2f}" for part in facts.q_inv_a).replace("-", "−") + ")"


def _phasing(facts: Volume) -> str:
    runs = f"{facts.runs} runs of " if facts.runs > 1 else ""
    return f"{runs}{facts.iterations} iterations"
