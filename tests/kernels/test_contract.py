"""The list of kernels, threads, and the suite's own tools."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import fwdad
from fwdad.kernels import (
    KERNELS,
    Stream,
    Window,
    activation_jvp,
    affine_jvp,
    affine_jvp_gram,
    axpby,
    combine,
    conv_jvp,
    cross_entropy_jvp,
    dispatch,
    generate,
    get_num_threads,
    gram,
    info,
    matmul,
    projection_coefficients,
    scaled_tangents,
    set_num_threads,
    stream_product,
    weighted_rows,
)


def test_native_bodies_are_built():
    assert info()["isa"] in info()["isas"]
    for name, kernel in KERNELS.items():
        assert kernel.name == name
        assert list(kernel.bodies) == ["reference", "native", "cuda"]
        assert kernel.best is kernel.on("cpu") is kernel.bodies["native"]
        assert kernel.contract


@pytest.mark.skipif("FWDAD_TEST_NATIVE" not in os.environ, reason="FWDAD_TEST_NATIVE names no module to be tested")
def test_the_module_under_test_is_the_one_that_was_built():
    assert dispatch.native.__file__ == os.environ["FWDAD_TEST_NATIVE"]


def test_helper_rejects_wrong_answers(assert_within):
    truth = np.arange(4.0)
    assert_within(truth + 0.5, truth, 0.5)
    assert_within(np.empty((0, 3)), np.empty((0, 3)), 0)
    wrong = [
        truth + 0.6,
        np.where(truth == 2, np.nan, truth),
        np.where(truth == 2, np.inf, truth),
        truth + (truth == 3),
    ]
    for answer in wrong:
        with pytest.raises(AssertionError):
            assert_within(answer, truth, 0.5)
    with pytest.raises(AssertionError, match="truth itself"):
        assert_within(truth, truth * np.nan, 0.5)
    with pytest.raises(AssertionError):
        assert_within(truth, truth, np.nan)


def results():
    """A result of every kernel, on shapes that several threads share."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((70, 300), (300, 130), (130,)))
    dx, dw = (rng.standard_normal(s).astype(np.float32) for s in ((5, 70, 300), (5, 300, 130)))
    normal = Stream(1, 2, 3, "normal", 5, (300, 130))
    sign = Stream(1, 2, 3, "rademacher", 5, (300, 130))
    vector = Stream(1, 2, 3, "normal", 3, (40000,))
    g = gram(rng.standard_normal((20, 30, 64)), per_row=True)
    yield from affine_jvp(x, w, b, dx, dw, None, "gelu")
    yield from affine_jvp(x, w, b, dx, normal, None, "tanh")
    yield from affine_jvp_gram(x, w, b, dx, normal, None, "tanh")
    yield from affine_jvp(x, w, b, None, sign, None)
    yield stream_product(x, normal)
    yield from (matmul(*pair) for pair in ((x, dw), (dx, w), (dx, dw)))
    images, kernel, moving = (
        rng.standard_normal(s).astype(np.float32) for s in ((40, 6, 6, 70), (3, 3, 70, 60), (5, 40, 6, 6, 70))
    )
    yield from conv_jvp(images, kernel, None, moving, Stream(1, 2, 3, "normal", 5, kernel.shape), None, Window((3, 3)))
    yield from (generate(s) for s in (normal, sign, vector))
    yield from (gram(v, exact=False) for v in (dx, dw, normal, sign, vector))
    yield from (gram(v) for v in (dx, dw, normal, sign, vector))
    yield from (gram(v, per_row=True) for v in (dx, dw, normal, sign))
    yield from (combine(np.arange(5.0), v) for v in (dx, dw, normal, sign))
    yield combine(np.arange(3.0), vector)
    yield from (combine(rng.standard_normal((300, 5)), v) for v in (dw, normal, sign))
    a, b, dy = (rng.standard_normal(s).astype(np.float32) for s in ((70, 300), (70, 300), (5, 70, 300)))
    yield from activation_jvp(x, dx, "tanh")
    yield scaled_tangents(a, dx, b, dy)
    yield axpby(0.9, dw, 0.1, dw)
    yield weighted_rows(a, dx)
    yield from cross_entropy_jvp(x, np.arange(70), dx)
    yield from projection_coefficients(g, rng.standard_normal((30, 20)))


def test_same_bits_for_any_number_of_threads():
    before = get_num_threads()
    try:
        set_num_threads(1)
        expected = [r.tobytes() for r in results()]
        for n in (2, 3, 5, 8):
            set_num_threads(n)
            assert get_num_threads() == n
            for position, (given, wanted) in enumerate(zip(results(), expected, strict=True)):
                assert given.tobytes() == wanted, f"result {position} with {n} threads"
    finally:
        set_num_threads(before)


def test_kernels_run_in_several_python_threads():
    expected = [r.tobytes() for r in results()]
    failures = []

    def work():
        failures.extend(i for i, r in enumerate(results()) if r.tobytes() != expected[i])

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_kernels_run_after_a_fork():
    expected = [r.tobytes() for r in results()]
    child = os.fork()
    if child == 0:
        os._exit(0 if [r.tobytes() for r in results()] == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("n", "error"), [(0, ValueError), (-1, ValueError), (2000, ValueError), (1.0, TypeError), (True, TypeError)]
)
def test_bad_numbers_of_threads(n, error):
    with pytest.raises(error, match="set_num_threads: n: expected"):
        set_num_threads(n)


def run_python(code, **environment):
    site = ["-S"] if sys.flags.no_site else []
    return subprocess.run(
        [sys.executable, *site, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_threads_are_set_at_the_top_level():
    before = fwdad.get_num_threads()
    try:
        fwdad.set_num_threads(before + 1)
        assert fwdad.get_num_threads() == get_num_threads() == info()["threads"] == before + 1
    finally:
        fwdad.set_num_threads(before)


def test_environment_chooses():
    show = "from fwdad.kernels import info; print(info()['isa'], info()['threads'])"
    isa = info()["isas"][0]
    assert run_python(show, FWDAD_ISA=isa, FWDAD_NUM_THREADS="3").stdout.split() == [isa, "3"]
    unknown = run_python(show, FWDAD_ISA="v9")
    assert unknown.returncode == 1
    assert "ValueError: FWDAD_ISA: expected an instruction set that was built" in unknown.stderr
    bad = run_python(show, FWDAD_NUM_THREADS="many")
    assert bad.returncode == 1
    assert "ValueError: FWDAD_NUM_THREADS: expected a whole number from 1 to 1024, given 'many'" in bad.stderr


def test_without_native_kernels_the_references_run():
    code = """
import sys
sys.modules["fwdad._native"] = None
sys.modules["fwdad._cuda"] = None
import fwdad.kernels as k
assert k.info()["isa"] is None and k.info()["cuda"].startswith("not built") and k.get_num_threads() == 1
assert k.generate(k.Stream(1, 0, 0, "normal", 2, (3, 4))).shape == (2, 3, 4)
k.set_num_threads(2)
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
