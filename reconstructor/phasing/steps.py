"""The projection algorithms, as data.

With P = modulus projection of the present object g, one iteration of ER, HIO, RAAR or solvent flipping is linear
in g and P, with one pair of weights inside the support and one outside:

    inside: g ← in_g · g + in_p · P          outside: g ← out_g · g + out_p · P

so one kernel serves them all. The difference map needs P twice; its two halves have the same form.

Two are of another kind. Charge flipping (CF; Oszlányi & Sütő 2004) asks for no support: P changes its sign wherever
|P| is below a threshold. Maximum likelihood (ML) makes no projection at all: it walks down the Poisson likelihood of
the raw counts with the object held inside its support (`poisson`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Algorithm = Literal["ER", "HIO", "RAAR", "DM", "SF", "CF", "ML"]
LINEAR: tuple[Algorithm, ...] = ("ER", "HIO", "RAAR", "DM", "SF")
"""Those made of updates linear in g and P."""
ALGORITHMS: tuple[Algorithm, ...] = (*LINEAR, "CF", "ML")
REFINING: tuple[Algorithm, ...] = ("ER", "ML")
"""Those that go downhill on a fixed support: a search ends before them."""
WITHOUT_BETA: tuple[Algorithm, ...] = ("ER", "SF", "ML")
"""Those that use no β: whatever is given, they do the same."""
TWICE: tuple[Algorithm, ...] = ("DM", "ML")
"""Those of which an iteration costs about two of the others: DM makes two pairs of transforms, and ML, besides its
one, looks for the length of its step."""


class Update(NamedTuple):
    """Weights of the real-space update."""

    in_g: float
    in_p: float
    out_g: float
    out_p: float


def update(algorithm: Algorithm, beta: float) -> Update:
    """The update of the algorithms that are a single one: ER, HIO (Fienup 1982), RAAR (Luke 2005), solvent flipping
    (Abrahams & Leslie 1996). Raises ValueError for the others."""
    match algorithm:
        case "ER":
            return Update(0.0, 1.0, 0.0, 0.0)
        case "HIO":
            return Update(0.0, 1.0, 1.0, -beta)
        case "RAAR":
            return Update(0.0, 1.0, beta, 1.0 - 2.0 * beta)
        case "SF":
            return Update(0.0, 1.0, 0.0, -1.0)
        case "DM":
            raise ValueError("the difference map is no single update; wanted difference_map(beta)")
        case "CF" | "ML":
            raise ValueError(f"{algorithm} is no linear update; wanted one of ER, HIO, RAAR, SF")


def difference_map(beta: float) -> tuple[Update, Update, Update]:
    """Elser's ρ + β[P_S f_M ρ − P_M f_S ρ], f_M = (1 + 1/β)P_M − 1/β, f_S = (1 − 1/β)P_S + 1/β, in three updates.

    `kept`: ρ + βP_S f_M ρ from ρ and P_M ρ; `probe`: f_S ρ, of which the modulus projection is then taken;
    `last`: kept − β P_M f_S ρ.
    """
    kept = Update(0.0, beta + 1.0, 1.0, 0.0)
    probe = Update(1.0, 0.0, 1.0 / beta, 0.0)
    last = Update(1.0, -beta, 1.0, -beta)
    return kept, probe, last
