"""Findings on the running scan as messages to people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contract.messages import Advice, AdviceKind
from reconstructor.brightness import Brightness
from reconstructor.curve import Reading
from reconstructor.drift import Drift
from reconstructor.early import ExpectedEnd, PeakPassed, Saturation, WindowCut
from reconstructor.repeated import Evolution
from reconstructor.settled import GoodEnough

Numbers = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Findings:
    """What is known of a scan at one moment; None where there is nothing to say."""

    peak: PeakPassed | None = None
    end: ExpectedEnd | None = None
    cuts: Sequence[WindowCut] = ()
    saturation: Saturation | None = None
    drift: Drift | None = None
    brightness: Brightness | None = None
    good_enough: GoodEnough | None = None
    evolution: Evolution | None = None
    """Against the first scan of the same hold."""


def advice(reading: Reading, found: Findings) -> tuple[Advice, ...]:
    """One message for each kind there is something to say of."""

    def say(kind: AdviceKind, text: str, numbers: Numbers, warning: bool = False) -> Advice:
        return Advice(
            scan=reading.started.scan,
            kind=kind,
            level="warning" if warning else "info",
            frames_used=reading.frames,
            text=text,
            numbers=numbers,
        )

    told: list[Advice] = []
    if (peak := found.peak) is not None:
        told.append(say("peak_passed", peak.text(), (("frame", float(peak.frame)), ("angle_deg", peak.angle_deg))))
    if (end := found.end) is not None:
        told.append(say("expected_end", end.text(), (("frames", float(end.frames)), ("left_s", end.left_s))))
    if found.cuts:
        sentences = " ".join(cut.text() for cut in found.cuts)
        told.append(say("window_cut", sentences, _cuts(found.cuts), warning=True))
    if (saturated := found.saturation) is not None:
        told.append(say("saturation", saturated.text(), _saturated(saturated), warning=True))
    if (moved := found.drift) is not None:
        told.append(say("drift", moved.text(), _moved(moved), warning=moved.cause in ("drift", "unknown")))
    if (bright := found.brightness) is not None:
        told.append(say("counts", bright.text(), (("ratio", bright.ratio), ("ratio_error", bright.error))))
    if (enough := found.good_enough) is not None:
        told.append(say("good_enough", enough.text(), _enough(enough)))
    if (again := found.evolution) is not None:
        told.append(say("repeated", again.text(), _evolved(again), warning=not again.summed))
    return tuple(told)


def _cuts(cuts: Sequence[WindowCut]) -> Numbers:
    return tuple((f"{cut.side.replace(' ', '_')}_beyond_counts", cut.beyond_counts) for cut in cuts)


def _saturated(found: Saturation) -> Numbers:
    return (
        ("limit_counts", float(found.limit_counts)),
        ("pixels", float(found.pixels)),
        ("frames", float(len(found.frames))),
        ("voxels", float(found.voxels)),
    )


def _moved(found: Drift) -> Numbers:
    row, column = found.core.px_per_frame
    row_error, column_error = found.core.error
    return (
        ("row_px_per_frame", row),
        ("row_error_px_per_frame", row_error),
        ("column_px_per_frame", column),
        ("column_error_px_per_frame", column_error),
    )


def _enough(found: GoodEnough) -> Numbers:
    return (
        ("frames", float(found.frames)),
        ("saved_frames", float(found.saved_frames)),
        ("change", found.change),
        ("residual", found.residual),
    )


def _evolved(found: Evolution) -> Numbers:
    frame, row, column = found.registration.shift
    return (
        ("pearson", found.registration.pearson_whole),
        ("shift_frames", frame),
        ("shift_row_px", row),
        ("shift_column_px", column),
        ("counts_ratio", found.counts_ratio),
    )
