"""The archive: frames as they came, opened by h5py, silx and nexusformat, missing ones not padded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cbor2
import crc32c
import h5py
import msgspec
import numpy as np
import pytest
from nexusformat.nexus import nxload
from silx.io import get_data
from silx.io import open as silx_open
from silx.io.nxdata import get_default

from contract.messages import Crystal, Geometry, Hold, HoldStarted, Scan
from streamer import archive
from streamer.archive import ArchiveError, Chunk, Received, raw_stack_sha256
from streamer.detectors import dectris_v2
from streamer.detectors.decode_error import DecodeError
from streamer.detectors.records import Frame, SeriesStarted
from streamer.finished import Finished
from streamer.nexus import named
from streamer.open_scan import Identity, OpenScan, Rules
from streamer.rocking_curve import Waits
from streamer.simulator.dectris_v2 import encode_image

HOLD = HoldStarted(hold=Hold("IV-1"), crystal=Crystal("IV"), voltage_v=4.1, planned_s=60.0)


def measured(sent: Any, indices: list[int], images: list[bytes] | None = None) -> tuple[Finished, list[Received]]:
    """A scan of which these frames came, and the frames as they would be read from its journal."""
    start = dectris_v2.read([memoryview(sent.start)])
    assert isinstance(start, SeriesStarted)
    identity = Identity(
        scan=Scan("series-A"), source="test", dialect="dectris-stream-v2", crystal=Crystal("IV"), hold=Hold("IV-1")
    )
    rules = Rules(waits=Waits(30.0, 2.0), block_frames=8, block_s=0.25)
    scan = OpenScan(start, identity, rules, dectris_v2, 0.0)
    frames = []
    for index in indices:
        frame = dectris_v2.read([memoryview((images or sent.images)[index])])
        assert isinstance(frame, Frame)
        counts = scan.unpack(frame)
        assert not isinstance(counts, DecodeError)
        scan.take(frame, counts, 0.0, 0.0)
        frames.append(Received(frame, 1_700_000_000_000_000_000 + index))
    scan.assembly.end(0.0)
    closing = scan.assembly.close(10.0)
    started = scan.started()
    assert closing is not None
    assert started is not None
    curve = scan.assembly.curve()
    finished = Finished(
        started=started,
        ended=scan.ended(closing, ""),
        series=scan.series,
        curve=curve,
        channel=scan.channel,
        angles_deg=tuple(scan.angle_deg(index) for index in range(curve.length)),
        hold=HOLD,
        rocking_axis=scan.series.rocking_axis,
    )
    return finished, frames


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_frames_are_stored_as_they_were_sent(series: Callable[..., Any], tmp_path: Path, dtype: str) -> None:
    """Frames in any order read back equal, the chunks are the bytes received, the sha256 is that of the counts."""
    counts = np.random.default_rng(5).poisson(0.4, (9, 60, 50)).astype(np.uint32)
    sent = series(dtype=dtype, counts=counts)
    finished, frames = measured(sent, [4, 2, 0, 8, 1, 3, 5, 7, 6])
    path = archive.write(tmp_path / "scan.h5", finished, frames)
    with h5py.File(path) as file:
        data = file["entry/data/data"]
        assert data.dtype == np.dtype(dtype)
        assert np.array_equal(data[...], counts)
        payload = cbor2.loads(sent.images[3][3:])["data"]["threshold_1"].value[1].value.value[2]
        assert data.id.read_direct_chunk((3, 0, 0))[1] == payload
    assert raw_stack_sha256(path) == hashlib.sha256(counts.astype("<u4").tobytes()).hexdigest()
    assert [found.name for found in tmp_path.iterdir()] == ["scan.h5"]


def test_silx_and_nexusformat_open_it(series: Callable[..., Any], tmp_path: Path) -> None:
    """Both readers of the field find the default plot, the angles, the energy, the hold and the mask."""
    sent = series()
    path = archive.write(tmp_path / "scan.h5", *measured(sent, list(range(9))))
    with silx_open(str(path)) as file:
        plot = get_default(file)
        assert plot is not None
        assert plot.is_valid
        assert plot.signal.shape == (9, 60, 50)
        assert plot.axes_dataset_names == ["rotation_angle", "row", "column"]
        assert get_data(f"silx:{path}?path=/entry/rocking_curve/total_counts&slice=4") > 5000
    root = nxload(str(path))
    assert root.entry.nxclass == "NXentry"
    assert root.entry.data.nxsignal.shape == (9, 60, 50)
    assert float(root.entry.instrument.beam.incident_energy) == 11.0
    assert root.entry.instrument.beam.incident_energy.attrs["units"] == "keV"
    assert root.entry.sample.rotation_angle.nxvalue == pytest.approx(6.0 + 0.005 * np.arange(9))
    assert str(root.entry.sample.name) == "IV"
    assert float(root.entry.sample.electric_potential) == 4.1
    assert np.array_equal(root.entry.instrument.detector.pixel_mask.nxvalue, sent.mask)


def test_our_own_group_tells_what_no_standard_has_a_place_for(series: Callable[..., Any], tmp_path: Path) -> None:
    """Scan, hold, geometry, window, status and the times of receipt can be read back."""
    finished, frames = measured(series(), list(range(9)))
    path = archive.write(tmp_path / "scan.h5", finished, frames)
    with h5py.File(path) as file:
        ours = file["entry/bragglive"]
        assert ours["scan"].asstr()[()] == "series-A"
        assert ours["hold"].asstr()[()] == "IV-1"
        assert (ours["status"].asstr()[()], ours["missing"].size) == ("complete", 0)
        assert ours["window"][...].tolist() == [0, 0, 60, 50]
        assert ours["received"][2] == pytest.approx(1.7e9)
        assert msgspec.json.decode(ours["geometry"][()], type=Geometry) == finished.started.geometry


def test_missing_frames_are_listed_and_read_as_untrusted(series: Callable[..., Any], tmp_path: Path) -> None:
    """A frame that did not come is not zeros: it reads as the largest value of the dtype, and is listed."""
    path = archive.write(tmp_path / "scan.h5", *measured(series(), [0, 1, 2, 5, 6, 8]))
    with h5py.File(path) as file:
        assert file["entry/bragglive/missing"][...].tolist() == [3, 4, 7]
        assert file["entry/bragglive/status"].asstr()[()] == "incomplete"
        assert (file["entry/data/data"][3] == 65535).all()
        assert np.isnan(file["entry/rocking_curve/total_counts"][3])
        assert np.isfinite(file["entry/sample/rotation_angle"][...]).all()


def test_frames_packed_otherwise_than_the_first_are_kept_too(series: Callable[..., Any], tmp_path: Path) -> None:
    """Some frames uncompressed among compressed ones, and the other way round, read back equal."""
    sent = series()
    plain = [encode_image(sent.description, index, image, compress=False) for index, image in enumerate(sent.counts)]
    for images in (sent.images[:4] + plain[4:], plain[:4] + sent.images[4:]):
        path = archive.write(tmp_path / "scan.h5", *measured(sent, list(range(9)), images))
        with h5py.File(path) as file:
            assert np.array_equal(file[archive.FRAMES][...], sent.counts)


def test_further_thresholds_have_their_own_dataset(series: Callable[..., Any], tmp_path: Path) -> None:
    """A second channel is archived beside the first, so that nothing of the journal is lost when it goes."""
    sent = series(frames=2)
    images = []
    for message in sent.images:
        content = cbor2.loads(message[3:])
        content["data"]["threshold 2"] = content["data"]["threshold_1"]
        images.append(b"\xd9\xd9\xf7" + cbor2.dumps(dict(content)))
    path = archive.write(tmp_path / "scan.h5", *measured(sent, [0, 1], images))
    with h5py.File(path) as file:
        assert np.array_equal(file[f"entry/instrument/detector_{named('threshold 2')}/data"][...], sent.counts)


def test_a_scan_without_frames_has_an_archive_too(series: Callable[..., Any], tmp_path: Path) -> None:
    """A start and an end with nothing between them are kept, and can be opened."""
    path = archive.write(tmp_path / "scan.h5", *measured(series(), []))
    with silx_open(str(path)) as file:
        assert file["entry/bragglive/missing"].size == 9


def test_unknown_angles_are_no_axis(series: Callable[..., Any], tmp_path: Path) -> None:
    """Where angles are not known the plot goes over the frame's number."""
    path = archive.write(tmp_path / "scan.h5", *measured(series(step_deg=0.0), list(range(9))))
    assert nxload(str(path)).entry.data.nxaxes[0].nxname == "frame_index"


def test_what_reads_back_differently_is_no_archive(series: Callable[..., Any], tmp_path: Path) -> None:
    """A chunk whose CRC is not the one it had when it was received is named."""
    path = archive.write(tmp_path / "scan.h5", *measured(series(), list(range(9))))
    with h5py.File(path) as file:
        sound = [Chunk(archive.FRAMES, index, crc32c.crc32c(_chunk(file, index))) for index in range(9)]
    archive.verify(path, sound)
    with pytest.raises(ArchiveError, match="frame 4 of entry/instrument/detector/data is not what was received"):
        archive.verify(path, [*sound[:4], sound[4]._replace(crc32c=0), *sound[5:]])


def test_a_failed_archive_leaves_nothing_behind(series: Callable[..., Any], tmp_path: Path) -> None:
    """When reading the frames fails half way, there is no file, neither under the name nor the temporary one."""
    finished, frames = measured(series(), list(range(9)))

    def broken() -> Iterator[Received]:
        yield frames[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        archive.write(tmp_path / "scan.h5", finished, broken())
    assert list(tmp_path.iterdir()) == []


def _chunk(file: h5py.File, index: int) -> bytes:
    return bytes(file[archive.FRAMES].id.read_direct_chunk((index, 0, 0))[1])
