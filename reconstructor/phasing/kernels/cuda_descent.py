"""What takes one run at a time on the device: partial coherence, and the walk down the likelihood (`poisson`)."""

from __future__ import annotations

import numpy as np

from reconstructor.phasing import poisson
from reconstructor.phasing.kernels import cuda_memory
from reconstructor.phasing.kernels.cuda import Array, Device
from reconstructor.phasing.kernels.cuda_volumes import Volumes
from reconstructor.phasing.problem import PhasingError


def expected(device: Device, at: Volumes, psf: Array) -> Array:
    """|F|² of the wave (one run) convolved with the psf; in memory that the next call uses again."""
    if at.light is None:
        at.light = device.zeros((2, at.pitch), np.float32)
    light: Array = at.light
    at.by_pairs("intensities", 1, at.wave, light[0], np.int32(at.pairs))
    _convolve(at, light[0], light[1], psf, adjoint=False)
    return light[1]


def _convolve(at: Volumes, volume: Array, out: Array, psf: Array, adjoint: bool) -> None:
    sizes = [np.int32(n) for n in (*at.shape, *psf.shape)]
    at.by_voxels("convolve", 1, volume, out, psf, *sizes, np.int32(adjoint), np.int32(at.pitch))


def descend(device: Device, at: Volumes, slot: int, psf: Array | None, iterations: int) -> None:
    """So many conjugate gradient iterations of one run's object, inside its support; see `poisson.descend`.

    The array expressions are `poisson`'s own. Raises PhasingError where there are no counts, or not enough memory.
    """
    model = at.model
    if model is None:
        raise PhasingError("ML without raw counts; wanted a kernel that was given the problem with its data")
    asked, free = cuda_memory.descent(at.shape), device.free_bytes()
    if asked > free:
        spoken = (
            f"ML takes {cuda_memory.gib(asked)} more of the device's memory, where {cuda_memory.gib(free)} are free"
        )
        raise PhasingError(f"{spoken}; wanted a smaller window, or a device with more memory")
    obj, inside = at.obj(slot), at.inside(slot).view(np.bool_)
    optics = _optics(device, at, psf)

    def work() -> Array:
        return poisson.descend(obj * inside, inside, model, optics, iterations)

    def taken() -> None:
        obj[...] = work()

    device.calculate(taken)


def _optics(device: Device, at: Volumes, psf: Array | None) -> poisson.Optics:
    transform = at.transform(1)
    norm = np.float32(1 / at.voxels)

    def forward(obj: Array) -> Array:
        wave = device.empty(at.shape, np.complex64)
        transform.forward(obj, wave)
        return wave

    def backward(wave: Array) -> Array:
        transform.backward(wave, wave)
        wave *= norm
        return wave

    optics = poisson.Optics(forward, backward)
    if psf is None:
        return optics

    def convolved(volume: Array, adjoint: bool) -> Array:
        out = device.empty(at.shape, np.float32)
        _convolve(at, volume, out, psf, adjoint)
        return out

    return optics._replace(blur=lambda light: convolved(light, False), unblur=lambda weight: convolved(weight, True))
