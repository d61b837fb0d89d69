"""The conformance suite: every test that names a kernel runs once for each body of it that this machine has.

A test asks for a kernel by an argument of its name and gets a function that takes what the body takes. Native bodies
run once for each instruction set, or for that of FWDAD_ISA alone. What they are given to write into is poisoned first.

CUDA bodies run as "cuda-host", on the host (tests/cuda), and under `pytest -m gpu` as "cuda-device".
"""

import functools
import math
import os
import runpy
import sys
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from fwdad.kernels import KERNELS, Stream, dispatch, info, memory

sys.path.insert(0, str(Path(__file__).parent))  # for layers.py


def runnable(isa):
    try:
        dispatch.native.select_isa(isa)
    except ValueError:
        return False
    return True


def body_params(kernel):
    marks = {
        isa: [] if runnable(isa) else [pytest.mark.skip(reason=f"this processor lacks the instruction set {isa}")]
        for isa in ([os.environ["FWDAD_ISA"]] if os.environ.get("FWDAD_ISA") else info()["isas"])
    }
    native = [pytest.param(f"native-{isa}", marks=mark) for isa, mark in marks.items()]
    if "FWDAD_TEST_NATIVE" in os.environ:  # a sanitizer's build, of the native module alone
        return native
    cuda = ["cuda-host", pytest.param("cuda-device", marks=pytest.mark.gpu)] if "cuda" in kernel.bodies else []
    return ["reference", *native, *cuda]


CHOSEN = info()["isa"]
BODIES = {name: body_params(kernel) for name, kernel in KERNELS.items()}
if dispatch.native is not None:
    dispatch.native.select_isa(CHOSEN)


def poisoned(shape, dtype=np.float64, order="C"):  # np.pad gives an order, and needs none
    array = np.zeros(shape, dtype)
    array.view(np.uint8 if array.ndim else array.dtype).fill(0xFF)  # NaN, or -1
    return array


@contextmanager
def running(label, request, monkeypatch):
    """Choose a body; gives the function that makes one of the body's arrays one of NumPy's arrays."""
    name, _, isa = label.partition("-")
    if name == "cuda":
        cupy = request.getfixturevalue("cuda_on_host" if isa == "host" else "cuda_device")
        yield partial(request.getfixturevalue("on_device"), cupy)
        return
    if name == "native":
        monkeypatch.setattr(np, "empty", poisoned)
        monkeypatch.setattr(memory, "LARGE", math.inf)  # all results are from np.empty
        dispatch.native.select_isa(isa)
    yield lambda function: function
    if name == "native":
        dispatch.native.select_isa(CHOSEN)


@pytest.fixture(scope="session", autouse=True)
def streams_made_once():
    """Make the entries of a stream, which take the reference most of its time, once for all bodies and tests."""

    @functools.lru_cache(maxsize=256)
    def made(stream):
        entries = made_each_time(stream)
        entries.flags.writeable = False
        return entries

    module = sys.modules["fwdad.kernels.generate"]
    made_each_time = module.generate_reference
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "generate_reference", made)
        patch.setitem(KERNELS["generate"].bodies, "reference", made)
        yield


def kernel_fixture(kernel):
    @pytest.fixture(name=kernel.name, params=BODIES[kernel.name])
    def fixture(request, monkeypatch):
        with running(request.param, request, monkeypatch) as wrapped:
            yield wrapped(kernel.bodies[request.param.partition("-")[0]])

    return fixture


for _kernel in KERNELS.values():
    globals()[_kernel.name] = kernel_fixture(_kernel)


def kernel_and_body(kernel, body):
    label, marks = (body, ()) if isinstance(body, str) else (body.values[0], body.marks)
    return pytest.param((kernel, label), marks=marks, id=f"{kernel.name}-{label}")


def public_function(name):
    return getattr(import_module(f"fwdad.kernels.{name}"), name)


@functools.cache
def test_file(name):
    return runpy.run_path(str(Path(__file__).with_name(f"test_{name}.py")))


@pytest.fixture(scope="session")
def examples():
    """A function that gives a kernel's examples, the arguments of its public function: those of test_NAME.py."""
    return lambda name, dtype: list(test_file(name)["examples"](np.dtype(dtype)))


@pytest.fixture
def reference(monkeypatch):
    """A function that calls the public function of a kernel, by name, with the reference as its body."""

    def call(name, *arguments):
        with monkeypatch.context() as patch:
            patch.setitem(KERNELS[name].__dict__, "best", KERNELS[name].bodies["reference"])
            return public_function(name)(*arguments)

    return call


