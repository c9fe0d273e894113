"""How well an object tells the counts. Plain numbers; what cannot be determined is None."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.special
from numpy.typing import NDArray

from reconstructor.phasing.problem import Complex, Mask, Misfit, Problem, Real, amplitude

Wide = NDArray[np.float64]


def intensity(obj: Complex) -> Real:
    """|Fρ|² in natural order; unnormalised forward FFT."""
    wave = scipy.fft.fftshift(scipy.fft.fftn(obj))
    out: Real = np.square(wave.real) + np.square(wave.imag)
    return out


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


def expected_deviance(counts: Wide) -> Wide:
    """E[2(Ic − Io + Io ln(Io/Ic))] for Poisson Io of mean Ic, each within 0.1 %.

    Summed term by term below Ic = 12, by the asymptotic series 1 + 1/(6 Ic) + 1/(6 Ic²) + 19/(60 Ic³) above.
    """
    mean = np.linspace(0.0, np.sqrt(12.0), 512) ** 2
    k = np.arange(1, 80)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.exp(k * np.log(mean) - mean - scipy.special.gammaln(k + 1))
        of_k = np.where(mean > 0, (chance * k * np.log(k)).sum(axis=0), 0.0)
    faint = np.minimum(counts, 12.0)
    # E[Io ln Io] is smooth and may be interpolated; Ic ln Ic, which rules where hardly any count is expected, is not.
    low = 2 * (np.interp(np.sqrt(faint), np.sqrt(mean), of_k) - scipy.special.xlogy(faint, faint))
    high = np.maximum(counts, 12.0)
    series = 1 + 1 / (6 * high) + 1 / (6 * high**2) + 19 / (60 * high**3)
    return np.where(counts < 12.0, low, series)


def deviance(modelled: Wide, counts: Wide) -> Wide:
    """2[Ic − Io + Io ln(Io/Ic)] of each voxel."""
    modelled = np.maximum(modelled, 1e-10)
    out: Wide = 2 * (modelled - counts + scipy.special.xlogy(counts, counts / modelled))
    return out


def misfit(problem: Problem, obj: Complex, support_voxels: int) -> Misfit:
    """R, LLK and free LLK of an object that has passed the support projection, scaled to the known counts."""
    power = intensity(obj)
    factor = scale(problem, power)
    response = np.float32(1) if problem.response is None else problem.response
    modelled = response * (np.float32(factor) * power + np.float32(problem.background))

    def numbers(where: Mask, freedom: int) -> tuple[float | None, float | None]:
        found, made = problem.counts[where].astype(np.float64), modelled[where].astype(np.float64)
        if not found.size or freedom < 1:
            return None, None
        total = float(deviance(made, found).sum())
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
    ratio: Wide
    """|⟨Fρ_k⟩| / √I, NaN in shells without counts."""
    resolution_nm: float | None
    """2π/q where it first falls below 1/e; None where it never does (the window ends first)."""


def prtf(mean: Complex, problem: Problem, steps_inv_nm: NDArray[np.float64], shells: int = 40) -> Prtf:
    """PRTF of the mean of aligned members, scaled to the data; `steps_inv_nm` are the three reciprocal steps (3, 3),
    one row an axis."""
    power = intensity(mean)
    modelled = np.sqrt(np.float32(scale(problem, power)) * power)
    found = np.where(problem.known, amplitude(problem), np.float32(0))
    index = [np.arange(n) - n // 2 for n in problem.shape]
    grid = np.meshgrid(*index, indexing="ij", sparse=True)
    vector = [sum(step[k] * g for step, g in zip(steps_inv_nm, grid, strict=True)) for k in range(3)]
    q = np.sqrt(sum(np.square(v) for v in vector))
    reach = min(float(np.linalg.norm(step)) * (n // 2) for step, n in zip(steps_inv_nm, problem.shape, strict=True))
    edges = np.linspace(0.0, reach, shells + 1)
    shell = np.digitize(q[problem.known], edges) - 1
    inside = shell < shells
    sums = [np.bincount(shell[inside], a[problem.known][inside], shells) for a in (modelled, found)]
    ratio = np.divide(sums[0], sums[1], out=np.full(shells, np.nan), where=sums[1] > 0)
    centre = (edges[1:] + edges[:-1]) / 2
    below = np.flatnonzero(ratio < np.exp(-1))
    return Prtf(centre, ratio, float(2 * np.pi / centre[below[0]]) if below.size else None)
