"""Scoring against the simulator's truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from reconstructor.phasing.alignment import overlap, twin
from reconstructor.score import TruthError, sampled, true_object
from reconstructor.window import Window3, around


def truth_file(path: Path, amplitude: np.ndarray) -> Path:
    """A truth file with one hold."""
    with h5py.File(path, "w") as file:
        group = file.create_group("holds/0")
        group["amplitude"] = amplitude
        group.attrs.update({"scan": "scan-1", "hold": "IV-4.1", "crystal": "IV", "voltage_v": 4.1})
    return path


def test_the_truth_scores_one_and_its_twin_too(played: Callable[..., Any], tmp_path: Path) -> None:
    """The true object moved, inverted and turned in phase has complex overlap 1 with itself."""
    scan = played()
    path = truth_file(tmp_path / "t.h5", scan.amplitude)
    window = Window3((0, 0, 0), (1, 1, 1), (48, 48, 48))
    hold, obj = true_object(path, window, "scan-1", None)
    assert hold == "IV-4.1"
    moved = np.roll(twin(obj), (3, -4, 5), (0, 1, 2)) * np.complex64(np.exp(1j))
    assert overlap(obj, moved) == pytest.approx(1.0, abs=1e-3)
    assert overlap(obj, np.abs(obj).astype(np.complex64)) < 0.99


def test_a_binned_window_takes_the_middle_of_each_bin() -> None:
    """Bins of three take their second sample, bins of two the mean of both; beyond the truth there is nothing."""
    amplitude = np.arange(12, dtype=np.complex64).reshape(12, 1, 1) * np.ones((1, 2, 2), np.complex64)
    three = sampled(amplitude, Window3((-3, 0, 0), (3, 1, 1), (5, 2, 2)))
    two = sampled(amplitude, Window3((2, 0, 0), (2, 1, 1), (3, 2, 2)))
    assert list(three[:, 0, 0].real) == [0, 1, 4, 7, 10]
    assert list(two[:, 0, 0].real) == [2.5, 4.5, 6.5]


def test_a_recentred_window_changes_the_ramp_only(played: Callable[..., Any], tmp_path: Path) -> None:
    """Windows one pixel apart see the same density."""
    path = truth_file(tmp_path / "t.h5", played().amplitude)
    objs = [true_object(path, around((24, 24, c), (1, 1, 1), (32, 32, 32)), "scan-1", None)[1] for c in (24, 25)]
    assert np.corrcoef(np.abs(objs[0]).ravel(), np.abs(objs[1]).ravel())[0, 1] > 0.98


def test_a_truth_that_is_not_there_is_named(played: Callable[..., Any], tmp_path: Path) -> None:
    """Another scan, another hold, another file: each says what was found."""
    path = truth_file(tmp_path / "t.h5", played().amplitude)
    window = Window3((0, 0, 0), (1, 1, 1), (8, 8, 8))
    with pytest.raises(TruthError, match=r"0 truths of scan x; it knows scan-1 \(IV-4.1\)"):
        true_object(path, window, "x", None)
    with pytest.raises(TruthError, match="no truth"):
        true_object(tmp_path / "absent.h5", window, None, "IV-4.1")
