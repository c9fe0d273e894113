"""Names inside the archive: harmless, and different where what they name is different."""

from __future__ import annotations

import re

import pytest

from streamer.nexus import named


@pytest.mark.parametrize("text", ["threshold_1", "a b", "a/b", "../x", "", "ü", "x" * 100])
def test_any_text_becomes_a_name_that_nexus_allows(text: str) -> None:
    """No channel name, wherever it came from, leads out of its group."""
    assert re.fullmatch(r"[A-Za-z0-9_]{1,70}", named(text))


def test_different_texts_have_different_names() -> None:
    """Names that look alike when made harmless are kept apart; harmless ones are kept as they are."""
    assert len({named(text) for text in ("a b", "a/b", "a_b", "a:b")}) == 4
    assert named("threshold_2") == "threshold_2"
