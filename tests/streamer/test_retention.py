"""Which journals go when the disk is short of room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from contract.messages import Confirmed, Scan
from streamer.retention import Retention, Spent, free_bytes

SIZE = 100


class Disk:
    """A disk of 1000 bytes with spent journals of 100 bytes on it, and their archives."""

    def __init__(self, folder: Path, journals: int) -> None:
        self.folder = folder
        self.spent = [Spent(folder / f"{number}.sqlite", folder / f"{number}.h5") for number in range(journals)]
        for one in self.spent:
            one.journal.write_bytes(bytes(SIZE))
            one.archive.touch()

    def free(self, folder: Path) -> int:
        return 1000 - sum(path.stat().st_size for path in folder.glob("*.sqlite"))

    def retention(self, watermark_bytes: int) -> Retention:
        retention = Retention(self.folder, watermark_bytes, self.free)
        for one in self.spent:
            retention.add(one)
        return retention


def test_the_oldest_go_and_no_more_than_must(tmp_path: Path) -> None:
    """As many as the watermark asks for, oldest first; with room enough none."""
    disk = Disk(tmp_path, 6)
    assert disk.retention(400).prune() == []
    retention = disk.retention(600)
    assert retention.prune() == [disk.spent[0].journal, disk.spent[1].journal]
    assert not retention.short
    assert retention.prune() == []


def test_a_journal_whose_archive_is_gone_stays(tmp_path: Path) -> None:
    """When somebody moved the archive away, the journal may be the only copy."""
    disk = Disk(tmp_path, 2)
    disk.spent[0].archive.unlink()
    retention = disk.retention(1000)
    assert retention.prune() == [disk.spent[1].journal]
    assert disk.spent[0].journal.exists()
    assert retention.short


def test_only_archived_and_confirmed_scans_are_spent(bench: Callable[..., Any], series: Callable[..., Any]) -> None:
    """However little room there is, an open, an unverified and an unconfirmed scan keep their journals."""
    one = bench()
    one.free_bytes = 0
    one.send(*series("unconfirmed").messages)
    one.archived()
    (one.folder / "scans").rename(one.folder / "elsewhere")
    (one.folder / "scans").write_text("a file where a folder should be")
    one.send(*series("unverified").messages)
    assert one.archived()[0].fault
    one.tell(Confirmed(scan=Scan("unverified"), revision=1))
    one.send(*series("open").messages[:4])
    assert one.retention.prune() == []
    assert len(one.journals.scans()) == 3


def test_the_room_on_a_real_disk(tmp_path: Path) -> None:
    """What the operating system says is free."""
    assert free_bytes(tmp_path) > 0
