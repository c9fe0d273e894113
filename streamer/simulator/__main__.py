"""`python -m streamer.simulator simulate|replay …`."""

import os

# Matrix products here are small; the other cores belong to the services that are practised on.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from streamer.simulator.commands import app

app(prog_name="python -m streamer.simulator")
