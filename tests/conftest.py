"""Fixtures: a check under every transform; which rules a test calls; CUDA without a device.

For the last, fibers run the kernels, and a module stands in for CuPy.
"""

import ctypes
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fwdad
from fwdad.dual import RULES
from fwdad.kernels import Stream, device, dispatch
from fwdad.testing import check_jvp


def load_helper(name):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "cuda" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def _flat(f, xs):
    """f as a function of one vector to one vector, and that vector."""
    shapes = [np.shape(x) for x in xs]
    stops = np.cumsum([0, *(int(np.prod(s)) for s in shapes)])

    def g(z):
        parts = [np.reshape(z[a:b], s) for a, b, s in zip(stops, stops[1:], shapes, strict=False)]
        leaves = [y for y in fwdad.tree.leaves(f(*parts)) if np.asarray(fwdad.stop_gradient(y)).dtype.kind in "fc"]
        return np.concatenate([np.reshape(y, -1) for y in leaves])

    return g, np.concatenate([np.ravel(x) for x in xs]).astype(float)


@pytest.fixture(scope="session")
def under_every_transform():
    """Check a function's first and second derivatives against differences, under each transform."""

    def check(f, *xs, tolerance=1e-7, step=1e-3):
        check_jvp(f, xs, tolerance=tolerance, step=step)
        g, x = _flat(f, xs)
        v = np.random.default_rng(0).standard_normal(x.shape)
        jacobian, hessian = fwdad.jacfwd(g)(x), fwdad.hessian(g)(x)
        first, second = jacobian @ v, hessian @ v @ v
        h = step / 2
        numeric = (
            8 * (fwdad.jacfwd(g)(x + h * v) - fwdad.jacfwd(g)(x - h * v))
            - (fwdad.jacfwd(g)(x + 2 * h * v) - fwdad.jacfwd(g)(x - 2 * h * v))
        ) / (12 * h)
        y, orders = fwdad.jet(g, (x,), ([v, 0 * v],))
        found = {
            "hessian": (hessian @ v, numeric),
            "jet, the value": (y, g(x)),
            "jet, the first order": (orders[0], first),
            "jet, the second order": (orders[1], second),
            "nested jvp": (fwdad.jvp(lambda x: fwdad.jvp(g, (x,), (v,))[1], (x,), (v,))[1], second),
            "linearize": (fwdad.linearize(g, x)[1](v), first),
            "trace": (fwdad.trace(g, x, tangents=(v,)).dy, first),
            "linearize of a jvp": (fwdad.linearize(lambda x: fwdad.jvp(g, (x,), (v,))[1], x)[1](v), second),
            "sparse_jacfwd": (fwdad.sparse_jacfwd(g)(x).dense(), jacobian),
            "laplacian": (fwdad.laplacian(g)(x), np.trace(hessian, axis1=-2, axis2=-1)),
        }
        for name, (answer, expected) in found.items():
            scale = 1 + np.max(np.abs(expected), initial=0)
            assert np.max(np.abs(answer - expected), initial=0) <= 100 * tolerance * scale, name

    return check


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
