"""The reference page says what the code does."""

from __future__ import annotations

import pytest

from contract.codec import kinds
from contract.happened import Happened
from tests.contract.reference import DOCUMENT, blocks, written


@pytest.mark.parametrize("name", sorted(blocks()))
def test_generated_parts_are_up_to_date(name: str) -> None:
    """Fields, units, axes and bytes on the page come from the codec: `python -m tests.contract.reference`."""
    assert written(DOCUMENT.read_text())[name] == blocks()[name]


def test_every_kind_has_its_chapter() -> None:
    """No kind of message is left out of the page."""
    text = DOCUMENT.read_text()
    assert [tag for tag in kinds() if f"### `{tag}`" not in text] == []
    assert Happened.__name__ not in text
