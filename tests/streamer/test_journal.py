"""The journal: what was appended comes back exactly, what was damaged does not and is named."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.journal import At, Entry, Journal, JournalError, Record

AT = At(wall_ns=1_700_000_000_000_000_000, monotonic_ns=12_345_678_901)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.create(tmp_path / "scan.sqlite")


def filled(path: Path, frames: int = 6) -> bytes:
    """A closed journal of `frames` large frames at `path`; the bytes of each."""
    body = os.urandom(60_000)
    journal = Journal.create(path)
    for index in range(frames):
        journal.write([Record("frame", index, [body], AT)])
    journal.close()
    return body


def frames_of(journal: Journal) -> list[int | None]:
    return [entry.frame for entry in journal.entries("frame")]


def test_messages_come_back_exactly_as_they_were_received(journal: Journal) -> None:
    """Kind, index, both times and every part of a message survive closing and opening."""
    journal.write([Record("start", None, [b"one"], AT)])
    journal.write([Record("frame", 3, [memoryview(b"two"), b"", b"three"], AT)])
    journal.close()
    first, second = Journal.open(journal.path).entries()
    assert first == Entry(1, "start", None, AT, (memoryview(b"one"),))
    assert (second.position, second.kind, second.frame, second.at) == (2, "frame", 3, AT)
    assert [bytes(part) for part in second.parts] == [b"two", b"", b"three"]


def test_entries_can_be_chosen_by_kind(journal: Journal) -> None:
    """Only the kinds that are named are handed out, in order of receipt."""
    for kind in ("frame", "start", "frame", "end"):
        journal.write([Record(kind, None, [b"x"], AT)])
    assert [entry.position for entry in journal.entries("start", "end")] == [2, 4]
    assert journal.count() == 4


def test_facts_survive(journal: Journal) -> None:
    """What was decided about a scan is there after a restart, newest value first."""
    journal.write([], {"closed": {"status": "incomplete"}})
    journal.write([], {"closed": {"status": "complete"}})
    journal.close()
    again = Journal.open(journal.path)
    assert again.get("closed", dict[str, str]) == {"status": "complete"}
    assert again.get("never", str) is None
    with pytest.raises(JournalError, match="Expected `int`, got `object`"):
        again.get("closed", int)


def test_another_thread_reads_while_this_one_writes(journal: Journal) -> None:
    """A read-only journal on the same file sees what is committed and locks nobody out."""
    journal.write([Record("frame", 0, [b"x"], AT)])
    reader = Journal.open(journal.path, read_only=True)
    first = next(reader.entries())
    journal.write([Record("frame", 1, [b"y"], AT)])
    assert first.frame == 0
    assert frames_of(reader) == [0, 1]


def test_a_flipped_bit_costs_one_record(tmp_path: Path) -> None:
    """A record whose CRC does not fit is quarantined and named; its neighbours are handed out."""
    path = tmp_path / "scan.sqlite"
    filled(path)
    with sqlite3.connect(path) as other:
        body = bytearray(other.execute("SELECT body FROM record WHERE position = 3").fetchone()[0])
        body[1000] ^= 1
        other.execute("UPDATE record SET body = ? WHERE position = 3", (bytes(body),))
    other.close()
    journal = Journal.open(path)
    assert frames_of(journal) == [0, 1, 3, 4, 5]
    assert [(damage.position, damage.why[:14]) for damage in journal.damage] == [(3, "its CRC32C is ")]
    journal.close()
    assert "CRC32C" in sqlite3.connect(path).execute("SELECT damaged FROM record WHERE position = 3").fetchone()[0]


def test_a_changed_time_or_index_is_noticed_too(tmp_path: Path) -> None:
    """The CRC covers what stands beside the body."""
    path = tmp_path / "scan.sqlite"
    filled(path, 2)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE record SET frame = 7 WHERE position = 1")
    other.close()
    assert frames_of(Journal.open(path)) == [1]


def test_unreadable_pages_cost_the_records_in_them(tmp_path: Path) -> None:
    """Pages overwritten in the file take some records with them, never the whole journal."""
    path = tmp_path / "scan.sqlite"
    body = filled(path)
    content = bytearray(path.read_bytes())
    place = content.find(body[30_000:30_100], len(content) // 3)
    content[place : place + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    journal = Journal.open(path)
    found = frames_of(journal)
    assert len(found) == 5
    assert len(journal.damage) == 1


def test_a_torn_tail_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    """Half a record at the end of the write-ahead log, as a power cut leaves it, is as if it had never been."""
    path = tmp_path / "scan.sqlite"
    journal = Journal.create(path)
    for index in range(3):
        journal.write([Record("frame", index, [b"x" * 1000], AT)])
    log = path.with_name(path.name + "-wal")
    copy = tmp_path / "torn.sqlite"
    copy.write_bytes(path.read_bytes())
    copy.with_name(copy.name + "-wal").write_bytes(log.read_bytes() + log.read_bytes()[-9000:][:5000])
    assert frames_of(Journal.open(copy)) == [0, 1, 2]


def test_a_killed_writer_loses_nothing_that_append_returned_for(tmp_path: Path) -> None:
    """After kill −9 every message whose append had returned is there."""
    path = tmp_path / "scan.sqlite"
    program = (
        "import sys\nfrom pathlib import Path\nfrom streamer.journal import At, Journal, Record\n"
        "journal = Journal.create(Path(sys.argv[1]))\n"
        "for index in range(100000):\n"
        "    journal.write([Record('frame', index, [bytes(5000)], At.now())])\n"
        "    print(index, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 40:
            break
    writer.send_signal(signal.SIGKILL)
    acknowledged = [int(line) for line in writer.stdout.read().split("\n") if line]
    writer.wait()
    found = frames_of(Journal.open(path))
    assert found == list(range(len(found)))
    assert len(found) > max([40, *acknowledged])


def test_deleting_leaves_no_file(journal: Journal) -> None:
    """A deleted journal takes its write-ahead log with it."""
    journal.write([Record("frame", 0, [b"x"], AT)])
    journal.delete()
    assert list(journal.path.parent.iterdir()) == []


def test_what_is_no_journal_is_refused(tmp_path: Path, journal: Journal) -> None:
    """Foreign files, foreign databases, newer formats and existing names are each named."""
    (tmp_path / "text").write_text("no database at all, but long enough to be looked into" * 20)
    with pytest.raises(JournalError, match="file is not a database"):
        Journal.open(tmp_path / "text")
    sqlite3.connect(tmp_path / "foreign").execute("CREATE TABLE t (x)")
    with pytest.raises(JournalError, match="no journal: its application id is 0"):
        Journal.open(tmp_path / "foreign")
    with pytest.raises(JournalError, match="exists already"):
        Journal.create(journal.path)
    journal._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="format 99, this program reads up to 1"):
        Journal.open(journal.path)
    with pytest.raises(JournalError, match="unable to open"):
        Journal.create(tmp_path / "absent" / "scan.sqlite")


def test_a_write_that_fails_is_a_journal_error(journal: Journal) -> None:
    """What could not be made durable raises, so that it is not taken for accepted."""
    journal._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalError, match="readonly"):
        journal.write([Record("frame", 0, [b"x"], AT)])
