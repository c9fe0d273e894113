"""Engines in processes of their own, asked one at a time: the asking side of worker.py."""

from __future__ import annotations

import json
import os
import select
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PATIENCE_S = 1800.0


class WorkerFailed(RuntimeError):
    """An engine gave up on a request; the text is its last word."""


@dataclass
class Worker:
    """One engine with one setting; started at the first request, and again after a failure."""

    name: str
    version: str
    python: Path
    script: str
    threads: int
    variant: str
    folder: Path
    """For its files and its log."""
    counts: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def ours(self) -> bool:
        return self.script == "run_bragglive.py"

    def load(self, counts: Path) -> None:
        self.counts = counts
        self.ask({"do": "load", "counts": str(counts)})

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply; raises WorkerFailed, after which the next request goes to a fresh process with the same data."""
        if self.process is None:
            self._start()
            if request["do"] != "load" and self.counts is not None:
                self.ask({"do": "load", "counts": str(self.counts)})
        process = self.process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerFailed(f"{self.name} has no process")
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._failure(process) from None
        answered, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
        line = process.stdout.readline() if answered else b""
        if not line:
            raise self._failure(process)
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _start(self) -> None:
        threads = str(self.threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
        # threads that wait for work must not spin while another engine is being timed
        env = {**os.environ, **dict.fromkeys(names, threads), "OMP_WAIT_POLICY": "PASSIVE"}
        env.pop("PYTHONPATH", None)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.python), str(HERE / self.script), threads, self.variant],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
            )

    def _failure(self, process: subprocess.Popen[bytes]) -> WorkerFailed:
        self.close()
        # the last line at the margin: a traceback ends with the error, whose own text may go on below, indented
        said = [line for line in self._log.read_text(errors="replace").splitlines() if line[:1].strip()]
        return WorkerFailed(f"{self.name}: {said[-1][:200] if said else f'exit code {process.returncode}'}")

    @property
    def _log(self) -> Path:
        return self.folder / f"{Path(self.script).stem}-{self.variant}-{self.threads}.log"
