"""The viewer as a process: starts without services, shows what comes, ends with a picture and exit code 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from matplotlib.image import imread

from contract.stream import Addresses, Publisher, open_publisher
from tests.viewer.campaign import Maker

pytestmark = pytest.mark.window

TIMEOUT_S = 90.0


@pytest.fixture
def publishers(tmp_path: Path) -> Iterator[tuple[Publisher, Publisher]]:
    opened = tuple(
        open_publisher(Addresses("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")) for _ in ("streamer", "reconstructor")
    )
    yield opened[0], opened[1]
    for one in opened:
        one.close()


def start(folder: Path, streamer: Addresses, reconstructor: Addresses, *flags: str) -> subprocess.Popen[bytes]:
    where = ("--streamer-live", streamer.live, "--streamer-control", streamer.control)
    where += ("--reconstructor-live", reconstructor.live, "--reconstructor-control", reconstructor.control)
    rest = ("--metrics-port", "0", "--ready-file", str(folder / "ready.json"), *flags)
    environment = {**os.environ, "NAPARI_CONFIG": str(folder / "napari.yaml")}
    log = (folder / "log").open("wb")
    return subprocess.Popen([sys.executable, "-m", "viewer", *where, *rest], env=environment, stderr=log, stdout=log)


def wait_ready(folder: Path, process: subprocess.Popen[bytes]) -> int:
    """The port of the pages once the window is there."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not (folder / "ready.json").exists():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline_s, "the viewer was not ready in time"
        time.sleep(0.02)  # polls a file of another process; there is nothing to wait on
    return int(json.loads((folder / "ready.json").read_text())["metrics_port"])


def test_it_ends_after_a_refined_volume_with_a_picture(
    tmp_path: Path, publishers: tuple[Publisher, Publisher], make: Maker
) -> None:
    """With --exit-after-refined it shows what is published, writes its window and ends with 0."""
    streamer, reconstructor = publishers
    for message, _ in make.finished_hold(0, 5.0):
        (reconstructor if type(message).__name__ == "Volume" else streamer).publish(message)
    picture = tmp_path / "window.png"
    process = start(
        tmp_path,
        streamer.addresses,
        reconstructor.addresses,
        *("--screenshot", str(picture), "--exit-after-refined", "1"),
    )
    assert process.wait(TIMEOUT_S) == 0, (tmp_path / "log").read_text()
    image = imread(picture)[..., :3]
    assert (np.ptp(image, axis=2) > 0.15)[300:600, 450:850].mean() > 0.05
    green = image[40:80, 10:280].reshape(-1, 3)
    assert np.median(green[:, 1] - green[:, 0]) > 0.3


def test_it_waits_without_services_and_ends_on_sigterm(tmp_path: Path) -> None:
    """Without any service the window opens and waits, serves its pages, and SIGTERM ends it with 0 and a picture."""
    nobody = Addresses(f"ipc://{tmp_path}/live", f"ipc://{tmp_path}/control")
    picture = tmp_path / "window.png"
    process = start(tmp_path, nobody, nobody, "--screenshot", str(picture))
    try:
        port = wait_ready(tmp_path, process)
        for page in ("healthz", "readyz", "metrics"):
            with urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10) as answer:
                assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    blue = imread(picture)[40:80, 10:280, :3].reshape(-1, 3)
    assert np.median(blue[:, 2] - blue[:, 0]) > 0.2
