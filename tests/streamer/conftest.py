"""A small detector series to send: the simulator's real Stream V2 messages of random frames with a peak in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.messages import Geometry
from streamer.simulator.dectris_v2 import Goniometer, SeriesStart, encode_end, encode_image, encode_start

GEOMETRY = Geometry(
    instrument="test bench",
    energy_kev=11.0,
    distance_mm=2900.0,
    pixel_um=(55.0, 55.0),
    sample_axes=("y+",),
    sample_angles_deg=(0.0,),
    rocking_axis=0,
    detector_axes=("y+",),
    detector_angles_deg=(13.7,),
    pixel_directions=("y-", "x+"),
    beam_centre_px=(30.0, 25.0),
)


class Series:
    """One series of `frames` frames: what is sent, and the counts that must come out."""

    def __init__(
        self,
        name: str = "series-A",
        frames: int = 9,
        shape: tuple[int, int] = (60, 50),
        dtype: str = "uint16",
        notes: dict[str, Any] | None = None,
        counts: NDArray[np.uint32] | None = None,
        step_deg: float = 0.005,
    ) -> None:
        self.name = name
        random = np.random.default_rng(len(name) + frames)
        self.counts = random.poisson(0.4, (frames, *shape)).astype(np.uint32) if counts is None else counts
        if counts is None:
            self.counts[frames // 2, shape[0] // 2, shape[1] // 2] = 5000
        self.mask = np.zeros(shape, np.uint32)
        self.mask[3, 4:9] = 1
        ours = {"geometry": msgspec.to_builtins(GEOMETRY)} if notes is None else notes
        self.description = SeriesStart(
            series_id=7,
            series_unique_id=name,
            number_of_images=len(self.counts),
            image_shape=shape,
            image_dtype=dtype,
            energy_kev=11.0,
            pixel_um=(55.0, 55.0),
            distance_mm=2900.0,
            beam_centre_px=(30.0, 25.0),
            frame_time_s=0.1,
            count_time_s=0.09,
            saturation_value=60000,
            goniometer={"omega": Goniometer(start=6.0, increment=step_deg)},
            arm_date="2026-11-23T03:15:00+00:00",
            user_data={"bragglive": ours},
        )
        self.start = encode_start(self.description, self.mask)
        self.images = [encode_image(self.description, index, image) for index, image in enumerate(self.counts)]
        self.end = encode_end(self.description)

    @property
    def messages(self) -> list[bytes]:
        """All of them, as a detector sends them."""
        return [self.start, *self.images, self.end]


@pytest.fixture
def series() -> Callable[..., Series]:
    """Makes a `Series`."""
    return Series
