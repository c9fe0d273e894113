"""The archive thread: results come back, faults as words, and closing leaves nothing half done."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamer.archive import ArchiveError, raw_stack_sha256
from streamer.archive_job import Job, carry_out
from streamer.archive_order import packed, unpacked
from streamer.archive_process import write_apart
from streamer.archivist import Archivist
from streamer.detectors.records import Channel
from streamer.journals import Journals
from tests.streamer.conftest import write_here


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


@pytest.fixture
def measured(bench: Callable[..., Any], series: Callable[..., Any], tmp_path: Path) -> Job:
    """An archive that waits to be written."""
    one = bench()
    one.send(*series().messages)
    one.archived()
    return job(one, tmp_path / "out")


def children() -> list[int]:
    """Processes that write archives for this one; not those that are only about to become one."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for tasks in found for pid in tasks.read_text().split()]
    return [pid for pid in pids if b"archive_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def signalled(measured: Job, number: int, stopping: threading.Event, silence_s: float) -> str:
    """The fault of an archive whose process gets a signal as soon as it is there."""
    before = set(children())
    with ThreadPoolExecutor(1) as other:
        writing = other.submit(write_apart, measured, stopping, silence_s)
        while not (new := set(children()) - before):
            assert not writing.done()
        os.kill(new.pop(), number)
        if number == signal.SIGSTOP and silence_s > 10.0:
            stopping.set()
        fault = writing.exception()
    assert isinstance(fault, ArchiveError)
    assert set(children()) == before
    assert not list(measured.target.parent.glob("*"))
    return str(fault)


def test_an_order_says_all_that_an_archive_tells(measured: Job, tmp_path: Path) -> None:
    """A job that went through bytes gives the same archive, but for the masks of channels that are not used."""
    carry_out(measured, lambda: None)
    again = unpacked(packed(measured))._replace(target=tmp_path / "again.h5")
    assert again.finished.curve == measured.finished.curve
    carry_out(again, lambda: None)
    told = [
        subprocess.run([sys.executable, "-c", TOLD, str(path)], capture_output=True, text=True, check=True).stdout
        for path in (measured.target, again.target)
    ]
    assert told[0] == told[1]
    assert "pixel_mask" in told[0]


TOLD = """
import sys, hashlib, h5py, hdf5plugin, numpy as np
def tell(name, node):
    value = hashlib.sha256(np.asarray(node[()]).tobytes()).hexdigest() if isinstance(node, h5py.Dataset) else ""
    if node.dtype.hasobject if value else False:
        value = str(node[()])
    print(name, value, sorted((key, str(one)) for key, one in node.attrs.items()))
h5py.File(sys.argv[1]).visititems(tell)
"""


def test_a_process_that_crashes_is_a_fault_in_words(measured: Job) -> None:
    """The streamer lives on, knows by which signal the process ended, and the next attempt succeeds."""
    measured.target.parent.mkdir()
    fault = signalled(measured, signal.SIGSEGV, threading.Event(), 30.0)
    assert fault.endswith("the process that was to write it was ended by SIGSEGV")
    write_apart(measured, threading.Event())
    assert raw_stack_sha256(measured.target)


def test_a_process_that_hangs_is_ended(measured: Job) -> None:
    """One that says nothing any more is killed, and leaves no part of an archive."""
    measured.target.parent.mkdir()
    assert "said nothing for 0.2 s" in signalled(measured, signal.SIGSTOP, threading.Event(), 0.2)


def test_closing_gives_up_what_is_being_written(measured: Job) -> None:
    """An archive interrupted by closing leaves no file, and its fault says why, though its process hangs."""
    measured.target.parent.mkdir()
    assert "was given up: the service closes" in signalled(measured, signal.SIGSTOP, threading.Event(), 30.0)


def outgrown(measured: Job) -> Job:
    """The job with a mask that nobody would have foreseen: 8 MB that cannot be compressed."""
    series = measured.finished.series
    mask = np.random.default_rng(1).integers(0, 1 << 32, (1000, 2000), np.uint32)
    channels = {measured.finished.channel: Channel(mask=mask)}
    finished = replace(measured.finished, series=replace(series, channels=channels))
    return measured._replace(finished=finished)


def test_a_disk_that_fills_up_under_hdf5_ends_only_its_process(measured: Job, small_disk: Path) -> None:
    """A real file system of 6 MiB, full in the middle of an archive: a fault, no part of a file, later an archive."""
    job = outgrown(measured)._replace(target=small_disk / "a.h5")
    with pytest.raises(ArchiveError) as refused:
        write_apart(job, threading.Event())
    assert "may need" not in str(refused.value)
    assert list(small_disk.iterdir()) == []
    write_apart(job._replace(finished=measured.finished), threading.Event())
    assert raw_stack_sha256(job.target)


def test_a_file_that_may_not_grow_ends_only_its_process(measured: Job) -> None:
    """The same where nobody may mount a disk: the system lets no file grow beyond 6 MiB."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (6 << 20, hard))
    try:
        with pytest.raises(ArchiveError) as refused:
            write_apart(outgrown(measured), threading.Event())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert "may need" not in str(refused.value)
    assert list(measured.target.parent.iterdir()) == []
    write_apart(measured, threading.Event())
    assert raw_stack_sha256(measured.target)


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


def test_an_archive_that_cannot_fit_is_not_begun(
    bench: Callable[..., Any], series: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less room than the journal takes, the result says what is needed and what is free."""
    one = bench()
    one.send(*series().messages)
    one.archived()
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=17))
    archivist = Archivist(write_here)
    archivist.open()
    archivist.submit(job(one, tmp_path))
    (result,) = archivist.wait()
    archivist.close()
    assert result.fault.endswith("bytes, there is room for 17")
