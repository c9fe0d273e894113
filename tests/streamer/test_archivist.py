"""The archive thread: results come back, faults as words, and closing leaves nothing half done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamer import archive
from streamer.archivist import Archivist, Job
from streamer.journals import Journals


def job(one: Any, folder: Path) -> Job:
    """An archive to be written of the scan that was sent to the bench."""
    scan = one.ingest.scans["series-A"]
    return Job(
        scan.finished(), Journals(one.folder / "journal").path("series-A"), "dectris-stream-v2", folder / "a.h5", 7
    )


def test_a_job_gives_its_archive(bench: Callable[..., Any], series: Callable[..., Any], tmp_path: Path) -> None:
    """The result names scan, edition and file, and the file is there."""
    one = bench()
    one.send(*series().messages)
    one.archived()
    archivist = Archivist()
    archivist.open()
    archivist.submit(job(one, tmp_path / "new" / "folder"))
    (result,) = archivist.wait()
    archivist.close()
    assert (result.scan, result.edition, result.fault) == ("series-A", 7, "")
    assert result.target.exists()
    assert archivist.results() == []


def test_closing_gives_up_what_is_being_written(
    bench: Callable[..., Any], series: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive interrupted by closing leaves no file, and its result says why."""
    one = bench()
    one.send(*series().messages)
    one.archived()
    archivist = Archivist()
    archivist.open()
    real = archive.write

    def closing_meanwhile(*arguments: Any) -> Path:
        archivist._stopping.set()
        return real(*arguments)

    monkeypatch.setattr("streamer.archivist.write", closing_meanwhile)
    archivist.submit(job(one, tmp_path / "given up"))
    (result,) = archivist.wait()
    archivist.close()
    assert "was given up: the service closes" in result.fault
    assert list((tmp_path / "given up").iterdir()) == []


def test_a_journal_that_is_gone_is_a_fault_in_words(
    bench: Callable[..., Any], series: Callable[..., Any], tmp_path: Path
) -> None:
    """What cannot be read is told, and the thread goes on with the next job."""
    one = bench()
    one.send(*series().messages)
    one.archived()
    archivist = Archivist()
    archivist.open()
    good = job(one, tmp_path)
    archivist.submit(good._replace(journal=tmp_path / "gone.sqlite"))
    archivist.submit(good)
    faults = [result.fault for result in archivist.wait()]
    archivist.close()
    assert "gone.sqlite: unable to open database file" in faults[0]
    assert faults[1] == ""


LIMITED = """
import resource, sys
from pathlib import Path
from tests.streamer.test_archive import measured
from tests.streamer.conftest import Series
from streamer.archive import ArchiveError, write
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
finished, frames = measured(Series(), list(range(9)))
try:
    write(Path(sys.argv[1]), finished, frames)
except (ArchiveError, OSError) as error:
    print("refused")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(write(Path(sys.argv[1]), finished, frames).exists())
"""


def test_a_disk_that_fills_up_under_an_archive_is_a_fault_in_words(tmp_path: Path) -> None:
    """What HDF5 cannot write, or notices only when it closes the file, ends no service; later it is written."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "a.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.stdout.split() == ["refused", "True"], done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_an_archive_that_cannot_fit_is_not_begun(
    bench: Callable[..., Any], series: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less room than the journal takes, the result says what is needed and what is free."""
    one = bench()
    one.send(*series().messages)
    one.archived()
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=17))
    archivist = Archivist()
    archivist.open()
    archivist.submit(job(one, tmp_path))
    (result,) = archivist.wait()
    archivist.close()
    assert result.fault.endswith("bytes, there is room for 17")
