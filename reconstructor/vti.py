"""Volumes as ParaView reads them: VTK image data (.vti), plain XML with the arrays in base64."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

VTK_TYPE = {"float32": "Float32", "float64": "Float64", "uint8": "UInt8", "int32": "Int32"}


@dataclass(frozen=True, eq=False)
class ImageData:
    """Fields on one regular grid."""

    fields: dict[str, NDArray[Any]]
    """(z, y, x) each."""
    spacing_nm: tuple[float, float, float]
    """(x, y, z), as VTK wants it."""
    origin_nm: tuple[float, float, float]
    """Place of voxel (0, 0, 0), (x, y, z)."""


def document(image: ImageData, about: Mapping[str, str]) -> bytes:
    """The file's bytes. `about` becomes text fields that ParaView shows with the data."""
    shapes = {name: array.shape for name, array in image.fields.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"the fields of one image have the shapes {shapes}; wanted one shape, (z, y, x)")
    z, y, x = next(iter(shapes.values()))
    extent = f"0 {x - 1} 0 {y - 1} 0 {z - 1}"
    root = ElementTree.Element(
        "VTKFile", type="ImageData", version="1.0", byte_order="LittleEndian", header_type="UInt64"
    )
    grid = ElementTree.SubElement(
        root,
        "ImageData",
        WholeExtent=extent,
        Origin=" ".join(repr(v) for v in image.origin_nm),
        Spacing=" ".join(repr(v) for v in image.spacing_nm),
    )
    texts = ElementTree.SubElement(grid, "FieldData")
    for name, text in about.items():
        codes = np.frombuffer(text.encode() + b"\0", np.uint8)
        array = ElementTree.SubElement(texts, "DataArray", type="String", Name=name, NumberOfTuples="1", format="ascii")
        array.text = " ".join(str(code) for code in codes)
    points = ElementTree.SubElement(
        ElementTree.SubElement(grid, "Piece", Extent=extent), "PointData", Scalars=next(iter(image.fields))
    )
    for name, values in image.fields.items():
        kind = VTK_TYPE[values.dtype.name]
        ElementTree.SubElement(points, "DataArray", type=kind, Name=name, format="binary").text = _encoded(values)
    ElementTree.indent(root)
    return b'<?xml version="1.0"?>\n' + ElementTree.tostring(root)


def parse(data: bytes) -> ImageData:
    """Read back what `document` wrote. Raises ValueError for anything else."""
    root = ElementTree.fromstring(data)
    grid = root.find("ImageData")
    if root.tag != "VTKFile" or grid is None:
        raise ValueError(f"<{root.tag}> is no VTK image data; wanted <VTKFile type='ImageData'>")
    limits = [int(v) for v in grid.attrib["WholeExtent"].split()]
    shape = (limits[5] - limits[4] + 1, limits[3] - limits[2] + 1, limits[1] - limits[0] + 1)
    names = {vtk: dtype for dtype, vtk in VTK_TYPE.items()}
    fields = {}
    for array in grid.iterfind("Piece/PointData/DataArray"):
        raw = base64.b64decode(array.text or "")
        (size,) = struct.unpack_from("<Q", raw)
        values = np.frombuffer(raw, np.dtype(names[array.attrib["type"]]).newbyteorder("<"), offset=8)
        if values.nbytes != size or values.size != int(np.prod(shape)):
            raise ValueError(f"{array.attrib['Name']} has {values.size} values; wanted {shape}")
        fields[array.attrib["Name"]] = values.reshape(shape)
    return ImageData(fields, _three(grid.attrib["Spacing"]), _three(grid.attrib["Origin"]))


def _encoded(values: NDArray[Any]) -> str:
    raw = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return base64.b64encode(struct.pack("<Q", len(raw)) + raw).decode()


def _three(text: str) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in text.split())
    return x, y, z
