"""What went in must come out: random faults and crashes, and a checker that knows what was sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.messages import ScanEnded, ScanStarted
from streamer.archive import FRAMES

FRAMES_SENT = 8
fates = st.sampled_from(["once", "once", "once", "dropped", "twice", "truncated", "damaged then whole"])


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """What happens, in order: (kind, frame)."""
    events: list[tuple[str, int]] = []
    for index, fate in enumerate(draw(st.lists(fates, min_size=FRAMES_SENT, max_size=FRAMES_SENT))):
        kinds = {
            "once": ["frame"],
            "dropped": [],
            "twice": ["frame", "frame"],
            "truncated": ["truncated"],
            "damaged then whole": ["damaged", "frame"],
        }[fate]
        events += [(kind, index) for kind in kinds]
    events = draw(st.permutations(events)) if draw(st.booleans()) else events
    for kind in draw(st.lists(st.sampled_from(["garbage", "crash", "end", "foreign", "start", "wait"]), max_size=5)):
        events.insert(draw(st.integers(0, len(events))), (kind, 0))
    return [("start", 0), *events] if draw(st.booleans()) else events


def damaged(image: bytes) -> bytes:
    """An image whose payload LZ4 cannot decode, though every length in it is right."""
    place = image.index(b"bslz4") + 25  # behind the header and the length of the first block
    return image[:place] + b"\xff" * 60 + image[place + 60 :]


@given(histories(), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_went_in_comes_out(
    bench: Callable[..., Any], series: Callable[..., Any], history: list[tuple[str, int]], start_at_last: bool
) -> None:
    """Whatever is dropped, doubled, damaged, disordered or interrupted by a crash: every good frame is published just
    once and archived, every other one is listed as missing, and the scan is complete when nothing is.
    """
    one, sent = bench(), series("A", frames=FRAMES_SENT, shape=(24, 20))
    foreign = series("B", frames=2, shape=(24, 20))
    history = [*history, ("start", 0)] if start_at_last else history
    good = {index for kind, index in history if kind == "frame"}
    for kind, index in history:
        if kind == "crash":
            one.crash()
        elif kind == "wait":
            one.wait(5.0)
        else:
            one.send(
                {
                    "frame": sent.images[index],
                    "truncated": sent.images[index][:-7],
                    "damaged": damaged(sent.images[index]),
                    "garbage": b"\xd9\xd9\xf7garbage",
                    "end": sent.end,
                    "foreign": foreign.end,
                    "start": sent.start,
                }[kind]
            )
    one.wait(30.1)
    started = any(kind == "start" for kind, _ in history)
    state = one.heard_by(one.stream.subscriber()).about("A")
    announced = state.of(ScanStarted)
    if not announced:
        assert not good
        assert not started
        one.close()
        return
    frames = state.frames(revision=max(message.window_revision for message in announced))
    assert sent.is_in(frames, sorted(good))
    end = state.of(ScanEnded)[-1]
    length = FRAMES_SENT if started else max(frames, default=-1) + 1
    assert list(end.missing) == [index for index in range(length) if index not in frames]
    assert (end.status == "complete") == (started and not end.missing)
    results = one.archived()
    assert [result.fault for result in results][-1:] in ([""], [])
    with h5py.File(end.archive) as file:
        stack = file[FRAMES] if FRAMES in file else np.empty(0)
        assert all(np.array_equal(stack[index], frames[index]) for index in frames)
    one.close()
