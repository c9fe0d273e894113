"""Where log lines go: standard error, as JSON or, on a terminal, as readable text."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog


class StandardError:
    """Standard error as it is when a line is written. A line that it does not take, as when it is a file on a full
    disk, is left out: a program must not end because it cannot say something.
    """

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def open_log(level: str, form: str) -> bool:
    """Have all of structlog write lines of at least `level` to standard error; whether they are readable text.

    `form` is auto, json or text.
    """
    readable = form == "text" or (form == "auto" and sys.stderr.isatty())
    # Without the values of local variables, which can be whole arrays or keys.
    traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    last: list[structlog.typing.Processor]
    if readable:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    else:
        last = [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer(default=str)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, StandardError())),
        cache_logger_on_first_use=False,
    )
    return readable
