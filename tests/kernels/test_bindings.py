"""The native modules by themselves: a call that breaks a kernel's contract is refused by name, whatever it breaks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fwdad.kernels import KERNELS, dispatch

ROOT = Path(__file__).resolve().parents[2]
NATIVE = dispatch.native
pytestmark = pytest.mark.skipif(NATIVE is None, reason="fwdad._native was not built")

STREAM = (1, 2, 3, 4, 2, 3, 4, -1, 4)  # k = 2, a matrix of 3 x 4, float32
WINDOW = ((3, 3), (1, 1), (1, 1), (1, 1))


def f32(*shape):
    return np.ones(shape, np.float32)


def f64(*shape):
    return np.ones(shape)


LAYER = [f32(2, 3), f32(3, 4), f32(4), f32(2, 2, 3), STREAM, f32(2, 4), "tanh", f32(2, 4), f32(2, 2, 4)]
CALLS = {
    "generate": [STREAM, f32(2, 3, 4)],
    "affine_jvp": LAYER,
    "affine_jvp_gram": [*LAYER, f64(2, 2)],
    "stream_product": [f32(2, 3), STREAM, f32(2, 2, 4)],
    "matmul": [f32(2, 3, 4), f32(2, 4, 5), f32(2, 3, 5)],
    "conv_jvp": [
        f32(2, 5, 6, 3), f32(27, 4), f32(4), f32(2, 2, 5, 6, 3), f32(2, 27, 4), f32(2, 4), WINDOW, "relu",
        f32(2, 5, 6, 4), f32(2, 2, 5, 6, 4),
    ],
    "activation_jvp": ["gelu", f32(7), f32(3, 7), f32(7), f32(3, 7)],
    "scaled_tangents": [f32(7), f32(3, 7), f32(7), f32(3, 7), f32(3, 7)],
    "axpby": [1.0, f32(7), 2.0, f32(7), f32(7)],
    "outer_update": [f32(2, 3), f32(2, 4), f32(3, 4), f32(3, 4), 0.1, 0.9, f32(3, 4), f32(3, 4)],
    "weighted_rows": [f32(3, 4), f32(2, 3, 4), f32(2, 3)],
    "unit_jvp_thin": [f32(4, 5), f32(2, 4), f32(2, 5), f32(5, 3), f32(2, 3), f32(2, 4)],
    "conv_unit_jvp_thin": [
        f32(27, 4), f32(2, 5, 6, 3), f32(2, 5, 6, 4), f32(5, 6, 4, 3), f32(2, 3), WINDOW, f32(2, 5, 6, 3),
    ],
    "cross_entropy_jvp": [f32(3, 4), np.array([0, -1, 2**62]), f32(2, 3, 4), f32(3), f32(2, 3)],
    "gram": [f32(2, 3, 4), False, f64(3, 2, 2)],
    "projection_coefficients": [f64(2, 3, 3), f64(2, 3), f64(2, 3), np.ones(2, np.int64), f64(2)],
    "combine": [f64(3, 2), f32(2, 3, 4), f32(3, 4)],
    "probe_fma": [3, f32(4), np.ones(1, np.int64)],
    "probe_read": [f32(9), f32(1)],
    "probe_copy": [f32(9), f32(9)],
}  # fmt: skip
OUTPUTS = {"affine_jvp": 2, "affine_jvp_gram": 3, "conv_jvp": 2, "activation_jvp": 2, "cross_entropy_jvp": 2,
           "outer_update": 2, "projection_coefficients": 3, "probe_fma": 2}  # fmt: skip
STRIDED = {
    "affine_jvp",
    "affine_jvp_gram",
    "stream_product",
    "matmul",
    "conv_jvp",
    "unit_jvp_thin",
    "conv_unit_jvp_thin",
}  # inputs may have any strides


def broken_arrays(name, array, is_output):
    yield array.astype(np.complex64)
    yield array.astype(array.dtype.newbyteorder())
    if not name.startswith("probe"):  # which take any size
        yield np.concatenate([array, array])
    yield np.lib.stride_tricks.as_strided(array, (2**40, *array.shape[1:]), (0, *array.strides[1:]), writeable=False)
    misaligned = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    yield misaligned
    if (is_output or name not in STRIDED) and array.size > 1:
        yield np.repeat(array, 2, axis=-1)[..., ::2]
    if is_output:
        readonly = array.copy()
        readonly.flags.writeable = False
        yield readonly


def broken_calls(name):
    good = CALLS[name]
    for j, argument in enumerate(good):
        is_output = j >= len(good) - OUTPUTS.get(name, 1)
        values = ["nothing", object()]
        if isinstance(argument, np.ndarray):
            values += broken_arrays(name, argument, is_output)
        if argument is STREAM:
            values += [STREAM[:8], (*STREAM[:8], 8), (*STREAM[:8], 3)]
            wrong = {0: -1, 1: 2**32, 2: 2**16, 3: 5, 4: 2**40, 5: -1, 6: 2**62, 7: 7}
            values += [(*STREAM[:field], value, *STREAM[field + 1 :]) for field, value in wrong.items()]
        if argument is WINDOW:
            values += [WINDOW[:3], ((3, 2**62), *WINDOW[1:]), (*WINDOW[:3], (1, 0)), (*WINDOW[:3], (3, 3))]
            values += [(*WINDOW[:2], (2**63 - 1, 1), WINDOW[3]), ((2**30, 2**30), *WINDOW[1:])]
        for value in values:
            yield [*good[:j], value, *good[j + 1 :]]
    yield good[:-1]
    yield [*good, None]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_breaks_the_contract_is_refused(name):
    function = getattr(NATIVE, name)
    function(*CALLS[name])
    for arguments in broken_calls(name):
        with pytest.raises((TypeError, ValueError), match=f"^{name}: "):
            function(*arguments)


@pytest.mark.parametrize("name", CALLS)
def test_what_may_not_be_none_is_refused(name):
    parameters = getattr(NATIVE, name).__doc__.partition("(")[2].split(", ")
    for j, parameter in enumerate(parameters[: len(CALLS[name])]):
        arguments = [*CALLS[name][:j], None, *CALLS[name][j + 1 :]]
        if parameter.endswith("None"):
            getattr(NATIVE, name)(*arguments)
        else:
            with pytest.raises((TypeError, ValueError), match=f"^{name}: {parameter.partition(':')[0]}: "):
                getattr(NATIVE, name)(*arguments)


def test_every_kernel_has_a_binding():
    bound = {name for name in dir(NATIVE) if (getattr(NATIVE, name).__doc__ or "").startswith(name)}
    assert bound >= set(KERNELS)  # of those without a row in CALLS, fuzz_bindings.py makes calls from the contract
    assert bound >= set(CALLS)


@pytest.mark.parametrize("n", [0, -1, 1025, 2**40])
def test_threads_are_bounded(n):
    with pytest.raises((TypeError, ValueError)):
        NATIVE.set_num_threads(n)


@pytest.mark.parametrize("shape", [(2**40, 2**40), (0, 2**62), (-1,)])
def test_memory_that_nobody_has_is_refused(shape):
    with pytest.raises(ValueError, match="empty: shape"):
        NATIVE.empty(np.dtype(np.float64), shape)


@pytest.mark.parametrize("dtype", [object, "V0", "S3", "M8[s]"])
def test_memory_is_for_numbers(dtype):
    with pytest.raises(ValueError, match="empty: dtype"):
        NATIVE.empty(np.dtype(dtype), (3,))


def test_the_fuzz_of_the_bindings():
    """A second of it; `ctest --preset asan` runs a minute under the sanitizers."""
    script = ROOT / "tests" / "kernels" / "fuzz_bindings.py"
    command = [sys.executable, *(["-S"] if sys.flags.no_site else []), str(script), "--calls", "500"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("500 calls: ")


@pytest.mark.skipif("FWDAD_TEST_NATIVE" in os.environ, reason="a sanitizer's build, of the native module alone")
@pytest.mark.skipif(
    not (os.environ.get("CXX") or shutil.which("c++")), reason="no C++ compiler, which builds fwdad._cuda for the host"
)
def test_stubs_are_true():
    command = [sys.executable, str(ROOT / "csrc" / "bindings" / "stubs.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
