"""The list of kernels, threads, and the suite's own tools."""

import os
import runpy
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import fwdad
from fwdad.kernels import KERNELS, Kernel, dispatch, get_num_threads, info, set_num_threads


def test_native_bodies_are_built():
    assert info()["isa"] in info()["isas"]
    for name, kernel in KERNELS.items():
        assert kernel.name == name
        assert list(kernel.bodies)[:2] == ["reference", "native"]
        assert kernel.best is kernel.on("cpu") is kernel.bodies["native"]
        assert kernel.computes
        assert kernel.contract


def test_the_page_lists_the_rows():
    path = Path(__file__).parents[2] / "docs" / "kernels.py"
    written = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "<!-- kernels -->\n" in written
    assert runpy.run_path(str(path))["page"](written) == written, "run: python docs/kernels.py"


def test_a_kernel_without_a_body_for_devices_says_so():
    kernel = Kernel("toy", "`2 x`", "x (...) -> (...)", {"reference": abs})
    with pytest.raises(NotImplementedError, match=r"toy: no body for arrays on cuda:0; move them to the cpu with"):
        kernel.on("cuda:0")


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


@pytest.fixture
def results(examples):
    """A function that gives the answers of every kernel to its examples, some of which several threads share."""

    def run():
        for name in KERNELS:
            function = getattr(import_module(f"fwdad.kernels.{name}"), name)
            for arguments in examples(name, np.float32):
                answer = function(*arguments)
                yield name, [a for a in (answer if isinstance(answer, tuple) else (answer,)) if a is not None]

    return lambda: [(name, [a.tobytes() for a in answers]) for name, answers in run()]


def differing(given, expected):
    """The names of the kernels whose answers differ."""
    return [name for (name, answer), (_, wanted) in zip(given, expected, strict=True) if answer != wanted]


def test_same_bits_for_any_number_of_threads(results):
    before = get_num_threads()
    try:
        set_num_threads(1)
        expected = results()
        for n in (2, 3, 5, 8):
            set_num_threads(n)
            assert get_num_threads() == n
            assert differing(results(), expected) == [], f"{n} threads"
    finally:
        set_num_threads(before)


def test_kernels_run_in_several_python_threads(results):
    expected = results()
    failures = []

    def work():
        failures.extend(differing(results(), expected))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_kernels_run_after_a_fork(results):
    expected = results()
    child = os.fork()
    if child == 0:
        os._exit(0 if results() == expected else 1)
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
