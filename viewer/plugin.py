"""What napari finds through the manifest: our archives as layers, and a made-up crystal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contract.messages import Volume
from viewer import colours
from viewer.picture import draw_picture
from viewer.sample import sample_volume
from viewer.scene import natural_limit_a
from viewer.volumefile import is_volume, read_volume

LayerData = tuple[Any, dict[str, Any], str]
AXES = ("z", "y", "x")
STRAIN_LIMIT = 1e-3


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader if every file is an archived volume of ours, else None."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(is_volume(Path(one)) for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Read archived volumes as layers in nm. VolumeFileError: a file holds no volume of ours."""
    paths = [path] if isinstance(path, str) else list(path)
    return [layer for one in paths for layer in layers(read_volume(Path(one)))]


def sample() -> list[LayerData]:
    """A made-up crystal, to look at without a beamline."""
    return layers(sample_volume())


def layers(volume: Volume) -> list[LayerData]:
    """Density, strain and displacement as images, hidden, and the surface coloured by the displacement."""
    name = f"{volume.crystal or volume.scan} · {volume.hold or volume.stage}"
    limit = natural_limit_a(volume.q_norm_inv_a)
    fields = (
        ("Bragg density", volume.density, "density", (0.0, 1.0)),
        ("displacement (Å)", volume.displacement_a, "displacement", (-limit, limit)),
        ("strain", volume.strain, "strain", (-STRAIN_LIMIT, STRAIN_LIMIT)),
    )
    found: list[LayerData] = []
    for label, data, quantity, limits in fields:
        look = {
            "name": f"{name} · {label}",
            "scale": volume.voxel_nm,
            "translate": volume.origin_nm,
            "colormap": _colormap(quantity),
            "contrast_limits": limits,
            "visible": False,
        }
        found.append((np.asarray(data), {**look, **_common(volume)}, "image"))
    surface = draw_picture(volume).surface
    if surface is not None:
        look = {
            "name": f"{name} · surface · u (Å)",
            "colormap": _colormap("displacement"),
            "contrast_limits": (-limit, limit),
            "shading": "smooth",
        }
        found.append(((surface.vertices_nm, surface.faces, surface.values), {**look, **_common(volume)}, "surface"))
    return found


def _colormap(quantity: Any) -> dict[str, Any]:
    return {"colors": colours.table(quantity) / 255.0, "name": quantity}


def _common(volume: Volume) -> dict[str, Any]:
    facts = {"scan": str(volume.scan), "hold": volume.hold, "stage": volume.stage, "revision": volume.revision}
    return {"units": ("nm",) * 3, "axis_labels": AXES, "metadata": {**facts, "frames_used": volume.frames_used}}
