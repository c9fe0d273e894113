"""/metrics, /healthz and /readyz over HTTP, from one thread beside the service's loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from contract.telemetry import Telemetry

REQUEST_TIMEOUT_S = 5.0


class Health:
    """Whether the service's loop goes round, and whether the service is ready."""

    def __init__(self, stalled_after_s: float, now: Callable[[], float]) -> None:
        self.ready = False
        self._stalled_after_s = stalled_after_s
        self._now = now
        self._ticked_s = now()

    def tick(self, ready: bool) -> None:
        """The loop came round."""
        self.ready = ready
        self._ticked_s = self._now()

    def alive(self) -> tuple[bool, str]:
        """Whether the loop came round lately, and one sentence."""
        age_s = self._now() - self._ticked_s
        if age_s > self._stalled_after_s:
            return False, f"the loop has not come round for {age_s:.1f} s, wanted < {self._stalled_after_s:g} s"
        return True, f"ok, the loop came round {age_s:.1f} s ago"


@contextmanager
def serve_health(host: str, port: int, health: Health, telemetry: Telemetry) -> Iterator[int]:
    """Serve the three pages while the block runs; the port really bound. OSError: it cannot be bound."""

    class Pages(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            page = self.path.partition("?")[0]
            if page == "/metrics":
                body, kind = telemetry.exposition(self.headers.get("Accept", ""))
                self._reply(200, body, kind)
            elif page == "/healthz":
                well, text = health.alive()
                self._reply(200 if well else 503, text.encode() + b"\n")
            elif page == "/readyz":
                self._reply(*((200, b"ready\n") if health.ready else (503, b"not ready\n")))
            else:
                self._reply(404, b"no such page; wanted /metrics, /healthz or /readyz\n")

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes every few seconds are not worth a line."""

        def _reply(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    try:
        server = ThreadingHTTPServer((host, port), Pages)
    except OSError as error:
        raise OSError(error.errno, f"cannot serve metrics at {host}:{port}: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="health pages", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
