"""Arrays on a CUDA device: which they are, and how they come and go.

CuPy holds the arrays: its current stream is where kernels run, its memory pool where results and scratch come from. The
kernels are the module `fwdad._cuda`. No driver is asked, and CuPy not imported, before an array goes to a device.
A device is called "cpu", or "cuda:N" for the N-th of the machine.
"""

from __future__ import annotations

import functools
import re
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from fwdad.kernels import dispatch


class CudaError(RuntimeError):
    """A CUDA device was asked for and cannot be used; the message says why and what to do."""


@functools.cache
def require() -> tuple[ModuleType, ModuleType]:
    """CuPy and the extension module, if a device can be used.

    Raises:
        CudaError: the kernels were not built, CuPy is not installed, or the driver has no device.
    """
    kernels = dispatch.cuda
    if kernels is None:
        raise CudaError(f"the CUDA kernels of this fwdad are {dispatch.info()['cuda']}; install nvcc and fwdad again")
    try:
        cupy = import_module("cupy")
    except ImportError as error:
        raise CudaError(
            f"arrays on a CUDA device need CuPy, which cannot be imported ({error}); "
            "install fwdad[cuda12] or fwdad[cuda13], whichever the driver supports"
        ) from error
    try:
        count = kernels.device_count()
    except RuntimeError as error:
        raise CudaError(f"there is no CUDA device to use: {error}") from error
    if count == 0:
        raise CudaError("there is no CUDA device to use: the driver counts none")
    return cupy, kernels


@functools.cache
def has_cublas() -> bool:
    """Whether CuPy can load cuBLAS, which makes its products: of a CUDA toolkit, or of the package nvidia-cublas."""
    try:
        import_module("cupy.cublas")
    except ImportError:
        return False
    return True


def is_device_array(value: Any) -> bool:
    """Whether `value` is a CuPy array; costs nothing in programs that have not imported CuPy."""
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(value, cupy.ndarray)


def device_of(value: Any) -> str:
    """Where an array or a Stream is: "cpu" or "cuda:N".

    >>> import numpy as np
    >>> device_of(np.zeros(3))
    'cpu'
    """
    if type(value) is np.ndarray:
        return "cpu"
    return f"cuda:{value.device.id}" if is_device_array(value) else str(getattr(value, "device", "cpu"))


def to_device(array: Any, device: str) -> Any:
    """The array on a device: itself if it is there, else a copy. "cuda" is CuPy's current device.

    Raises:
        ValueError: no such name of a device.
        CudaError: a CUDA device was asked for and cannot be used.

    >>> import numpy as np
    >>> to_device(np.zeros(2), "cpu")
    array([0., 0.])
    """
    if re.fullmatch(r"cpu|cuda(:\d+)?", device) is None:
        raise ValueError(f'device: expected "cpu", "cuda" or "cuda:N", given {device!r}')
    if device == "cpu":
        return array.get() if is_device_array(array) else array
    cupy, kernels = require()
    number, count = int(device[5:] or cupy.cuda.Device().id), kernels.device_count()
    if number >= count:
        raise CudaError(f"there is no device {device}: the driver counts {count}, from cuda:0 on")
    with cupy.cuda.Device(number):
        return array if device_of(array) == f"cuda:{number}" else cupy.array(array, order="C")
