"""`python -m compose` is `bragglive`."""

from compose.cli import main

main()
