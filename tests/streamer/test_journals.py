"""The folder of journals: one streamer at a time, harmless names, nothing deleted that is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.journal import Journal
from streamer.journals import Journals, stem


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".", "..", "ünïcode", "x" * 200, "a b\tc", "-rf"])
def test_a_scan_of_any_name_has_a_file_inside_the_folder(tmp_path: Path, name: str) -> None:
    """A name that came from outside cannot lead out of the folder, and can be opened again."""
    journals = Journals(tmp_path)
    path = journals.path(name)
    assert path.parent == tmp_path
    Journal.create(path).close()
    assert journals.scans() == [path]


def test_different_scans_have_different_files() -> None:
    """Names that look alike when made harmless are kept apart."""
    assert len({stem(name) for name in ("a/b", "a_b", "a b", "a:b", "x" * 100, "x" * 101)}) == 6


def test_two_streamers_cannot_share_a_folder(tmp_path: Path) -> None:
    """The second is refused in words, until the first gives the folder back."""
    first, second = Journals(tmp_path / "journal"), Journals(tmp_path / "journal")
    first.lock()
    with pytest.raises(OSError, match="in use by another streamer"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_set_aside_keeps_every_file_of_a_journal(tmp_path: Path) -> None:
    """A damaged journal keeps its write-ahead log, and a second one of the same name does not overwrite it."""
    journals = Journals(tmp_path)
    for _ in range(2):
        (tmp_path / "scan.sqlite").write_text("damaged")
        (tmp_path / "scan.sqlite-wal").write_text("log")
        journals.set_aside(tmp_path / "scan.sqlite")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "scan.sqlite.damaged-1",
        "scan.sqlite.damaged-1-wal",
        "scan.sqlite.damaged-2",
        "scan.sqlite.damaged-2-wal",
    ]
    assert journals.scans() == []


def test_unreadable_holds_are_set_aside(tmp_path: Path) -> None:
    """A damaged journal of holds costs the holds, not the service."""
    (tmp_path / "holds.sqlite").write_bytes(b"\x00" * 4096)
    journals = Journals(tmp_path)
    assert journals.holds().count() == 0
    assert (tmp_path / "holds.sqlite.damaged-1").exists()


def test_the_size_is_that_of_the_files(tmp_path: Path) -> None:
    """Bytes used, scans kept and room left are told."""
    journals = Journals(tmp_path)
    Journal.create(journals.path("a")).close()
    journals.holds().close()
    size = journals.size()
    assert size.scans == 1
    assert size.journal_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size.free_bytes > 0
