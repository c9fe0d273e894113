"""The CUDA source as a library of this processor."""

from __future__ import annotations

import ctypes
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

OUTCOMES = ("", "unknown kernel", "wrong number of arguments", "argument of the wrong size", "diverged at a barrier")
"""What `launch` returns, by number; see emulated_device.h."""


@cache
def compiled(code: str, options: tuple[str, ...]) -> ctypes.CDLL:
    """The source as a library of this processor."""
    names = re.findall(r"^KERNEL (\w+)\(", code, re.MULTILINE)
    kernels = "#define KERNELS(each) " + " ".join(f"each({name})" for name in names)
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="emulated-cuda-") as made:
        folder = Path(made)
        (folder / "source.cu").write_text(code)
        text = f'#include "emulated_device.h"\n#include "source.cu"\n{kernels}\nEMULATED_LAUNCH(KERNELS)\n'
        (folder / "all.cpp").write_text(text)
        flags = ["-O1", "-shared", "-fPIC", "-U_FORTIFY_SOURCE", *options, f"-I{here}"]
        command = ["g++", *flags, str(folder / "all.cpp"), "-o", str(folder / "all.so")]
        subprocess.run(command, check=True, capture_output=True, text=True)
        library = ctypes.CDLL(str(folder / "all.so"))
    library.launch.argtypes = [
        ctypes.c_char_p,
        *[ctypes.c_uint] * 3,
        *[ctypes.c_void_p] * 2,
        ctypes.c_size_t,
        ctypes.c_int,
    ]
    return library
