"""The CUDA source compiles for real devices, and its kernels need none of what would make them depend on luck."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from reconstructor.phasing.kernels import cuda
from reconstructor.phasing.kernels.cuda_kernel import CudaKernel
from tests.reconstructor.phasing.kernels.emulated_cupy import Emulated
from tests.reconstructor.phasing.kernels.test_fused import crystal

KERNELS = re.findall(r"^KERNEL (\w+)\(", cuda.source(), re.MULTILINE)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_the_source_compiles_for_a_device(architecture: str, tmp_path: Path) -> None:
    """By nvcc, with warnings as errors, to machine code that keeps all in registers."""
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc, NVIDIA's compiler, on the path")
    file = tmp_path / "source.cu"
    file.write_text(cuda.source())
    made = ["nvcc", "-cubin", f"-arch={architecture}", "-Werror=all-warnings", "-Xptxas=-v", *cuda.options()]
    done = subprocess.run([*made, "-o", str(tmp_path / "out"), str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(re.findall("Compiling entry function", done.stderr)) == len(KERNELS)
    assert set(re.findall(r"(\d+) bytes spill stores", done.stderr)) == {"0"}
    registers = [int(found) for found in re.findall(r"Used (\d+) registers", done.stderr)]
    assert max(registers) <= 64  # 65 536 a multiprocessor hold four blocks of 256 threads then


def test_the_order_of_threads_does_not_matter(emulated: Emulated) -> None:
    """Threads and blocks in reverse order give the same bits, object, support and sums: no kernel has a race."""
    amplitude, obj, support = crystal((16, 20, 18))
    kernel, found = CudaKernel(), []
    kernel.load(amplitude)
    for emulated.backwards in (False, True):
        kernel.put(obj, support)
        sums = [kernel.iterate(algorithm, 0.9, 2) for algorithm in ("HIO", "DM", "CF")]
        shrunk = kernel.shrink(1.0, 0.3, (1e-4, 0.7))
        found.append((kernel.obj().tobytes(), kernel.support().tobytes(), sums, shrunk))
    assert found[0] == found[1]


def test_every_kernel_of_the_source_is_used(emulated: Emulated) -> None:
    """A run with all algorithms, a shrinkwrap and partial coherence launches each of them."""
    amplitude, obj, support = crystal((16, 20, 18))
    kernel = CudaKernel()
    kernel.load(amplitude)
    kernel.put(obj, support)
    for algorithm in ("HIO", "DM", "CF"):
        kernel.iterate(algorithm, 0.9, 1)
    kernel.shrink(1.0, 0.3, (1e-4, 0.7))
    kernel.blur(np.full((3, 1, 1), 1 / 3, np.float32))
    kernel.iterate("ER", 0.9, 1)
    assert set(emulated.launches) == set(KERNELS)


def test_a_wrong_argument_is_told_by_the_emulated_device(emulated: Emulated) -> None:
    """The emulated device refuses what a real one would misread: a 64-bit number for a 32-bit one, too few of them."""
    device = cuda.Device()
    wave, slots = device.zeros((1, 8), np.complex64), device.zeros((1,), np.int32)
    with pytest.raises(TypeError, match="gather: argument of the wrong size"):
        device.launch("gather", (1, 1), (wave, wave, slots, np.int64(4)))
    with pytest.raises(TypeError, match="gather: wrong number of arguments"):
        device.launch("gather", (1, 1), (wave, wave, slots))
    with pytest.raises(TypeError, match="a kernel was given int"):
        device.launch("gather", (1, 1), (wave, wave, slots, 4))
    with pytest.raises(RuntimeError, match="a kernel wrote beyond an array"):
        device.launch("gather", (1, 1), (device.zeros((1, 16), np.complex64), wave, slots, np.int32(8)))
