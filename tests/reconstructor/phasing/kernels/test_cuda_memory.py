"""How much fits: laws of the memory that is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconstructor.phasing.kernels.cuda_memory import BATCH_VOXELS, needed, pitch, room
from reconstructor.phasing.problem import PhasingError

sides = st.integers(8, 600)


@given(st.tuples(sides, sides, sides), st.integers(1, 40), st.integers(2**28, 2**37))
def test_what_is_given_room_fits_and_no_more_would(shape, runs, free) -> None:
    """As many runs as fit, in batches as large as useful and no larger than fit."""
    if needed(shape, 1, 1) > free:
        with pytest.raises(PhasingError, match="wanted a smaller window, or a device with more memory"):
            room(shape, runs, free)
        return
    found = room(shape, runs, free)
    assert 1 <= found.batch <= found.runs <= runs
    assert needed(shape, *found) <= free
    assert found.runs == runs or needed(shape, found.runs + 1, 1) > free
    useful = max(1, min(found.runs, BATCH_VOXELS // pitch(shape)))
    assert found.batch == useful or needed(shape, found.runs, found.batch + 1) > free


def test_the_target_fits_an_h100() -> None:
    """Twenty runs at 256³ take less than 10 GiB of the 80 GB there are, and go two at a time; at 128³ sixteen."""
    assert needed((256, 256, 256), *room((256, 256, 256), 20, 79 * 2**30)) < 10 * 2**30
    assert room((256, 256, 256), 20, 79 * 2**30) == (20, 2)
    assert room((128, 128, 128), 20, 79 * 2**30) == (20, 16)


def test_no_runs_are_refused() -> None:
    """A population has at least one."""
    with pytest.raises(PhasingError, match="0 runs on the device; wanted at least 1"):
        room((64, 64, 64), 0, 2**30)