@pytest.fixture(params=[kernel_and_body(kernel, body) for kernel in KERNELS.values() for body in BODIES[kernel.name]])
def public(request, monkeypatch):
    """Every kernel's row, public function, and the name of the body that it calls."""
    kernel, label = request.param
    body = label.partition("-")[0]
    if body != "cuda":
        monkeypatch.setitem(kernel.__dict__, "best", kernel.bodies[body])
    with running(label, request, monkeypatch) as wrapped:
        yield kernel, wrapped(public_function(kernel.name)), label


@pytest.fixture
def fused(request):
    """Whether the body that runs multiplies and adds with one rounding."""
    return "native-v2" not in request.node.callspec.id


@pytest.fixture
def dense64(request):
    """A function that gives directions as a float64 array: a stream's entries as the body under test makes them.

    test_generate.py checks that these are right; without fused multiply-add they differ in their last bits.
    """
    make = KERNELS["generate"].bodies["native" if "native" in request.node.callspec.id else "reference"]
    return lambda v: (make(v) if isinstance(v, Stream) else v).astype(np.float64)


def _assert_within(actual, truth, bound):
    actual, truth, bound = np.broadcast_arrays(actual, truth, bound)
    assert np.isfinite(truth).all(), "the truth itself is not finite"
    assert np.isfinite(actual).all(), "not finite"
    error = np.abs(actual.astype(np.float64) - truth)
    excess = ~(error <= bound)
    worst = np.unravel_index(np.argmax(error - bound), error.shape) if error.size else None
    assert not excess.any(), (
        f"{excess.sum()} of {error.size} beyond the bound; at {worst}: {actual[worst]!r}, "
        f"truth {truth[worst]!r}, bound {bound[worst]:.3g}"
    )


@pytest.fixture(scope="session")
def assert_within():
    """A check that every entry is finite and within `bound` of the truth, entry by entry."""
    return _assert_within


@pytest.fixture(scope="session")
def layouts():
    """A function that gives equal arrays of every memory layout: [(name, array), ...]."""

    def make(array):
        every_third = poisoned([3 * n + 1 for n in array.shape], array.dtype)[
            tuple(slice(1, None, 3) for _ in array.shape)
        ]
        reversed_axes = tuple(slice(None, None, -1) for _ in array.shape)
        backwards = np.ascontiguousarray(array[reversed_axes])[reversed_axes]
        shifted = poisoned(array.size + 1, array.dtype)[1:].reshape(array.shape)
        every_third[...] = shifted[...] = array
        yield from (
            ("C", np.ascontiguousarray(array)),
            ("Fortran", np.asfortranarray(array)),
            ("every third", every_third),
            ("backwards", backwards),
            ("one entry off a cache line", shifted),
        )

    return make


@pytest.fixture
def check_layer(dense64, assert_within):
    """A check of a layer's body against its reference in float64, within what sums of this length may be off.

    A sum of n products, in any order, is off by at most n u times the sum of their sizes (N. J. Higham, "Accuracy and
    Stability of Numerical Algorithms", 2002, section 3.1), u being half the dtype's epsilon. From there the errors go
    through act (slope <= 1.2) and act' (slope <= 1), which add a few u of their own.
    """

    def check(body, reference, arguments, activation):
        (x, w, *_), rest = arguments[:6], (*arguments[6:], activation)
        answer = body(*arguments[:6], *rest)
        y, dy = answer[:2]
        exact = [None if a is None else dense64(a) for a in arguments[:6]]
        sizes = [None if a is None else np.abs(a) for a in exact]
        linear = (*rest[:-1], "identity")
        y_true, dy_true = reference(*exact, *rest)
        assert y.dtype == x.dtype
        assert y.flags.c_contiguous

        unit = np.finfo(x.dtype).eps / (2 if x.dtype == np.float32 else 1)  # in float64 the truth rounds as well
        length = math.prod(w.shape[:-1]) + 2
        z_true, _ = reference(*exact[:3], None, None, None, *linear)
        size_z, size_dz = reference(*sizes, *linear)
        error_z = length * unit * size_z
        assert_within(y, y_true, 1.2 * error_z + 8 * unit * (np.abs(y_true) + np.abs(z_true)))
        if dy_true is None:
            assert dy is None
            return answer
        assert dy.dtype == x.dtype
        assert dy.flags.c_contiguous
        _, dz_true = reference(*exact, *linear)
        error_slope = np.where(np.abs(z_true) <= error_z, 1, 0) if activation == "relu" else error_z + 8 * unit
        if activation == "identity":
            error_slope = 0
        error_dz = 2 * length * unit * size_dz
        assert_within(dy, dy_true, 1.2 * error_dz + error_slope * np.abs(dz_true) + 2 * unit * np.abs(dy_true))
        return answer

    return check
