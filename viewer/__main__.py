"""`python -m viewer` is `bragglive viewer` (and `python -m viewer picture`)."""

import sys

from viewer.commands import app

if __name__ == "__main__":
    # As a service it is started without naming the command.
    known = sys.argv[1:2] in (["viewer"], ["picture"])
    app(args=sys.argv[1:] if known else ["viewer", *sys.argv[1:]], prog_name="python -m viewer")
