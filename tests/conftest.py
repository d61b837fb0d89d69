"""Fixtures: which rules a test calls; CUDA without a device, by fibers that run the kernels and a stand-in for CuPy."""

import ctypes
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fwdad.dual import RULES
from fwdad.kernels import Stream, device, dispatch


def load_helper(name):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "cuda" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def called_rules(monkeypatch):
    """The functions whose rules the test's own programs call; what a rule calls does not count."""
    called, inside = set(), []

    def watched(function, rule):
        def call(*args, **kwargs):
            if not inside:
                called.add(function)
            inside.append(function)
            try:
                return rule(*args, **kwargs)
            finally:
                inside.pop()

        return call

    for function, rule in dict(RULES).items():
        monkeypatch.setitem(RULES, function, watched(function, rule))
    return called


@pytest.fixture(scope="session")
def cuda_host_module():
    """The CUDA kernels, compiled for the host."""
    builder = load_helper("host_module")
    try:
        return builder.load()
    except builder.NotBuilt as error:
        pytest.skip(f"the CUDA kernels cannot be compiled for the host: {error}")


@pytest.fixture
def cuda_on_host(cuda_host_module, monkeypatch):
    """A CUDA device made of the host's memory and fibers; gives the module that stands in for CuPy."""
    cupy = load_helper("host_cupy")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(dispatch, "cuda", cuda_host_module)
    device.require.cache_clear()
    device.has_cublas.cache_clear()
    cuda_host_module.set_turns(3)  # every block in another order
    yield cupy
    device.require.cache_clear()
    device.has_cublas.cache_clear()
    cupy.check_margins()


@pytest.fixture
def cuda_device():
    """CuPy, where there is a device."""
    device.require.cache_clear()
    return device.require()


def copy_to_device(cupy, array):
    """A copy on the device that has the same strides, and lies as far from an aligned address."""
    low, high = np.lib.array_utils.byte_bounds(array)
    raw = np.empty(0, np.uint8) if array.size == 0 else memory(array, low, high)
    shift = low % 64
    buffer = cupy.empty(shift + len(raw) + 64, np.uint8)
    start = -buffer.__cuda_array_interface__["data"][0] % 64 + shift
    buffer[start : start + len(raw)] = cupy.array(raw)
    offset = start + array.__array_interface__["data"][0] - low
    if hasattr(cupy, "strided"):
        return cupy.strided(buffer, array.shape, array.dtype, offset, array.strides)
    return cupy.ndarray(array.shape, array.dtype, memptr=buffer.data + offset, strides=array.strides)


def memory(array, low, high):
    return np.frombuffer((ctypes.c_uint8 * (high - low)).from_address(low), np.uint8).copy()


@pytest.fixture(scope="session")
def on_device():
    """A function that makes a body for device arrays into one for NumPy's."""

    def wrap(cupy, body):
        def there(value):
            if isinstance(value, Stream):
                return replace(value, device="cuda:0")
            return copy_to_device(cupy, value) if isinstance(value, np.ndarray) else value

        def back(value):
            if isinstance(value, tuple):
                return tuple(map(back, value))
            return value.get() if device.is_device_array(value) else value

        return lambda *arguments: back(body(*map(there, arguments)))

    return wrap
