"""The life of every service: open, step until told to stop, close; health pages, ready file, exit code."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from contract.health import Health, serve_health
from contract.logs import open_log
from contract.settings import ServiceSettings
from contract.signals import Signals
from contract.telemetry import Telemetry

STEP_S = 0.2
CLOSE_WITHIN_S = 1.8
FAULT = 1


class Service(Protocol):
    """What `run` runs. It is called from the main thread only."""

    def open(self) -> None:
        """Open sockets and files. What it raises ends the program with a clear line."""

    def step(self, timeout_s: float) -> None:
        """Do what there is to do; wait for at most `timeout_s` when there is nothing."""

    def close(self) -> None:
        """Stop receiving, bring what was received to safety, let go of everything: within 2 s.

        Called once if `open` succeeded, also after a fault.
        """

    def ready(self) -> bool:
        """Whether sockets are bound and work can begin."""
        ...


@runtime_checkable
class Addressed(Protocol):
    """A service that others connect to."""

    def addresses(self) -> Mapping[str, str]:
        """Names and addresses really bound, e.g. {"live": …, "control": …}; written to the ready file."""
        ...


def run(
    service: Service, settings: ServiceSettings, telemetry: Telemetry, close_within_s: float = CLOSE_WITHIN_S
) -> int:
    """Run `service` until SIGTERM or SIGINT; the exit code: 0, or 1 after a fault, which is logged in one line.

    After the first signal the service has 2 s (`close_within_s`) to finish its step and to close, then the process is
    ended (exit code 1, or 0 if it was still opening); a second signal ends it at once (128 + its number).
    """
    readable = open_log(settings.log_level, settings.log_format)
    health = Health(settings.stalled_after_s, time.monotonic)
    try:
        with Signals(close_within_s) as signals:
            try:
                with serve_health(settings.metrics_host, settings.metrics_port, health, telemetry) as port:
                    signals.expendable = True
                    service.open()
                    signals.expendable = False
                    telemetry.log.info("service opened", metrics_port=port, process=os.getpid())
                    try:
                        _loop(service, settings, health, signals, port)
                    except Exception as fault:
                        _close_after(fault, service, telemetry)
                        raise
                    service.close()
            finally:
                if settings.ready_file is not None:
                    settings.ready_file.unlink(missing_ok=True)
    except Exception as fault:
        detail = fault if settings.log_level == "debug" or not readable else None
        telemetry.log.error("service failed", fault=_line(fault), exc_info=detail)
        return FAULT
    telemetry.log.info("service stopped")
    return 0


def _loop(service: Service, settings: ServiceSettings, health: Health, signals: Signals, port: int) -> None:
    announced = settings.ready_file is None
    while not signals.stop:
        health.tick(service.ready())
        if health.ready and not announced and settings.ready_file is not None:
            announce(settings.ready_file, service, port)
            announced = True
        service.step(STEP_S)


def _close_after(fault: Exception, service: Service, telemetry: Telemetry) -> None:
    """Close after a fault, which is what the program ends with even if closing fails too."""
    try:
        service.close()
    except Exception as second:
        telemetry.log.error("closing failed too", fault=_line(second), after=_line(fault), exc_info=second)


def announce(path: Path, service: Service, metrics_port: int) -> None:
    """Tell others where the service can be reached: {addresses, metrics_port, pid}, all or nothing."""
    addresses = dict(service.addresses()) if isinstance(service, Addressed) else {}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"addresses": addresses, "metrics_port": metrics_port, "pid": os.getpid()}))
    temporary.replace(path)


def _line(fault: Exception) -> str:
    text = " ".join(str(fault).split())
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__
