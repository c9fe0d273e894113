"""A volume as a printed page, drawn without any GUI toolkit: for people without a screen, and for the logbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from contract.messages import Volume
from viewer import colours
from viewer.captions import hold_text, volume_numbers, where_text
from viewer.colours import Quantity
from viewer.picture import Picture, draw_picture
from viewer.rocking import Curve, fit_gaussian
from viewer.scene import fitting_limit
from viewer.surface import Surface
from viewer.volumefile import VolumeFileError, read_curve, read_volume

PAGE_INCHES = (16.0, 8.6)
DOTS_PER_INCH = 100
MOST_FACES = 30_000
VIEW = np.array([0.47, -0.48, -0.74])
"""Where one looks, (x, y, z): from above and downstream, as the window does at first."""
LIGHT = np.array([-0.2, 0.75, 0.6])
AMBIENT = 0.45
FIELDS: tuple[tuple[str, Quantity, str], ...] = (
    ("density", "density", "Bragg density"),
    ("displacement_a", "displacement", "displacement u (Å)"),
    ("strain", "strain", "strain ∂u/∂x (%)"),
)
STRAIN_RANGE = 3.0
"""Limits of the strain's colours, in multiples of its rms."""


@dataclass(frozen=True, eq=False)
class Page:
    """A volume and, if it is there, the rocking curve it came from."""

    volume: Volume
    curve: Curve | None = None


def read_pages(archives: Sequence[Path], scans: Sequence[Path] = ()) -> list[Page]:
    """Read archived volumes and the archived scans that belong to them. VolumeFileError: a file is something else."""
    if scans and len(scans) != len(archives):
        raise VolumeFileError(f"{len(scans)} scans for {len(archives)} volumes; wanted one each, in the same order")
    curves: list[Curve | None] = [read_curve(scan) for scan in scans] or [None] * len(archives)
    return [Page(read_volume(path), curve) for path, curve in zip(archives, curves, strict=True)]


