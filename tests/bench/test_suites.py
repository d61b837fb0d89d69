"""Every competitor's answer is checked, and a wrong one is never timed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fwdad import kernels
from fwdad.bench import BenchError, Task, WrongAnswer, plans, target, verified
from fwdad.bench.benchmark import normals
from fwdad.bench.processes import Case, Effort, Worker, campaign, environment
from fwdad.bench.records import goes_backwards
from fwdad.bench.suites import benchmarks, make
from fwdad.bench.suites.projection import cone
from fwdad.bench.task import relative_error, timed
from fwdad.kernels import KERNELS

OURS = [(who, what) for what, row in benchmarks().items() for who in row.tasks if who.startswith(("fwdad", "numpy"))]


def test_every_benchmark_begins_with_ours_and_counts_its_work():
    for what, row in benchmarks().items():
        assert row.name == what
        assert next(iter(row.tasks)) == "fwdad"
        assert set(row.only) <= set(row.tasks)
        for sizes in row.sizes:
            assert set(sizes) == set(row.small)
            assert row.work(**sizes) > (0, 0, 0)


def test_importing_the_benchmarks_imports_no_peer():
    code = "import sys; from fwdad.bench import suites; suites.benchmarks(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, *(["-S"] if sys.flags.no_site else []), "-c", code], check=True)


@pytest.mark.parametrize(("who", "what"), OURS, ids=[f"{who} {what}" for who, what in OURS])
def test_tasks_give_the_right_answer_again_and_again(who, what):
    task = make(who, what, benchmarks()[what].small)
    assert verified(task) <= task.tolerance
    assert len(timed(task, seconds=0.0)) == 3
    verified(task)


ON_DEVICE = [(who.replace("numpy", "cupy"), what) for who, what in OURS if benchmarks()[what].on_cuda]


@pytest.fixture
def on_device(cuda_on_host):
    """Tasks compute on a CUDA device, made of the host's memory."""
    target.use("cuda")
    yield
    target.use("cpu")


@pytest.mark.parametrize(("who", "what"), ON_DEVICE, ids=[f"{who} {what}" for who, what in ON_DEVICE])
def test_the_same_on_a_device(on_device, monkeypatch, who, what):
    monkeypatch.setattr(target, "QUEUED", 1)
    sizes = benchmarks()[what].small | ({"n": 2**16} if (who, what) == ("fwdad", "normals") else {})
    task = make(who, what, sizes)
    answer = task.call()  # nothing, of a step
    answers = answer if isinstance(answer, tuple) else (answer,)
    assert all(kernels.device_of(a) == "cuda:0" for a in answers if a is not None)
    assert verified(task) <= task.tolerance
    assert min(timed(task, seconds=0.0)) > 0


def test_competitors_on_a_device():
    case = plans.kernel_cases(["cupy"], only="projection", device="cuda")[-1]
    assert case.who == ["fwdad", "cupy", "cupy-qr"]
    with pytest.raises(BenchError, match="expected names among cupy, torch, jax, or none; given 'numpy'"):
        plans.chosen_peers("numpy", "cuda")


