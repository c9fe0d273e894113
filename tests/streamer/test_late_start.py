"""A start that comes late, while the disk takes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contract.messages import ScanEnded
from streamer.journal import Journal, JournalError


def full(*arguments: object) -> float:
    raise JournalError("database or disk is full")


@pytest.mark.parametrize("kept", [0, 3])
def test_a_late_start_waits_for_the_disk_and_loses_no_frame(
    bench: Callable[..., Any], series: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """With frames, or the start itself, in memory only, the start is tried again later; then all frames are there."""
    one, sent = bench(unwritten_bytes=1 << 20), series(frames=9)
    one.send(*sent.images[:4])
    with monkeypatch.context() as broken:
        broken.setattr(Journal, "write", full)
        one.send(*sent.images[4 : 4 + kept])
        with pytest.raises(JournalError, match="its late start waits"):
            one.send(sent.start)
        with pytest.raises(JournalError, match="its late start waits"):
            one.send(sent.start)
    one.unwritten.flush(1 << 20)
    one.send(sent.start, *sent.images[4 + kept :], sent.end)
    state = one.heard_by(one.stream.subscriber()).about("series-A")
    assert sent.is_in(state.frames(revision=2), list(range(9)))
    assert state.of(ScanEnded)[-1].status == "complete"
