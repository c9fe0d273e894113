"""VTI files are plain XML with the arrays inside, as VTK lays them out."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from reconstructor.vti import ImageData, document, parse


def image() -> ImageData:
    """Two fields of different lengths along every axis."""
    density = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    density[0, 0, 0] = np.nan
    return ImageData({"density": density, "support": (density > 3).astype(np.uint8)}, (5.0, 6.5, 7.0), (-1.0, 0.0, 2.5))


def test_what_is_written_is_read_back() -> None:
    """Fields, spacing and origin survive, NaN included."""
    back = parse(document(image(), {"scan": "s <&> 1"}))
    assert back.spacing_nm == (5.0, 6.5, 7.0)
    assert back.origin_nm == (-1.0, 0.0, 2.5)
    assert np.array_equal(back.fields["density"], image().fields["density"], equal_nan=True)
    assert np.array_equal(back.fields["support"], image().fields["support"])


def test_the_extent_counts_x_first() -> None:
    """VTK's extents are x, y, z while arrays are (z, y, x)."""
    root = ElementTree.fromstring(document(image(), {}))
    grid = root.find("ImageData")
    assert root.attrib["type"] == "ImageData"
    assert grid is not None
    assert grid.attrib["WholeExtent"] == "0 3 0 2 0 1"


def test_texts_travel_as_vtk_strings() -> None:
    """What is told about the data is kept as the codes VTK wants."""
    root = ElementTree.fromstring(document(image(), {"scan": "µ"}))
    text = root.find("ImageData/FieldData/DataArray")
    assert text is not None
    assert bytes(int(code) for code in (text.text or "").split()) == "µ\0".encode()


def test_fields_of_different_shapes_are_refused() -> None:
    """One image has one shape."""
    odd = ImageData({"a": np.zeros((2, 2, 2), np.float32), "b": np.zeros((2, 2, 3), np.float32)}, (1,) * 3, (0,) * 3)
    with pytest.raises(ValueError, match="shapes"):
        document(odd, {})


@pytest.mark.parametrize("data", [b"<VTKFile/>", b"<html></html>"])
def test_other_xml_is_refused(data: bytes) -> None:
    """A reader says what it found."""
    with pytest.raises(ValueError, match="no VTK image data"):
        parse(data)
