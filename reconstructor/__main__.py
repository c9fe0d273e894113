"""`python -m reconstructor` is `bragglive reconstructor` (and `python -m reconstructor score`)."""

import sys

from reconstructor.commands import app

if __name__ == "__main__":
    # As a service it is started without naming the command.
    known = sys.argv[1:2] in (["reconstructor"], ["score"], ["playback"])
    app(args=sys.argv[1:] if known else ["reconstructor", *sys.argv[1:]], prog_name="python -m reconstructor")
