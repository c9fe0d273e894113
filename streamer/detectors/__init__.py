"""Detector dialects: one file each, bytes in, records out, and no I/O.

A dialect is a module with three functions, so that the rest of the streamer never asks which one it talks to:

- `read(parts)`   the parts of one received message → `SeriesStarted | Frame | SeriesEnded`, checked and still
                  packed: nothing is decompressed and no pixel is copied;
- `agree(frame, series)`  raises unless a frame is what its series' start announced, sizes first;
- `pixels(frame, channel, row0, row1)`  some rows of one channel of a frame, decompressed.

All three raise `DecodeError` and nothing else for whatever bytes they are given.
"""
