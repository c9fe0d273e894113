"""A made-up service for the tests of the service loop: `python -m tests.contract.kiln BEHAVIOUR READY_FILE FORMAT`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from contract.service import run
from contract.settings import ServiceSettings
from contract.telemetry import Telemetry


class Kiln:
    """Does what its behaviour says: works, fails at some point, or does not come back."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.steps = 0

    def open(self) -> None:
        if self.behaviour == "open fails":
            raise OSError("cannot listen at tcp://127.0.0.1:5610:\nAddress already in use")

        if self.behaviour == "opens slowly":
            sys.stderr.write("kiln opening\n")
            time.sleep(3600)

    def step(self, timeout_s: float) -> None:
        self.steps += 1
        if self.behaviour.startswith("step fails") and self.steps == 2:
            raise ValueError("the kiln is cold, wanted 900 °C")
        time.sleep(3600 if self.behaviour == "stuck" and self.steps > 3 else timeout_s / 10)

    def close(self) -> None:
        sys.stderr.write("kiln closed\n")
        if self.behaviour == "step fails, close too":
            raise RuntimeError("the door is stuck")
        if self.behaviour == "closes slowly":
            time.sleep(3600)

    def ready(self) -> bool:
        return self.steps > 2

    def addresses(self) -> dict[str, str]:
        return {"live": "tcp://127.0.0.1:1", "control": "tcp://127.0.0.1:2"}


if __name__ == "__main__":
    given = {"ready_file": Path(sys.argv[2]), "log_format": sys.argv[3], "stalled_after_s": 0.3}
    settings = ServiceSettings.model_validate(given)
    sys.exit(run(Kiln(sys.argv[1]), settings, Telemetry("kiln")))
