"""Scene -> napari: one fixed, named layer, float32, touched only when what it shows has changed."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.layers import Surface as SurfaceLayer
from napari.utils import Colormap

from viewer import colours
from viewer.scene import Framing, PictureView, Scene

SURFACE = "crystal surface · u (Å)"
AXES = ("z", "y", "x")
VIEW_ANGLES_DEG = (0.0, -60.0, 20.0)
SHOWN_ORDER = (2, 1, 0)
FILLED = 0.92
"""Of the canvas's shorter side, by the sphere around the crystal."""
SHADING = "smooth"


class Screen:
    """Owns the layer and the overlays of a viewer (with or without a window) and keeps them as the scene says.

    To be used from the thread that the viewer belongs to.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._picture: PictureView | None = None
        self._framing: Framing | None = None
        self._caption: tuple[str, str] | None = None
        viewer.dims.ndisplay = 3
        # Axes shown as (x, y, z) = (away, up, right): right-handed, so that what is seen is no mirror image. With
        # the axes in napari's usual order only a mirrored view is lit from the front.
        viewer.scene.camera.orientation = ("away", "up", "right")
        viewer.canvas.overlays.scale_bar.font_size = 12
        viewer.canvas.overlays.axes.box = False
        viewer.canvas.overlay_tiling.top_right = "vertical"
        text = viewer.canvas.overlays.text
        text.visible, text.position, text.font_size, text.color = True, "top_left", 10, "white"

    def show(self, scene: Scene) -> bool:
        """Bring the viewer to `scene`; True if anything was touched."""
        changed = self._show_caption(scene)
        if scene.picture is not None and scene.picture != self._picture:
            self._show_picture(scene.picture)
            self._picture = scene.picture
            changed = True
        return changed

    def rehearse(self, on: bool) -> None:
        """Put a grain on the canvas (`on`) and take it away: the first volume need not wait for shaders to compile."""
        layer = self._layer()
        layer.visible = on
        self._show_scales(on)

    def _show_caption(self, scene: Scene) -> bool:
        caption = (scene.canvas_text, scene.badge.colour)
        if caption == self._caption:
            return False
        text = self._viewer.canvas.overlays.text
        text.text, text.box_color = caption
        self._caption = caption
        return True

    def _show_picture(self, view: PictureView) -> None:
        surface = view.picture.surface
        is_new = SURFACE not in self._viewer.layers
        layer = self._layer()
        if is_new or self._picture is None or self._picture.picture is not view.picture:
            layer.visible = surface is not None
            self._show_scales(surface is not None)
            if surface is not None:
                layer.data = (surface.vertices_nm, surface.faces, surface.values)
            layer.metadata = _metadata(view)
        limits = (-view.displacement_limit_a, view.displacement_limit_a)
        if tuple(layer.contrast_limits) != limits:
            layer.contrast_limits_range = limits
            layer.contrast_limits = limits
        if surface is not None and (self._framing is None or not self._framing.still_serves(view.framing)):
            self._frame(view.framing)
            self._framing = view.framing

    def _frame(self, framing: Framing) -> None:
        """Look at the whole crystal so that it stays in view however it is turned; later as the user turned it."""
        camera = self._viewer.scene.camera
        if self._framing is None:
            camera.angles = VIEW_ANGLES_DEG
        camera.center = (0.0, 0.0, 0.0)
        camera.zoom = FILLED * min(self._viewer.canvas.size) / (2 * max(framing.radius_nm, 1e-6))

    def _show_scales(self, on: bool) -> None:
        # Without a layer there is nothing that has a scale and axes.
        self._viewer.canvas.overlays.scale_bar.visible = on
        self._viewer.canvas.overlays.axes.visible = on

    def _layer(self) -> SurfaceLayer:
        """The surface layer; made at the first volume, and again if the user deleted it."""
        for layer in self._viewer.layers:
            if layer.name == SURFACE:
                return layer
        triangle = np.eye(3, dtype=np.float32)
        layer = SurfaceLayer(
            (triangle, np.array([[0, 1, 2]]), np.zeros(3, np.float32)),
            name=SURFACE,
            colormap=Colormap(colours.table("displacement") / 255.0, name="displacement"),
            shading=SHADING,
            units=("nm",) * 3,
            axis_labels=AXES,
        )
        self._viewer.add_layer(layer)
        self._viewer.dims.order = SHOWN_ORDER
        layer.colorbar.visible = True
        layer.colorbar.font_size = 11
        layer.name_overlay.visible = True
        layer.name_overlay.position = "top_right"
        return layer


def _metadata(view: PictureView) -> dict[str, object]:
    """What a layer tells about itself when it is saved or looked at in the console."""
    facts = view.picture.facts
    return {
        "scan": str(facts.scan),
        "hold": facts.hold,
        "crystal": facts.crystal,
        "voltage_v": facts.voltage_v,
        "stage": facts.stage,
        "revision": facts.revision,
        "frames_used": facts.frames_used,
        "frames_expected": facts.frames_expected,
        "missing": facts.missing,
        "iterations": facts.iterations,
        "r_factor": facts.quality.r_factor,
        "made_at": facts.made_at,
    }
