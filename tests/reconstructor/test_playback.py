"""A simulated scan played back from its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft
from typer.testing import CliRunner

from contract.messages import Geometry
from reconstructor import archive
from reconstructor.commands import app
from reconstructor.phasing.notation import parse
from reconstructor.playback import play_back
from tests.reconstructor.archived import kept
from tests.reconstructor.test_scan_file import written
from tests.reconstructor.test_score import truth_file

SIDE = 48
COLD = parse("Sup(every=10, threshold=0.2, sigma=1.5..1) * HIO**60 * ER**20")


@pytest.fixture
def files(played: Callable[..., Any], coarse: Geometry, tmp_path: Path) -> Path:
    """A folder with scan.h5, truth.h5, and last.cxi: the crystal in an earlier hold, strained otherwise."""
    source = played()
    written(
        tmp_path / "scan.h5",
        coarse,
        missing=(),
        **{
            "instrument/detector/data": source.counts,
            "instrument/detector/pixel_mask": None,
            "instrument/detector/flatfield": None,
            "monitor/data": np.ones(SIDE),
            "bragglive/scan": "scan-1",
            "bragglive/angles_deg": 0.01 * np.arange(SIDE),
            "bragglive/window": np.array([0, 0, SIDE, SIDE]),
            "instrument/detector/saturation_value": 1 << 24,
        },
    )
    truth_file(tmp_path / "truth.h5", source.amplitude)
    obj = scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(source.amplitude))).astype(np.complex64)
    support = np.abs(obj) > 0.2 * np.abs(obj).max()
    z = ((np.arange(SIDE) - SIDE // 2) / 6)[:, None, None]
    bent = np.where(support, obj * np.exp(1j * (z * z - 1)), 0).astype(np.complex64)
    archive.write(tmp_path / "last.cxi", kept("scan-0", bent, support, coarse))
    archive.write(tmp_path / "made.cxi", kept("scan-1", obj, support, coarse))
    return tmp_path


def test_a_scan_is_played_back_as_it_grew(files: Path) -> None:
    """Each way is there at each share, a warm run comes nearer the truth than the last hold; a volume is scored."""
    found = play_back(
        files / "scan.h5", files / "truth.h5", files / "last.cxi", [files / "made.cxi"], COLD, 1, shares=(0.3, 0.7)
    )
    assert (found.scan, found.frames, found.peak_frame) == ("scan-1", SIDE, SIDE // 2)
    ways = {(one.way, one.share): one for one in found.ways}
    assert set(ways) == {("last", 0.3), ("last", 0.7), ("warm", 0.7), ("cold", 0.7)}
    assert ways["last", 0.7].overlap < 0.95 < ways["warm", 0.7].overlap
    assert ways["warm", 0.7].residual is not None
    assert ways["last", 0.3].residual is None
    (scored,) = found.published
    assert (scored.revision, scored.complex_overlap) == (3, pytest.approx(1.0, abs=1e-3))


def test_without_a_last_hold_only_volumes_are_scored(files: Path) -> None:
    """There is nothing to begin from, so nothing is played; the command writes what it found as JSON."""
    out = files / "playback.json"
    arguments = ["playback", str(files / "scan.h5"), str(files / "truth.h5"), "--json", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--volume", str(files / "made.cxi")])
    assert result.exit_code == 0, result.output
    assert "provisional 3: complex overlap 1.0000" in result.output
    record = json.loads(out.read_bytes())
    assert (record["ways"], record["peak_frame"], record["published"][0]["revision"]) == ([], SIDE // 2, 3)


def test_a_file_of_another_kind_is_named(files: Path) -> None:
    """A truth where a scan is wanted ends the command with exit code 2 and the file's name."""
    result = CliRunner().invoke(app, ["playback", str(files / "truth.h5"), str(files / "truth.h5")])
    assert result.exit_code == 2
    assert "truth.h5 is no archive of a scan" in result.output
