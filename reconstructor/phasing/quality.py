"""How well an object tells the counts. Plain numbers; what cannot be determined is None."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.special
from numpy.typing import NDArray

from reconstructor.phasing import coherence
from reconstructor.phasing.problem import Complex, Mask, Misfit, Problem, Real

Wide = NDArray[np.float64]


def intensity(obj: Complex, psf: Real | None = None) -> Real:
    """|Fρ|² in natural order, convolved with the psf where the light is partially coherent; unnormalised FFT."""
    wave = scipy.fft.fftshift(scipy.fft.fftn(obj))
    out: Real = np.square(wave.real) + np.square(wave.imag)
    return out if psf is None else coherence.blurred(out, coherence.transfer(psf, out.shape))


def scale(problem: Problem, modelled: Real) -> float:
    """The factor on |Fρ|² that makes the known counts agree in sum (the most likely one for Poisson counts).

    With a background it is fitted to the counts above it. 0 where the object has no power on known voxels.
    """
    known = problem.known
    response = 1.0 if problem.response is None else problem.response
    model = float(np.sum(modelled * response, where=known, dtype=np.float64))
    flat = np.broadcast_to(np.asarray(response, np.float32) * problem.background, problem.shape)
    found = float(np.sum(problem.counts - flat, where=known, dtype=np.float64))
    return max(found, 0.0) / model if model > 0 else 0.0


FAINT = 12.0
"""Mean counts below which the expected deviance is summed term by term; above, its asymptotic series serves."""
GRID = 1024
"""Points of the table of E[Io ln Io] below `FAINT`, even in √Ic."""


def expected_deviance(counts: Wide) -> Wide:
    """E[2(Ic − Io + Io ln(Io/Ic))] for Poisson Io of mean Ic ≥ 0, each within 0.1 %.

    Summed term by term below Ic = 12, by the asymptotic series 1 + 1/(6 Ic) + 1/(6 Ic²) + 19/(60 Ic³) above.
    """
    out: Wide = np.empty(counts.shape)
    faint = counts < FAINT
    low, high = counts[faint], counts[~faint]
    # E[Io ln Io] is smooth and may be interpolated; Ic ln Ic, which rules where hardly any count is expected, is not.
    table = _mean_of_k_log_k()
    place = np.sqrt(low) * ((GRID - 1) / np.sqrt(FAINT))
    step = place.astype(np.intp)
    place -= step
    between = table[step] + place * (table[step + 1] - table[step])
    out[faint] = 2 * (between - scipy.special.xlogy(low, low))
    inverse = 1 / high
    out[~faint] = 1 + inverse * (1 / 6 + inverse * (1 / 6 + inverse * (19 / 60)))
    return out


@cache
def _mean_of_k_log_k() -> Wide:
    """E[Io ln Io] for Poisson Io of `GRID` means from 0 to `FAINT`, even in their square root, and one beyond."""
    mean = (np.arange(GRID + 1) * (np.sqrt(FAINT) / (GRID - 1))) ** 2
    k = np.arange(2, 80)[:, None]
    with np.errstate(divide="ignore"):
        chance = np.exp(k * np.log(mean) - mean - scipy.special.gammaln(k + 1))
    table: Wide = (chance * k * np.log(k)).sum(axis=0)
    return table


def deviance(modelled: Wide, counts: Wide) -> Wide:
    """2[Ic − Io + Io ln(Io/Ic)] of each voxel."""
    modelled = np.maximum(modelled, 1e-10)
    out: Wide = 2 * (modelled - counts + scipy.special.xlogy(counts, counts / modelled))
    return out


def _total_deviance(modelled: Wide, counts: Wide) -> float:
    """The sum of `deviance`; logarithms are taken only where something was counted."""
    some = counts > 0
    found = counts[some]
    logs = float(np.dot(found, np.log(found / np.maximum(modelled[some], 1e-10))))
    return 2 * (float(np.maximum(modelled, 1e-10).sum()) - float(found.sum()) + logs)


def misfit(problem: Problem, obj: Complex, support_voxels: int, psf: Real | None = None) -> Misfit:
    """R, LLK and free LLK of an object that has passed the support projection, scaled to the known counts."""
    power = intensity(obj, psf)
    factor = scale(problem, power)
    response = np.float32(1) if problem.response is None else problem.response
    modelled = response * (np.float32(factor) * power + np.float32(problem.background))

    def numbers(where: Mask, freedom: int) -> tuple[float | None, float | None]:
        found, made = problem.counts[where].astype(np.float64), modelled[where].astype(np.float64)
        if not found.size or freedom < 1:
            return None, None
        total = _total_deviance(made, found)
        expected = float(expected_deviance(made).sum())
        return total / freedom, total / expected if expected > 0 else None

    known, free = problem.known, problem.free
    llk, llk_ratio = numbers(known, int(np.count_nonzero(known)) - support_voxels)
    free_llk, free_llk_ratio = numbers(free, int(np.count_nonzero(free)))
    weight = np.broadcast_to(response, problem.shape)[known]
    found = problem.counts[known].astype(np.float64) / weight
    made = modelled[known].astype(np.float64) / weight
    r_factor = float(np.square(np.sqrt(made) - np.sqrt(found)).sum() / found.sum())
    return Misfit(r_factor, llk, llk_ratio, free_llk, free_llk_ratio)


def mean_to_max(obj: Complex, support: Mask) -> float:
    """Mean over maximum of |ρ| inside the support: 1 for a homogeneous crystal."""
    inside = np.abs(obj[support])
    return float(inside.mean() / inside.max()) if inside.size and inside.max() > 0 else 0.0


class Prtf(NamedTuple):
    """Phase retrieval transfer function by shells of |q − Q|."""

    q_inv_nm: Wide
    """Middles of the shells."""
    ratio: Wide
    """√(Σ|⟨Fρ_k⟩|² / ΣI), NaN in shells without counts."""
    resolution_nm: float | None
    """2π/q where it first falls below 1/e; None where it never does (the window ends first)."""


def prtf(mean: Complex, problem: Problem, steps_inv_nm: Wide, shells: int | None = None) -> Prtf:
    """PRTF (Chapman et al., J. Opt. Soc. Am. A 23, 1179 (2006)) of `mean`, on known voxels.

    `mean` is that of aligned members, each scaled to the data: it is not scaled again, since what it has lost is what
    is to be told. `steps_inv_nm` are the three reciprocal steps (3, 3), one row an axis; the `shells` reach to the
    nearest face of the window, one a voxel of its shortest axis where nothing else is said. Powers are summed over a
    shell, not amplitudes: the mean of √counts is far below √mean where hardly any count is expected. Of K runs of
    random phases it is 1/√K.
    """
    known, response = problem.known, _response(problem)[problem.known]
    made = response * intensity(mean)[known]
    found = problem.counts[known] - response * np.float32(problem.background)
    index = [np.arange(n) - n // 2 for n in problem.shape]
    grid = np.meshgrid(*index, indexing="ij", sparse=True)
    vector = [sum(step[k] * g for step, g in zip(steps_inv_nm, grid, strict=True)) for k in range(3)]
    q = np.sqrt(sum(np.square(v) for v in vector))[known]
    reach = min(float(np.linalg.norm(step)) * (n // 2) for step, n in zip(steps_inv_nm, problem.shape, strict=True))
    shells = shells or min(problem.shape) // 2
    edges = np.linspace(0.0, reach, shells + 1)
    shell = np.digitize(q, edges) - 1
    inside = shell < shells
    above, below = (np.bincount(shell[inside], a[inside], shells) for a in (made, found))
    ratio = np.sqrt(np.divide(above, below, out=np.full(shells, np.nan), where=below > 0))
    middle = (edges[1:] + edges[:-1]) / 2
    return Prtf(middle, ratio, _resolution_nm(middle, ratio))


def _resolution_nm(q_inv_nm: Wide, ratio: Wide) -> float | None:
    """Where the curve first falls below 1/e, by a straight line between the two shells about it."""
    there = np.isfinite(ratio)
    q, height = q_inv_nm[there], ratio[there] - np.exp(-1)
    below = np.flatnonzero(height < 0)
    if not below.size:
        return None
    k = int(below[0])
    if k == 0:
        return float(2 * np.pi / q[0])
    share = height[k - 1] / (height[k - 1] - height[k])
    return float(2 * np.pi / (q[k - 1] + share * (q[k] - q[k - 1])))


def _response(problem: Problem) -> Real:
    """The response as an array, 1 everywhere where there is none."""
    return np.ones(problem.shape, np.float32) if problem.response is None else problem.response
