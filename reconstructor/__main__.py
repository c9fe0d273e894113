"""`python -m reconstructor` is `bragglive reconstructor` (and `python -m reconstructor score`)."""

import os
import sys

# The cores belong to the runs: OpenBLAS's threads beside them make a look at a curve many times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from reconstructor.commands import app

if __name__ == "__main__":
    # As a service it is started without naming the command.
    known = sys.argv[1:2] in (["reconstructor"], ["score"], ["playback"])
    app(args=sys.argv[1:] if known else ["reconstructor", *sys.argv[1:]], prog_name="python -m reconstructor")