def draw_pages(pages: Sequence[Page], path: Path, displacement_limit_a: float | None = None) -> None:
    """Write the pages, one below the other, as PNG; all with the same colours, so that they can be compared."""
    pictures = [draw_picture(page.volume, MOST_FACES) for page in pages]
    limit = displacement_limit_a or fitting_limit(max(picture.displacement_extent_a for picture in pictures))
    rms = [picture.strain_rms for picture in pictures if np.isfinite(picture.strain_rms)]
    strain_limit = fitting_limit(STRAIN_RANGE * 100 * max(rms, default=0.0))
    width, height = PAGE_INCHES
    figure = Figure(figsize=(width, height * len(pages)), dpi=DOTS_PER_INCH, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    parts = figure.subfigures(len(pages), 1, squeeze=False)[:, 0]
    for part, page, picture in zip(parts, pages, pictures, strict=True):
        _draw_page(part, page, picture, (1.0, limit, strain_limit))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.print_png(str(path))  # type: ignore[no-untyped-call]


def numbers(page: Page) -> dict[str, Any]:
    """The numbers on a page, for other programs."""
    facts = page.volume
    fit = fit_gaussian(page.curve) if page.curve is not None else None
    return {
        "scan": str(facts.scan),
        "hold": facts.hold,
        "crystal": facts.crystal,
        "voltage_v": facts.voltage_v,
        "stage": facts.stage,
        "revision": facts.revision,
        "frames_used": facts.frames_used,
        "frames_expected": facts.frames_expected,
        "missing": list(facts.missing),
        "r_factor": facts.quality.r_factor,
        "free_llk": facts.quality.free_llk,
        "crystal_volume_um3": facts.crystal_volume_um3,
        "q_norm_inv_a": facts.q_norm_inv_a,
        "rocking_centre_deg": fit.centre_deg if fit else None,
        "rocking_fwhm_deg": fit.fwhm_deg if fit else None,
    }


def _draw_page(part: SubFigure, page: Page, picture: Picture, limits: tuple[float, float, float]) -> None:
    facts = page.volume
    caption = "LAST HOLD" if facts.last_hold else facts.stage.upper()
    state = caption if facts.completion in (None, "complete") else f"{caption}, {facts.completion}"
    part.suptitle(
        f"{where_text(facts)} · {hold_text(facts)} · {state}", fontsize=15, x=0.02, y=0.985, ha="left", weight="bold"
    )
    grid = part.add_gridspec(
        3,
        7,
        width_ratios=(1, 1, 1, 0.07, 0.22, 1.5, 1.45),
        left=0.04,
        right=0.985,
        top=0.92,
        bottom=0.07,
        wspace=0.32,
        hspace=0.3,
    )
    for row, ((field, quantity, label), limit) in enumerate(zip(FIELDS, limits, strict=True)):
        low = 0.0 if quantity == "density" else -limit
        for column, cut in enumerate(picture.slices):
            axes = part.add_subplot(grid[row, column])
            values = getattr(cut, field) * (100 if field == "strain" else 1)
            left, bottom, width, height = cut.rectangle_nm
            shown = axes.imshow(
                values,
                origin="lower",
                extent=(left, left + width, bottom, bottom + height),
                cmap=ListedColormap(colours.table(quantity) / 255.0),
                vmin=low,
                vmax=limit,
                interpolation="nearest",
            )
            axes.set_facecolor("black" if quantity == "density" else "0.93")
            axes.tick_params(labelsize=7)
            axes.set_xlabel(f"{cut.plane[0]} (nm)", fontsize=8, labelpad=1)
            axes.set_ylabel(f"{cut.plane[1]} (nm)", fontsize=8, labelpad=0)
        bar = part.colorbar(shown, cax=part.add_subplot(grid[row, 3]))
        bar.set_label(label, fontsize=9)
        bar.ax.tick_params(labelsize=7)
    _draw_surface(part.add_subplot(grid[0:2, 5]), picture.surface, limits[1])
    _draw_curve(part.add_subplot(grid[2, 5]), page.curve)
    _draw_table(part.add_subplot(grid[:, 6]), picture)


def _draw_surface(axes: Axes, surface: Surface | None, limit: float) -> None:
    axes.set_axis_off()
    axes.set_title("isosurface coloured by u, y up", fontsize=9)
    if surface is None:
        axes.text(0.5, 0.5, "the density does not reach\nits isosurface level", ha="center", transform=axes.transAxes)
        return
    corners, colour = _project(surface, limit)
    axes.add_collection(PolyCollection(list(corners), facecolors=colour, edgecolors=colour, linewidths=0.2))
    axes.set_aspect("equal")
    axes.autoscale_view()


def _project(surface: Surface, limit: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Triangles that face the eye, farthest first: corners (triangle, 3, 2) in nm and colours (triangle, 4)."""
    away = VIEW / np.linalg.norm(VIEW)
    right = np.cross(away, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, away)
    place = surface.vertices_nm[:, ::-1].astype(np.float64)
    corners = place[surface.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-30
    facing = normal @ away < 0
    corners, normal = corners[facing], normal[facing]
    order = np.argsort(-(corners.mean(axis=1) @ away))
    corners, normal = corners[order], normal[order]
    values = surface.values[surface.faces[facing][order]].mean(axis=1)
    index = np.clip((values / limit + 1) * 127.5, 0, 255).astype(int)
    colour = colours.table("displacement")[index] / 255.0
    light = LIGHT / np.linalg.norm(LIGHT)
    colour[:, :3] *= (AMBIENT + (1 - AMBIENT) * np.clip(normal @ light, 0, 1))[:, None]
    return np.stack((corners @ right, corners @ up), axis=-1), colour


def _draw_curve(axes: Axes, curve: Curve | None) -> None:
    axes.tick_params(labelsize=7)
    if curve is None or not len(curve.index):
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no rocking curve was given", ha="center", color="0.5", transform=axes.transAxes)
        return
    known = bool(np.isfinite(curve.angle_deg).any())
    across = curve.angle_deg if known else curve.index
    axes.plot(across, curve.counts, "o", markersize=2.5, color="tab:blue")
    axes.set_xlabel("rocking angle (°)" if known else "frame", fontsize=8)
    axes.set_ylabel("counts a frame", fontsize=8)
    fit = fit_gaussian(curve)
    if fit is not None:
        fine = np.linspace(float(np.nanmin(across)), float(np.nanmax(across)), 400)
        axes.plot(fine, fit.at(fine), "-", linewidth=1.2, color="tab:orange")
        axes.set_title(f"centre {fit.centre_deg:.4f}°, FWHM {fit.fwhm_deg:.4f}°", fontsize=9)


def _draw_table(axes: Axes, picture: Picture) -> None:
    axes.set_axis_off()
    rows = [(number.label, number.value) for number in volume_numbers(picture)]
    table = axes.table(cellText=rows, loc="upper center", cellLoc="left", colWidths=(0.45, 0.55), edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(7.5)
    table.scale(1.0, 1.25)
    said = "\n".join(picture.facts.assumptions)
    axes.text(0.0, 0.0, said, fontsize=7, color="0.4", wrap=True, va="bottom", transform=axes.transAxes)
