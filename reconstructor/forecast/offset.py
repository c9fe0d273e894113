"""Where a known crystal's pattern lies on the present curve, and how bright: fitted by Poisson likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reconstructor.forecast.pattern import Pattern, Places
from reconstructor.forecast.planes import Planes
from reconstructor.forecast.search import FLOOR, Landscape, Numbers, Template, landscape
from reconstructor.window import Place

LOG_SCALE_SIGMA = 0.5
"""How far, in e-folds, intensities are expected to change from hold to hold: × 0.5 to × 2 is ±1.4 σ."""
STEPS = 2
"""Newton steps (Fisher scoring) from the likeliest whole-voxel offset."""
LONGEST_STEP = 1.0
"""Voxels, or e-folds of the scale, that a step may go."""
FURTHEST = 2.0
"""Voxels from where it began beyond which a refinement has lost its way."""
MARGIN_VOXELS = 2
"""Searched on either side of an earlier fit, beside 3 σ of it."""
WORST_CONDITION = 1e12
MODEL_VARIANCE = 8.0
"""By experiment: with it the offsets of crystals strained to an overlap of 0.86 lie within 2 σ in 80–100 % of scans, at
any share of their frames; of crystals with a dislocation born in half, for their peak itself has moved."""
SYSTEMATIC_VOXELS = 0.25
"""A crystal that has changed has its peak a little elsewhere; no offset is known better than this."""
DETERMINED_VOXELS = 0.5
"""An offset that is known to half a voxel of the window on each axis leaves the object's ramp known to half a turn
across the field of view."""


@dataclass(frozen=True)
class Fit:
    """Offset and scale of a pattern, and how well they are determined."""

    offset: Place
    """(frames, rows, columns): the present place of what was at place p of the pattern's own curve is p + offset."""
    sigma: Place
    """Standard deviations, in the same units, of all offsets that the counts allow."""
    scale: float
    """Present counts over the pattern's."""
    dispersion: float
    """Σ(n − μ)²/μ over voxels: 1 for a crystal that has not changed."""
    determined: bool
    """Whether it may be built upon: the pattern's peak lies among the frames measured, and the offset is known to half
    a voxel of the window or better. Before the peak `sigma` can only tell of the crystal as it was."""


def fit(template: Template, planes: Planes, near: Fit | None = None) -> Fit:
    """The likeliest offset and scale.

    A crystal that has changed is off by more than counting noise, and in whole speckles: the log-likelihood is
    divided by the dispersion times the voxels in a speckle before it is read as odds of offsets. Before the peak
    that leaves many offsets open, and `sigma` says so. `near`, an earlier fit of the same scan that was determined,
    saves the search of rocking offsets far from it.
    """
    pattern, seen = template.pattern, landscape(template, planes, _about(near, template))
    noise = seen.dispersion * MODEL_VARIANCE * pattern.obj.size / int(np.count_nonzero(pattern.obj))
    likeliest = _weighed(template, seen, noise)
    refined = _refined(pattern, planes, likeliest, noise)
    refined = replace(refined, sigma=(_beyond(template, planes, refined), *refined.sigma[1:]))
    sharp = np.array(refined.sigma) <= DETERMINED_VOXELS * np.array(pattern.window.binning)
    measured = pattern.centre[0] + refined.offset[0] <= planes.at[0].max(initial=-np.inf)
    return replace(refined, determined=bool(measured and sharp.all()))


def _beyond(template: Template, planes: Planes, found: Fit) -> float:
    """The standard deviation of the rocking offset, larger the more counts lie where the last window did not reach.

    How a pattern goes on there is a rule of thumb: what it says of the offset is not to be believed.
    """
    covered = template.pattern.covers(0, planes.at[0] - found.offset[0])
    share = 1 - float(planes.counts[covered].sum(dtype=np.float64)) / max(planes.total, 1.0)
    anywhere = template.reach[0] * template.pattern.window.binning[0] / np.sqrt(3)
    return float(np.hypot(found.sigma[0], share * anywhere))


