"""Findings as messages: every kind of advice there is can be said, and travels."""

from __future__ import annotations

import typing
from collections.abc import Callable

import numpy as np
import pytest

from contract.codec import decode, encode
from contract.messages import AdviceKind, Scan, ScanStarted
from reconstructor.advice import Findings, advice
from reconstructor.brightness import Brightness
from reconstructor.curve import Curve
from reconstructor.drift import Cause, Drift, Slope
from reconstructor.early import ExpectedEnd, PeakPassed, Saturation, WindowCut
from reconstructor.registration import Registration
from reconstructor.repeated import Evolution
from reconstructor.settled import GoodEnough

SLOPE = Slope((0.1, 0.0), (0.01, 0.01), 20)
ALL = Findings(
    peak=PeakPassed(30, 0.3, 1000.0),
    end=ExpectedEnd(20, 9.7),
    cuts=(WindowCut("last rows", "fringes", 300.0, 0.02),),
    saturation=Saturation(100, 2, (9, 10), 4),
    drift=Drift(SLOPE, None, "drift"),
    brightness=Brightness(0.7, 0.01, 40),
    good_enough=GoodEnough(150, 50, 0.01, 0.4),
    evolution=Evolution(Scan("b"), Registration((0.1, 1.2, 0.0), 0.95, 0.94), 1.1, summed=False),
)


@pytest.fixture
def curve(scan_started: Callable[..., ScanStarted]) -> Curve:
    """A scan without frames."""
    return Curve(scan_started())


def test_every_kind_can_be_said_and_travels(curve: Curve) -> None:
    """One message a kind; what is sent comes out again, with finite numbers and whole sentences."""
    told = advice(curve.reading(), ALL)
    assert {message.kind for message in told} == set(typing.get_args(AdviceKind))
    assert len(told) == len({message.kind for message in told})
    for message in told:
        assert decode([bytes(part) for part in encode(message)]) == message
        assert message.text.endswith(".") or message.text.endswith(").")
        assert all(np.isfinite(value) for _, value in message.numbers)


@pytest.mark.parametrize("cause", typing.get_args(Cause))
def test_only_a_drift_that_may_be_one_warns(curve: Curve, cause: Cause) -> None:
    """What the crystal does by its shape is information; what may be the beamline's is a warning."""
    (told,) = advice(curve.reading(), Findings(drift=Drift(SLOPE, None, cause)))
    assert (told.level == "warning") == (cause in ("drift", "unknown"))
