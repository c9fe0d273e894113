"""What napari finds: a valid manifest, a reader for our archives, a sample."""

from __future__ import annotations

from pathlib import Path

import npe2
import pytest

from tests.viewer.campaign import Maker
from tests.viewer.test_volumefile import archived
from viewer import plugin
from viewer.plugin import LayerData

MANIFEST = Path(plugin.__file__).with_name("napari.yaml")


def test_the_manifest_is_valid_and_its_commands_exist() -> None:
    """npe2 accepts the manifest and can import what it names."""
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert [widget.display_name for widget in manifest.contributions.widgets or []] == ["BCDI live"]
    assert manifest.contributions.readers
    assert manifest.contributions.sample_data


def kinds(layers: list[LayerData]) -> list[str]:
    return [kind for _, _, kind in layers]


def test_the_sample_gives_layers_in_nm() -> None:
    """The made-up crystal comes as three volumes and a surface, with units and axes."""
    layers = plugin.sample()
    assert kinds(layers) == ["image", "image", "image", "surface"]
    for _, look, _ in layers:
        assert look["units"] == ("nm", "nm", "nm")
        assert look["axis_labels"] == ("z", "y", "x")


def test_our_archive_is_read_and_nothing_else(tmp_path: Path, make: Maker) -> None:
    """The reader takes our archives and leaves other files to others."""
    path = archived(tmp_path, make.volume(0, size=16))
    other = tmp_path / "other.h5"
    other.write_bytes(b"something else")
    reader = plugin.get_reader(str(path))
    assert reader is not None
    layers = reader([str(path), str(path)])
    assert kinds(layers) == ["image", "image", "image", "surface"] * 2
    assert layers[0][1]["metadata"]["scan"] == make.scan_name(0)
    assert plugin.get_reader([str(path), str(other)]) is None
    assert plugin.get_reader([]) is None


def test_the_layers_can_be_added_to_a_viewer() -> None:
    """napari accepts the layers with all their settings."""
    from napari.components import ViewerModel
    from napari.layers import Layer

    viewer = ViewerModel(ndisplay=3)
    for data in plugin.sample():
        viewer.add_layer(Layer.create(*data))
    assert str(viewer.layers[-1].units[0]) == "nanometer"
    assert viewer.layers[-1].contrast_limits == pytest.approx([-0.6, 0.6])