def _about(near: Fit | None, template: Template) -> tuple[int, int] | None:
    if near is None or not near.determined:
        return None
    size = template.pattern.window.binning[0]
    middle, margin = round(near.offset[0] / size), MARGIN_VOXELS + round(3 * near.sigma[0] / size)
    return middle - margin, middle + margin


def _weighed(template: Template, seen: Landscape, noise: float) -> Fit:
    """The likeliest whole-voxel offset, and how far around it others are likely too."""
    odds = seen.log_likelihood / noise - np.square(seen.log_scale / LOG_SCALE_SIGMA) / 2
    best = np.unravel_index(int(odds.argmax()), odds.shape)
    weight = np.exp(odds - odds.max())
    offset, sigma = [], []
    for axis, (size, voxels) in enumerate(zip(template.pattern.window.binning, seen.offsets, strict=True)):
        along = weight.sum(axis=tuple(a for a in range(3) if a != axis)) / weight.sum()
        places = size * voxels.astype(np.float64)
        offset.append(float(places[best[axis]]))
        sigma.append(float(np.sqrt((along * np.square(places - offset[axis])).sum() + size**2 / 12)))
    scale = float(np.exp(seen.log_scale[best]))
    return Fit(_triple(np.array(offset)), _triple(np.array(sigma)), scale, seen.dispersion, False)


def _refined(pattern: Pattern, planes: Planes, likeliest: Fit, noise: float) -> Fit:
    """Fisher scoring within the pattern's window, from a whole-voxel offset; where it leads away from that, that one,
    known to a voxel at best."""
    size = np.array(pattern.window.binning, np.float64)
    lost = replace(likeliest, sigma=_triple(np.maximum(likeliest.sigma, size)))
    begin = np.array(likeliest.offset)
    offset, log_scale = begin, np.log(likeliest.scale)
    for _ in range(STEPS):
        information, score = _normal_equations(pattern, planes, offset, float(np.exp(log_scale)))
        if not np.linalg.cond(information) < WORST_CONDITION:
            return lost
        step = np.linalg.solve(information, score)
        step *= min(1.0, float((LONGEST_STEP / np.maximum(np.abs(step) / np.append(size, 1.0), 1e-9)).min()))
        offset, log_scale = offset + step[:3], log_scale + step[3]
    if (np.abs(offset - begin) > FURTHEST * size).any():
        return lost
    spread = np.sqrt(noise * np.diag(np.linalg.inv(information))[:3] + np.square(SYSTEMATIC_VOXELS * size))
    # of widths below its own step the grid says nothing
    sigma = np.maximum(spread, np.where(np.array(likeliest.sigma) < size / 2, 0, likeliest.sigma))
    return replace(likeliest, offset=_triple(offset), sigma=_triple(sigma), scale=float(np.exp(log_scale)))


def _normal_equations(pattern: Pattern, planes: Planes, offset: Numbers, scale: float) -> tuple[Numbers, Numbers]:
    """Fisher information and score of (offset, ln scale), from the voxels within the pattern's window."""
    inside = [pattern.covers(axis, places - offset[axis]) for axis, places in enumerate(planes.at)]
    a, b, c = ((places - by)[part] for places, by, part in zip(planes.at, offset, inside, strict=True))
    at: Places = (a, b, c)
    box = np.ix_(*inside)
    response = planes.response[box]
    intensity, *slopes = pattern.slopes(at)
    model = np.float32(scale) * (intensity + np.float32(FLOOR)) * response
    gain = np.divide(planes.counts[box] - model, model, out=np.zeros_like(model), where=response > 0)
    changes = np.stack([*(-np.float32(scale) * response * slope for slope in slopes), model]).reshape(4, -1)
    weighed = np.divide(changes, model.ravel(), out=np.zeros_like(changes), where=model.ravel() > 0)
    information = (weighed @ changes.T).astype(np.float64)
    score = (changes @ gain.ravel()).astype(np.float64)
    return information, score


def _triple(values: Numbers) -> Place:
    a, b, c = (float(v) for v in values)
    return a, b, c
