"""Arrays on a CUDA device: which they are, how they come and go, and where kernels run.

CuPy holds the arrays: its current stream is where kernels are queued, and not waited for; its memory pool is where
results and scratch memory come from. Kernels read arrays by their `__cuda_array_interface__`, without a copy. They are
in the module `fwdad._cuda`. No driver is asked, and CuPy not imported, before an array goes to a device. A device is
called "cpu", or "cuda:N" for the N-th of the machine.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import dispatch


class CudaError(RuntimeError):
    """A CUDA device was asked for and cannot be used; the message says why and what to do."""


@functools.cache
def require() -> ModuleType:
    """Return CuPy, if a device can be used.

    Raises
    ------
    CudaError
        If the kernels were not built, CuPy is not installed, or the driver has no device.
    """
    if dispatch.cuda is None:
        raise CudaError(f"the CUDA kernels of this fwdad are {dispatch.info()['cuda']}; install nvcc and fwdad again")
    try:
        cupy = import_module("cupy")
    except ImportError as error:
        raise CudaError(
            f"arrays on a CUDA device need CuPy, which cannot be imported ({error}); "
            "install fwdad[cuda12] or fwdad[cuda13], whichever the driver supports"
        ) from error
    try:
        count = dispatch.cuda.device_count()
    except RuntimeError as error:
        raise CudaError(f"there is no CUDA device to use: {error}") from error
    if count == 0:
        raise CudaError("there is no CUDA device to use: the driver counts none")
    return cupy


class Launch(NamedTuple):
    """Where a CUDA kernel runs: what its binding takes first."""

    device: int
    stream: int
    allocate: Callable[[int], Any]
    """From bytes to scratch memory."""


@contextmanager
def launch(value: Any) -> Iterator[Launch]:
    """Run kernels where an array or a Stream is; inside, that is CuPy's current device."""
    cupy = require()
    number = int(device_of(value)[5:])
    with cupy.cuda.Device(number):
        yield Launch(number, cupy.cuda.get_current_stream().ptr, lambda size: cupy.empty(size, np.uint8))


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array of unspecified entries on CuPy's current device."""
    array: NDArray[Any] = require().empty(shape, dtype)
    return array


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
    """Return where an array or a Stream is, "cpu" or "cuda:N".

    Examples
    --------
    >>> device_of(np.zeros(3))
    'cpu'
    """
    if type(value) is np.ndarray:
        return "cpu"
    return f"cuda:{value.device.id}" if is_device_array(value) else str(getattr(value, "device", "cpu"))


def to_device(array: Any, device: str) -> Any:
    """Return the array on a device: itself if it is there, else a copy.

    Parameters
    ----------
    array : array
        Of NumPy or CuPy.
    device : str
        "cpu", "cuda:N", or "cuda" for CuPy's current device.

    Returns
    -------
    array
        Of NumPy on "cpu", of CuPy on a device.

    Raises
    ------
    ValueError
        If no device has such a name.
    CudaError
        If a CUDA device was asked for and cannot be used.

    Examples
    --------
    >>> to_device(np.zeros(2), "cpu")
    array([0., 0.])
    """
    if re.fullmatch(r"cpu|cuda(:\d+)?", device) is None:
        raise ValueError(f'device: expected "cpu", "cuda" or "cuda:N", given {device!r}')
    if device == "cpu":
        return array.get() if is_device_array(array) else array
    cupy = require()
    number, count = int(device[5:] or cupy.cuda.Device().id), dispatch.cuda.device_count()
    if number >= count:
        raise CudaError(f"there is no device {device}: the driver counts {count}, from cuda:0 on")
    with cupy.cuda.Device(number):
        return array if device_of(array) == f"cuda:{number}" else cupy.array(array, order="C")
