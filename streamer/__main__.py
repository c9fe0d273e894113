"""`python -m streamer` is `bragglive streamer` (and `python -m streamer hold …`)."""

import sys

from streamer.commands import app

if __name__ == "__main__":
    # As a service it is started without naming the command.
    known = sys.argv[1:2] in (["streamer"], ["hold"])
    app(args=sys.argv[1:] if known else ["streamer", *sys.argv[1:]], prog_name="python -m streamer")
