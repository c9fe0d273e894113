"""Settings of the viewer; flags, BRAGGLIVE_VIEWER_… variables and the TOML table [viewer] set them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from contract.settings import ServiceSettings
from contract.stream_types import Addresses

SECTION = "viewer"


class ViewerSettings(ServiceSettings):
    """Where to listen and what to show."""

    metrics_port: int = Field(default=5632, ge=0, le=65535)
    streamer_live: str = "tcp://127.0.0.1:5610"
    streamer_control: str = "tcp://127.0.0.1:5611"
    reconstructor_live: str = "tcp://127.0.0.1:5620"
    reconstructor_control: str = "tcp://127.0.0.1:5621"
    displacement_limit_a: float | None = Field(default=None, gt=0)
    """Colours of the displacement run from − this to + this, in Å; None: a quarter of d. "Fit colours" changes it."""
    maximum_faces: int = Field(default=100_000, ge=1000)
    """Triangles of the surface at most."""
    screenshot: Path | None = None
    """PNG of the whole window, written at every refined volume and when the viewer ends."""
    exit_after_s: float | None = Field(default=None, gt=0)
    """End after this many seconds."""
    exit_after_refined: int | None = Field(default=None, ge=1)
    """End when refined volumes of this many scans have been shown."""

    @property
    def streamer(self) -> Addresses:
        """The streamer's stream: holds, scans, frames."""
        return Addresses(self.streamer_live, self.streamer_control)

    @property
    def reconstructor(self) -> Addresses:
        """The reconstructor's stream: volumes."""
        return Addresses(self.reconstructor_live, self.reconstructor_control)
