"""Chosen faults, message by message."""

from __future__ import annotations

from streamer.simulator.faults import Faults, Outgoing, damaged


def series(images: int = 5) -> list[Outgoing]:
    data = [Outgoing("image", i, bytes([i]) * 40) for i in range(images)]
    return [Outgoing("start", None, b"start"), *data, Outgoing("end", None, b"end")]


def order(faults: Faults) -> list[int | str]:
    return [m.kind if m.image_id is None else m.image_id for m in damaged(series(), faults)]


def test_without_faults_nothing_changes() -> None:
    """Every message leaves as it came."""
    assert list(damaged(series(), Faults())) == series()


def test_drop_duplicate_and_swap_change_the_order() -> None:
    """A dropped image is gone, a duplicated one comes twice, a swapped one after its successor."""
    faults = Faults(drop=frozenset({0}), duplicate=frozenset({1}), swap=frozenset({2}))
    assert order(faults) == ["start", 1, 1, 3, 2, 4, "end"]


def test_a_swapped_last_image_comes_after_the_end() -> None:
    """The image after the last one is the end message."""
    assert order(Faults(swap=frozenset({4}))) == ["start", 0, 1, 2, 3, "end", 4]


def test_no_end_leaves_the_end_out() -> None:
    """The series stays open, and an image held back for swapping is not lost."""
    assert order(Faults(no_end=True, swap=frozenset({4}))) == ["start", 0, 1, 2, 3, 4]


def test_corrupt_flips_one_bit() -> None:
    """One bit differs, the same one for the same seed, and the length stays."""
    faults = Faults(corrupt=frozenset({3}))
    once, again = (list(damaged(series(), faults, seed=7)) for _ in range(2))
    assert once == again
    before, after = series()[4].data, once[4].data
    assert len(before) == len(after)
    assert sum((a ^ b).bit_count() for a, b in zip(before, after, strict=True)) == 1
    assert [m for m in once if m.image_id != 3] == [m for m in series() if m.image_id != 3]


def test_truncate_keeps_the_first_half() -> None:
    """Half of the message is sent."""
    sent = list(damaged(series(), Faults(truncate=frozenset({2}))))
    assert sent[3].data == series()[3].data[:20]