@pytest.mark.skipif(
    "FWDAD_TEST_PEERS" not in os.environ,
    reason="FWDAD_TEST_PEERS is not set: every run of fwdad bench verifies the peers that take part",
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("library", ["torch", "jax"])
def test_peers_give_the_right_answer(library):
    pytest.importorskip(library, reason=f"the peer {library} is not installed")
    for what, row in benchmarks().items():
        for who in row.tasks:
            if who.startswith(library):
                verified(make(who, what, row.small | ({"k": 1} if goes_backwards(who) else {})))


def test_an_angle_makes_the_directions_a_cone():
    v = cone(5, 1000, 15.0).astype(np.float64)
    axis = normals(1, 1000)
    cosines = v @ axis / np.linalg.norm(v, axis=1) / np.linalg.norm(axis)
    assert np.allclose(np.degrees(np.arccos(cosines)), 15.0, atol=1e-3)


@pytest.fixture
def spoil(monkeypatch):
    """A function that sends a kernel's answers through another function."""

    def change(name, function):
        best = KERNELS[name].best
        monkeypatch.setitem(KERNELS[name].__dict__, "best", lambda *arguments: function(best(*arguments)))

    return change


def off_by_a_little(answer):
    answer[-1, -1, -1] += 0.01
    return answer


def not_finite(answer):
    answer[0, 0, 0] = np.nan
    return answer


def one_row_short(answer):
    return answer[:, 1:]


@pytest.mark.parametrize("change", [off_by_a_little, not_finite, one_row_short])
@pytest.mark.parametrize(("what", "kernel"), [("product", "matmul"), ("normals + product", "stream_product")])
def test_a_wrong_kernel_is_caught(spoil, what, kernel, change):
    spoil(kernel, change)
    with pytest.raises(WrongAnswer, match="wrong answer: relative error"):
        verified(make("fwdad", what, benchmarks()[what].small))


def test_a_wrong_step_is_caught(spoil):
    spoil("combine", lambda g: g * np.float32(1.001))
    with pytest.raises(WrongAnswer):
        verified(make("fwdad", "step", benchmarks()["step"].small))


def test_nan_is_no_right_answer():
    for error in (np.nan, np.inf, 0.2):
        with pytest.raises(WrongAnswer):
            verified(Task(lambda: 0, lambda _, error=error: error, 0.1))
    assert relative_error([np.nan], [1.0]) != relative_error([1.0], [1.0])
    assert relative_error(np.ones(2), np.ones(3)) == np.inf


def test_an_unknown_benchmark():
    with pytest.raises(BenchError, match="numpy does not take part in the benchmark 'signs'"):
        make("numpy", "signs", {"n": 4})


# ---- processes


def test_overrides_of_other_libraries_stay_out(monkeypatch):
    for name in ("OPENBLAS_CORETYPE", "OMP_WAIT_POLICY", "MKL_DEBUG_CPU_TYPE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("HOME", "/home")
    made = environment(3)
    assert made["HOME"] == "/home"
    assert made["OMP_NUM_THREADS"] == made["FWDAD_NUM_THREADS"] == "3"
    assert not {"OPENBLAS_CORETYPE", "OMP_WAIT_POLICY", "MKL_DEBUG_CPU_TYPE"} & set(made)


def test_a_campaign_gives_everyone_as_many_blocks():
    cases = [Case("step", {"w": 4, "k": k}, ["fwdad", "numpy"]) for k in (1, 2)]
    lines = []
    found = campaign(cases, Effort(starts=2, turns=2, seconds=0.0, pause=0.0), 1, lines.append)
    assert lines[0] == "round 1/2  step w=4 k=1"
    assert len(lines) == 4
    for result in found:
        assert list(result) == ["fwdad", "numpy"]
        assert all(len(m.blocks) == 4 and 0 <= m.error < 1e-4 and min(m.blocks) > 0 for m in result.values())


def test_a_process_that_fails_says_why():
    with Worker("numpy", 1) as worker:
        with pytest.raises(BenchError, match="numpy: signs numpy does not take part"):
            worker.ask(what="signs", sizes={"n": 4})
        with pytest.raises(BenchError, match="there is no task yet"):
            worker.ask(seconds=0.0)
        assert worker.ask(what="step", sizes={"w": 4, "k": 1}) < 1e-4  # and goes on
        with pytest.raises(BenchError, match=r"the process of numpy ended with code 1: TypeError: .*'width'"):
            worker.ask(what="step", sizes={"width": 4})


def test_memory_is_that_of_the_process():
    (record,) = plans.memory(["fwdad"], 8, [2], 1)
    assert (record.what, record.who, record.w, record.k) == ("memory", "fwdad", 8, 2)
    assert 10 < record.mb < 1000
