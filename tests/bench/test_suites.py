"""Every competitor's answer is judged, and a wrong one is never timed."""

import importlib
import os

import numpy as np
import pytest

from fwdad import kernels
from fwdad.bench import BenchError, Task, WrongAnswer, place, plans, verified
from fwdad.bench.processes import Case, Effort, Worker, campaign, environment
from fwdad.bench.suites import by_numpy, make, ours, problems
from fwdad.bench.task import relative_error, timed
from fwdad.kernels.dispatch import Kernel

SMALL = {
    "step": {"w": 8, "k": 3},
    "product": {"m": 3, "depth": 20, "n": 10, "k": 2},
    "affine JVP": {"m": 3, "depth": 20, "n": 10, "k": 2, "dx": True},
    "normals + product": {"m": 3, "depth": 20, "n": 10, "k": 2},
    "signs + product": {"m": 3, "depth": 20, "n": 10, "k": 2},
    "normals": {"n": 2**21},
    "signs": {"n": 2**14},
    "tanh JVP": {"n": 100, "k": 2},
    "scaled tangents": {"n": 100, "k": 2},
    "axpby": {"n": 100},
    "conv JVP": {"m": 1, "depth": 2, "n": 3, "k": 2},
    "weighted rows": {"m": 5, "n": 20, "k": 2},
    "cross-entropy JVP": {"m": 5, "n": 20, "k": 2},
    "Gram matrix": {"k": 4, "n": 50, "exact": True},
    "combination": {"k": 4, "n": 50},
    "projection": {"k": 4, "n": 50, "degrees": 15.0},
}
TASKS = [*ours.TASKS, *by_numpy.TASKS]


def test_every_benchmark_counts_its_work_and_is_tried_here():
    assert set(SMALL) == set(problems.WORK) == {what for _, what in ours.TASKS}
    for what, who, sizes in plans.KERNELS:
        for each in sizes:
            assert set(each) == set(SMALL[what])
            assert problems.WORK[what](**each) > (0, 0, 0)
        assert who[0] == "fwdad"


@pytest.mark.parametrize(("who", "what"), TASKS, ids=[f"{who} {what}" for who, what in TASKS])
def test_tasks_give_the_right_answer_again_and_again(who, what):
    task = make(who, what, SMALL[what])
    assert verified(task) <= task.tolerance
    assert len(timed(task, seconds=0.0)) == 3
    verified(task)


ON_DEVICE = [
    *(("fwdad", what) for who, what in ours.TASKS if what != "step"),
    *((who.replace("numpy", "cupy"), what) for who, what in by_numpy.TASKS if what != "step"),
]


@pytest.fixture
def on_device(cuda_on_host):
    """Tasks compute on a CUDA device, made of the host's memory."""
    place.use("cuda")
    yield
    place.use("cpu")


@pytest.mark.parametrize(("who", "what"), ON_DEVICE, ids=[f"{who} {what}" for who, what in ON_DEVICE])
def test_the_same_on_a_device(on_device, monkeypatch, who, what):
    monkeypatch.setattr(place, "QUEUED", 1)
    sizes = SMALL[what] | ({"n": 2**16} if (who, what) == ("fwdad", "normals") else {})
    task = make(who, what, sizes)
    answer = task.call()
    assert all(kernels.device_of(a) == "cuda:0" for a in (answer if isinstance(answer, tuple) else (answer,)))
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
    module = importlib.import_module(f"fwdad.bench.suites.by_{library}")
    for who, what in module.TASKS:
        verified(make(who, what, SMALL[what] | ({"k": 1} if who.endswith("backprop") else {})))


def test_an_angle_makes_the_directions_a_cone():
    v = problems.cone(5, 1000, 15.0).astype(np.float64)
    axis = problems.normals(1, 1000)
    cosines = v @ axis / np.linalg.norm(v, axis=1) / np.linalg.norm(axis)
    assert np.allclose(np.degrees(np.arccos(cosines)), 15.0, atol=1e-3)


def spoilt(kernel, spoil):
    """The kernel, with a best body whose answers went through `spoil`."""
    best = kernel.best
    return Kernel(kernel.name, kernel.contract, {**kernel.bodies, "wrong": lambda *args: spoil(best(*args))})


def off_by_a_little(answer):
    answer[-1, -1, -1] += 0.01
    return answer


def not_finite(answer):
    answer[0, 0, 0] = np.nan
    return answer


def one_row_short(answer):
    return answer[:, 1:]


@pytest.mark.parametrize("spoil", [off_by_a_little, not_finite, one_row_short])
@pytest.mark.parametrize(
    ("what", "kernel"), [("product", "products.MATMUL"), ("normals + product", "affine.STREAM_PRODUCT")]
)
def test_a_wrong_kernel_is_caught(monkeypatch, what, kernel, spoil):
    name = kernel.split(".")[1].lower()
    monkeypatch.setattr(f"fwdad.kernels.{kernel}", spoilt(kernels.KERNELS[name], spoil))
    with pytest.raises(WrongAnswer, match="wrong answer: relative error"):
        verified(make("fwdad", what, SMALL[what]))


def test_a_wrong_step_is_caught(monkeypatch):
    monkeypatch.setattr(
        "fwdad.kernels.projection.COMBINE", spoilt(kernels.KERNELS["combine"], lambda g: g * np.float32(1.001))
    )
    with pytest.raises(WrongAnswer):
        verified(make("fwdad", "step", SMALL["step"]))


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
    found = campaign(cases, Effort(starts=2, turns=2, seconds=0.0, settle=0.0), 1, lines.append)
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
