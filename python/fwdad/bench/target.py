"""The target: main memory or a CUDA device, where a competitor computes, and the clock of either.

A process has one target, which `use` sets before the first task. The suites write their tasks once: inputs go there by
`send`, and answers come back by `on_host` to be checked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.kernels.device import require

QUEUED = 16
"""Calls between two events: a device works them off one after the other, and does not wait for Python in between."""

_name = "cpu"


def use(device: str) -> None:
    """Compute on "cpu", "cuda" or "cuda:N" from now on.

    Raises
    ------
    CudaError
        If that device cannot be used.
    ValueError
        If there is no such name.
    """
    global _name
    _name = kernels.device_of(kernels.to_device(np.zeros(1), device))
    if _name != "cpu":
        require().cuda.Device(int(_name[5:])).use()


def name() -> str:
    """Return the target, "cpu" or "cuda:N"."""
    return _name


def send(array: Any) -> Any:
    """Return the array there; None stays."""
    return None if array is None else kernels.to_device(array, _name)


def generator() -> Any:
    """Return NumPy's random generator, or CuPy's on a device."""
    return np.random.default_rng(0) if _name == "cpu" else require().random.default_rng(0)


def on_host(value: Any) -> Any:
    """Return an answer as an array of NumPy's, whichever library's array it is."""
    for copy in ("get", "cpu"):  # of CuPy, of PyTorch
        value = getattr(value, copy)() if hasattr(value, copy) else value
    return np.asarray(value)


def seconds_of(call: Callable[[], Any]) -> float:
    """Return how long one call takes: by the clock, or on a device by events around several calls."""
    if _name == "cpu":
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    cuda = require().cuda
    begin, end = cuda.Event(), cuda.Event()
    begin.record()
    for _ in range(QUEUED):
        call()
    end.record()
    end.synchronize()
    return float(cuda.get_elapsed_time(begin, end)) / 1e3 / QUEUED
