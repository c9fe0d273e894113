"""What all runs of `bragglive bench live` come to together: medians, extremes, rank correlations, targets. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from scipy.stats import spearmanr

from compose.live_rows import Row
from contract.record import Target

PROVISIONAL_S = 2.0
LAST_HOLD_SHARE = 0.12
"""The first tenth of the frames, and those that come until the service looks."""
AFTER_THE_PEAK = 0.1
"""Share of the scan after its peak by which a volume beats the last hold's object."""
COLD_SHARE = 0.65
WARM_OVERLAP = {0.6: 0.90, 0.7: 0.95}
"""Overlap with the truth, at least, by share of the frames."""
ALIKE = 0.98
"""Overlap of the refined warm and cold runs, at least, where both are accepted."""
CALLED_AFTER_S = 1.0
"""A hold that leaves no time is called so as soon as its length and the scan's rate are known."""
RANK = 0.9
FEWEST_RANKED = 5
Pairs = list[tuple[float, float]]


def targets(rows: Sequence[Row]) -> list[Target]:
    """What was promised of live volumes; a number that was not determined in some run meets no target."""
    unclean = len({(row["seed"], name) for row in rows for name in row["unclean_exits"]})
    clean = Target.of("processes that did not end cleanly", unclean, 0, "==", "1")
    return [*_in_time(rows), *_early(rows), *_near_the_truth(rows), clean]


def _in_time(rows: Sequence[Row]) -> list[Target]:
    """Before holds ended, and soon after scans did."""
    possible = [row for row in rows if row["role"] != "impossible"]
    impossible = [row for row in rows if row["role"] == "impossible"]
    refined = sum(row["refined_before_hold_ended"] for row in possible)
    longest_s = extreme(possible, "last_frame_to_provisional_s", max)
    called = sum((row["called_impossible_s"] or 0) > 0 for row in impossible)
    called_after_s = extreme(impossible, "called_impossible_after_s", max)
    in_time = [row for row in rows if row["refined_before_hold_ended"]]
    unsaid = sum(not (row["called_impossible_s"] or 0) > 0 for row in rows if row not in in_time)
    false = sum(row["called_impossible_s"] is not None for row in in_time)
    fewest = extreme(impossible, "volumes_before_hold_ended", min)
    return [
        Target.of("refined before the hold ended", refined, len(possible), ">=", "holds"),
        Target.of("last frame → full-curve provisional, longest", longest_s, PROVISIONAL_S, "<=", "s"),
        Target.of("impossible holds called so before they ended", called, len(impossible), ">=", "holds"),
        Target.of("the same, after they began, longest", called_after_s, CALLED_AFTER_S, "<=", "s"),
        Target.of("volumes out when they ended, fewest", fewest, 1, ">=", "1"),
        Target.of("holds without a refined volume that nobody called so", unsaid, 0, "==", "holds"),
        Target.of("holds called impossible that were not", false, 0, "==", "holds"),
    ]


def _early(rows: Sequence[Row]) -> list[Target]:
    """How much of a scan had to be measured."""
    before = [row for row in rows if row["role"] == "before"]
    after = [row for row in rows if row["role"] == "after"]
    last_hold, cold = extreme(after, "first_volume_share", max), extreme(before, "first_own_volume_share", max)
    return [
        Target.of("frames in when LAST HOLD was first shown", last_hold, LAST_HOLD_SHARE, "<=", "scan"),
        Target.of("first volume nearer the truth, after the peak", after_the_peak(after), AFTER_THE_PEAK, "<=", "scan"),
        Target.of("frames in the first cold volume", cold, COLD_SHARE, "<=", "scan"),
    ]


def _near_the_truth(rows: Sequence[Row]) -> list[Target]:
    """How right what was shown is, and whether its residual says so."""
    found = []
    for share, limit in WARM_OVERLAP.items():
        name = f"warm overlap at {share:.0%} of the frames, median"
        least = min(overlaps(rows, "warm", share), default=None)
        found.append(Target.of(name, middle(overlaps(rows, "warm", share)), limit, ">=", "1"))
        found.append(Target.of(f"the same, least of {len(overlaps(rows, 'warm', share))}", least, limit, ">=", "1"))
    alike = [row["warm_cold_overlap"] for row in rows if row["warm_cold_overlap"] is not None]
    name = f"refined warm and cold runs, overlap where both are accepted ({len(alike)})"
    found.append(Target.of(f"{name}, median", middle(alike), ALIKE, ">=", "1"))
    found.append(Target.of(f"{name}, least", min(alike, default=None), ALIKE, ">=", "1"))
    for name, pairs in (("played back", played_pairs(rows)), ("published", published_pairs(rows))):
        found.append(Target.of(f"rank of forecast residuals, {name}", rank(pairs), RANK, ">=", "1"))
    return found


def extreme(rows: Sequence[Row], name: str, which: Callable[[Iterable[float]], float]) -> float | None:
    """The largest or smallest of a number over rows; None if it is not known of all of them, or there is none."""
    values = [row[name] for row in rows]
    return None if not values or None in values else which(values)


def after_the_peak(rows: Sequence[Row]) -> float | None:
    """Share of the scan from the peak to the last frame of the first volume that is nearer the truth than the last
    hold's object; of the slowest run, and None if one had no such volume.
    """
    waits = [_wait(row) for row in rows]
    known = [wait for wait in waits if wait is not None]
    return max(known, default=None) if len(known) == len(waits) else None


def overlaps(rows: Sequence[Row], way: str, share: float) -> list[float]:
    """Overlap with the truth of one way of showing the crystal, at one share of the frames, of each run that has it."""
    shown = (one for row in rows for one in row["ways"])
    return [one["overlap"] for one in shown if one["way"] == way and abs(one["share"] - share) < 1e-6]


def middle(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return median(values) if values else None


def played_pairs(rows: Sequence[Row]) -> Pairs:
    """Forecast residual and true error (1 − overlap) of every warm and cold volume played back."""
    shown = (one for row in rows for one in row["ways"] if one["way"] != "last")
    return [(one["residual"]["value"], 1 - one["overlap"]) for one in shown if one["residual"] is not None]


def published_pairs(rows: Sequence[Row]) -> Pairs:
    """The same of every provisional volume that was published before the last frame, as the services scored it."""
    shown = (one for row in rows for one in row["volumes"] if one["runs"] > 0 and one["stage"] == "provisional")
    return [
        (one["forecast"]["residual"], 1 - one["overlap"])
        for one in shown
        if one["forecast"] is not None and one["overlap"] is not None
    ]


def rank(pairs: Pairs) -> float | None:
    """Spearman's rank correlation; None of fewer than five pairs."""
    if len(pairs) < FEWEST_RANKED:
        return None
    first, second = zip(*pairs, strict=True)
    return float(spearmanr(first, second).statistic)


def _wait(row: Row) -> float | None:
    beats, peak = row["beats_last_hold_share"], row["peak_share"]
    return None if beats is None or peak is None else beats - peak
