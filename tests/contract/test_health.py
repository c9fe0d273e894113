"""Whether the loop goes round, told over HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from contract.health import Health, serve_health
from contract.telemetry import Telemetry


def test_a_loop_that_comes_round_is_alive() -> None:
    """Time without a tick is what counts, from the start on."""
    now_s = [100.0]
    health = Health(2.0, lambda: now_s[0])
    assert health.alive() == (True, "ok, the loop came round 0.0 s ago")
    now_s[0] = 102.5
    assert health.alive() == (False, "the loop has not come round for 2.5 s, wanted < 2 s")
    health.tick(ready=True)
    assert health.alive()[0]
    assert health.ready


def test_a_service_is_not_ready_before_it_says_so() -> None:
    """/readyz follows the service, and the server ends with its block."""
    health = Health(60.0, lambda: 0.0)
    with serve_health("127.0.0.1", 0, health, Telemetry("test")) as port:
        url = f"http://127.0.0.1:{port}/readyz"
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(url, timeout=5.0)
        health.tick(ready=True)
        with urllib.request.urlopen(url, timeout=5.0) as reply:
            assert reply.read() == b"ready\n"
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=5.0)
