"""The life of a service as its neighbours see it: ready file, pages, signals, exit codes, one clear line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from contract.service import run
from contract.settings import ServiceSettings
from contract.telemetry import Telemetry
from tests.contract.kiln import Kiln

TIMEOUT_S = 30.0


class Process:
    """A kiln in a process of its own."""

    def __init__(self, behaviour: str, folder: Path, log_format: str = "json") -> None:
        self.ready_file = folder / "ready.json"
        command = [sys.executable, "-m", "tests.contract.kiln", behaviour, str(self.ready_file), log_format]
        self.popen = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ready(self) -> dict[str, Any]:
        """What it announced."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not self.ready_file.exists() and self.popen.poll() is None and time.monotonic() < deadline_s:
            self._wait(0.01)
        announced: dict[str, Any] = json.loads(self.ready_file.read_text())
        return announced

    def end(self) -> tuple[int, list[str]]:
        """Its exit code and its log lines; nothing may go to standard output."""
        out, err = self.popen.communicate(timeout=TIMEOUT_S)
        assert out == ""
        return self.popen.returncode, err.splitlines()

    def get(self, page: str, accept: str = "") -> tuple[int, str, str]:
        """Status, content type and text of a page."""
        url = f"http://127.0.0.1:{self.ready()['metrics_port']}/{page}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5.0) as reply:
                return reply.status, reply.headers["Content-Type"], reply.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, "", refused.read().decode()

    def await_line(self, wanted: str) -> None:
        """Read its lines up to this one."""
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            if line == f"{wanted}\n":
                return
        raise AssertionError(f"it ended without saying {wanted!r}")

    def _wait(self, seconds: float) -> None:
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start a kiln; it does not outlive the test."""
    started: list[Process] = []

    def begin(behaviour: str, log_format: str = "json") -> Process:
        started.append(Process(behaviour, tmp_path, log_format))
        return started[-1]

    yield begin
    for one in started:
        if one.popen.poll() is None:
            one.popen.kill()
            one.popen.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_time(start: Callable[..., Process], number: signal.Signals) -> None:
    """SIGTERM and SIGINT close the service within two seconds, with exit code 0, and the ready file goes."""
    kiln = start("works")
    announced = kiln.ready()
    assert announced["addresses"] == {"live": "tcp://127.0.0.1:1", "control": "tcp://127.0.0.1:2"}
    assert announced["pid"] == kiln.popen.pid
    began_s = time.monotonic()
    kiln.popen.send_signal(number)
    code, lines = kiln.end()
    assert time.monotonic() - began_s < 2.0
    assert code == 0
    assert "kiln closed" in lines
    assert json.loads(lines[-1])["event"] == "service stopped"
    assert not kiln.ready_file.exists()


def test_its_pages(start: Callable[..., Process]) -> None:
    """Metrics in both formats, health, readiness, and a clear answer to anything else."""
    kiln = start("works")
    kiln.ready()
    status, content_type, text = kiln.get("metrics")
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    assert 'bragglive_build_info{service="kiln"' in text
    assert kiln.get("metrics", "application/openmetrics-text")[1].startswith("application/openmetrics-text")
    assert kiln.get("healthz")[0] == 200
    assert kiln.get("readyz") == (200, "text/plain; charset=utf-8", "ready\n")
    assert kiln.get("favicon.ico")[0] == 404


@pytest.mark.parametrize("behaviour", ["stuck", "closes slowly"])
def test_a_service_that_does_not_come_back_is_ended(start: Callable[..., Process], behaviour: str) -> None:
    """When step or close take longer than two seconds after the signal, the process ends all the same, and says so."""
    kiln = start(behaviour)
    kiln.ready()
    began_s = time.monotonic()
    kiln.popen.terminate()
    code, lines = kiln.end()
    assert time.monotonic() - began_s < 2.5
    assert code == 1
    assert "not closed within 1.8 s after SIGTERM" in lines[-1]


def test_a_service_that_opens_slowly_is_stopped_all_the_same(start: Callable[..., Process]) -> None:
    """Nothing is lost when it is told to stop before it has opened: it ends in time and with exit code 0."""
    kiln = start("opens slowly")
    kiln.await_line("kiln opening")
    kiln.popen.terminate()
    began_s = time.monotonic()
    assert kiln.end()[0] == 0
    assert time.monotonic() - began_s < 2.5


def test_a_stuck_loop_fails_its_health_page(start: Callable[..., Process]) -> None:
    """/healthz fails when the loop has not come round for a while, and says for how long."""
    kiln = start("stuck")
    kiln.ready()
    deadline_s = time.monotonic() + TIMEOUT_S
    while kiln.get("healthz")[0] == 200 and time.monotonic() < deadline_s:
        pass
    status, _, text = kiln.get("healthz")
    assert status == 503
    assert "the loop has not come round for" in text


def test_a_second_signal_ends_it_at_once(start: Callable[..., Process]) -> None:
    """Whoever asks twice does not wait for the close."""
    kiln = start("closes slowly")
    kiln.ready()
    kiln.popen.terminate()
    kiln.await_line("kiln closed")
    began_s = time.monotonic()
    kiln.popen.terminate()
    code, _ = kiln.end()
    assert time.monotonic() - began_s < 1.0
    assert code == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("behaviour", "fault"),
    [
        ("open fails", "OSError: cannot listen at tcp://127.0.0.1:5610: Address already in use"),
        ("step fails", "ValueError: the kiln is cold, wanted 900 °C"),
        ("step fails, close too", "ValueError: the kiln is cold, wanted 900 °C"),
    ],
)
def test_a_fault_is_one_clear_line_and_exit_code_1(start: Callable[..., Process], behaviour: str, fault: str) -> None:
    """The last line names the fault that came first; what was opened is closed, what was not is not."""
    kiln = start(behaviour)
    code, lines = kiln.end()
    assert code == 1
    last = json.loads(lines[-1])
    assert (last["event"], last["level"], last["fault"]) == ("service failed", "error", fault)
    assert ("kiln closed" in lines) == (behaviour != "open fails")
    assert not kiln.ready_file.exists()


def test_readable_lines_for_people(start: Callable[..., Process]) -> None:
    """As text, the fault is one line without a traceback."""
    code, lines = start("open fails", "text").end()
    assert code == 1
    assert len(lines) == 1
    assert "cannot listen at tcp://127.0.0.1:5610: Address already in use" in lines[0]


def test_a_metrics_port_in_use_is_named(start: Callable[..., Process], capsys: pytest.CaptureFixture[str]) -> None:
    """The pages' address is checked before the service opens anything."""
    port = start("works").ready()["metrics_port"]
    kiln = Kiln("works")
    try:
        assert run(kiln, ServiceSettings(metrics_port=port, log_format="json"), Telemetry("kiln")) == 1
    finally:
        structlog.reset_defaults()
    assert kiln.steps == 0
    assert f"cannot serve metrics at 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err
