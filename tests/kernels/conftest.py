"""The conformance suite: every test that names a kernel runs once for each body of it that this machine has.

A test asks for a kernel by an argument of its name and gets a function that takes what the body takes. Native bodies
run once for each instruction set, or for that of FWDAD_ISA alone. What they are given to write into is poisoned first.

CUDA bodies run as "cuda-host", on the host (tests/cuda), and under `pytest -m gpu` as "cuda-device".
"""

import math
import os

import numpy as np
import pytest

from fwdad.kernels import KERNELS, Stream, dispatch, info, memory


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


def poisoned_empty(shape, dtype=np.float64, order="C"):  # np.pad gives an order, and needs none
    array = np.zeros(shape, dtype)
    array.view(np.uint8 if array.ndim else array.dtype).fill(0xFF)  # NaN, or -1
    return array


def kernel_fixture(kernel):
    @pytest.fixture(name=kernel.name, params=BODIES[kernel.name])
    def fixture(request, monkeypatch, on_device):
        name, _, isa = request.param.partition("-")
        body = kernel.bodies[name]
        if name == "cuda":
            body = on_device(request.getfixturevalue("cuda_on_host" if isa == "host" else "cuda_device"), body)
        if name == "native":
            monkeypatch.setattr(np, "empty", poisoned_empty)
            monkeypatch.setattr(memory, "LARGE", math.inf)  # all results are from np.empty
            dispatch.native.select_isa(isa)
        yield body
        if name == "native":
            dispatch.native.select_isa(CHOSEN)

    return fixture


generate = kernel_fixture(KERNELS["generate"])
affine_jvp = kernel_fixture(KERNELS["affine_jvp"])
affine_jvp_gram = kernel_fixture(KERNELS["affine_jvp_gram"])
stream_product = kernel_fixture(KERNELS["stream_product"])
matmul = kernel_fixture(KERNELS["matmul"])
conv_jvp = kernel_fixture(KERNELS["conv_jvp"])
activation_jvp = kernel_fixture(KERNELS["activation_jvp"])
scaled_tangents = kernel_fixture(KERNELS["scaled_tangents"])
axpby = kernel_fixture(KERNELS["axpby"])
weighted_rows = kernel_fixture(KERNELS["weighted_rows"])
cross_entropy_jvp = kernel_fixture(KERNELS["cross_entropy_jvp"])
gram = kernel_fixture(KERNELS["gram"])
projection_coefficients = kernel_fixture(KERNELS["projection_coefficients"])
combine = kernel_fixture(KERNELS["combine"])


@pytest.fixture
def fused(request):
    """Whether the body that runs multiplies and adds with one rounding."""
    return "native-v2" not in request.node.callspec.id


@pytest.fixture
def dense64(request):
    """A function that gives directions as a float64 array: a stream's entries as the body at hand makes them.

    That these are right is the matter of test_generate.py; without fused multiply-add they differ in their last bits.
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
        spread = np.full([3 * n + 1 for n in array.shape], np.nan, array.dtype)
        every_third = spread[tuple(slice(1, None, 3) for _ in array.shape)]
        every_third[...] = array
        reversed_axes = tuple(slice(None, None, -1) for _ in array.shape)
        backwards = np.ascontiguousarray(array[reversed_axes])[reversed_axes]
        shifted = np.full(array.size + 1, np.nan, array.dtype)[1:].reshape(array.shape)
        shifted[...] = array
        yield from (
            ("C", np.ascontiguousarray(array)),
            ("Fortran", np.asfortranarray(array)),
            ("every third", every_third),
            ("backwards", backwards),
            ("one entry off a cache line", shifted),
        )

    return make
