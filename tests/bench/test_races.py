"""Races to an accuracy: everyone trains the same network, and what is reported is what happened."""

import dataclasses
import os

import numpy as np
import pytest

from fwdad import nn, optim, tree
from fwdad.bench import Peaks, plots, racers, races, tables, worker
from fwdad.bench.racers import PROBLEMS, RACERS, Setting
from fwdad.estimators import exact_gradient
from fwdad.testing import expect_close
from fwdad.train.evaluation import losses

HOW = Setting(0.1, 0.9, "linear", 5)
RNG = np.random.default_rng(0)
MODELS = {
    "mlp": (lambda: nn.MLP((36, 8, 7, 3), seed=1), "mnist"),
    "convnet": (lambda: nn.MODELS["convnet"]((1, 6, 6), 3, seed=1), "fashion-mnist"),
}
PEERS = [
    pytest.param(
        f"{library}-backprop",
        marks=pytest.mark.skipif(
            "FWDAD_TEST_PEERS" not in os.environ,
            reason=f"FWDAD_TEST_PEERS is not set, and {library} takes long to import",
        ),
    )
    for library in ("torch", "jax")
]


@pytest.mark.parametrize(
    ("who", "model"), [("fwdad", "mlp"), *((pytest.param(*p.values, m, marks=p.marks)) for p in PEERS for m in MODELS)]
)
def test_who_follows_the_gradient_follows_that_of_float64(who, model):
    make, problem = MODELS[model]
    x, y = RNG.standard_normal((3, 16, 36)).astype(np.float32), RNG.integers(0, 3, (3, 16))
    racer = RACERS[who](PROBLEMS[problem], make(), HOW)
    double, optimizer = tree.map(lambda leaf: leaf.astype(np.float64), make()), optim.sgd(HOW.course, HOW.momentum)
    state = optimizer.init(double)
    for number in range(3):
        racer.step(number, x[number], y[number])
        _, g = exact_gradient(
            lambda m, *batch: losses(m(batch[0]), batch[1]), double, x[number].astype(float), y[number]
        )
        double, state = optimizer.step(g, state, double)
    expect_close(racer.outputs(x[0]), double(x[0].astype(float)), 1e-5, "outputs")


class Scripted:
    """A worker that reaches an accuracy after so many steps, each of which takes a second."""

    def __init__(self, who, log, after):
        self.who, self.log, self.after, self.steps = who, log, after, 0

    def ask(self, run=None, steps=0):
        self.steps = 0 if run else self.steps + steps
        self.log.append((self.who, steps))
        return float(steps), 0.9 if self.steps >= self.after else 0.1


def test_a_heat_takes_turns_and_ends_where_the_accuracy_is_reached():
    log = []
    workers = {"a": Scripted("a", log, 100), "b": Scripted("b", log, 70), "c": Scripted("c", log, 1000)}
    setting = Setting(0.1, 0.9, "linear", 320)
    goals = dict.fromkeys(workers, (0.05, 0.9))
    found = races.heat(workers, "digits", dict.fromkeys(workers, setting), goals, 0, "test")
    assert found["a", 0.9] == (100, 100.0)
    assert found["b", 0.9] == found["b", 0.05] == (80, 80.0)  # the first test is at a quarter
    assert found["c", 0.05] == (80, 80.0)
    assert ("c", 0.9) not in found
    assert log[3:9] == [("a", 80), ("b", 80), ("c", 80), ("a", 10), ("c", 10), ("a", 10)]
    assert sum(steps for who, steps in log if who == "c") == 320


class Here:
    """A worker in this process."""

    def __init__(self, who, threads):
        self.who, self.task = who, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, **request):
        self.task, result = worker.answer(self.who, request, self.task)
        return result


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(races, "Worker", Here)


def test_a_race_from_the_search_to_the_picture(here, monkeypatch, tmp_path):
    monkeypatch.setitem(PROBLEMS, "digits", PROBLEMS["digits"]._replace(targets={0.5: 10, 1.0: 20}))
    report = []
    settings = races.search("digits", 3, 1, report.append)
    assert set(settings["exact"]) == set(settings["rows"]) == {0.5}
    assert len(report) == 12
    records = races.race("digits", ["fwdad", "fwdad-rows", "fwdad-random"], settings, 2, 1, report.append)
    assert [r.who for r in records] == 2 * ["fwdad", "fwdad-rows", "fwdad-random"]
    assert records[3].setting == records[4].setting == "no trial reached it"
    records = [r for r in records if r.who != "fwdad-random"]
    assert [(r.what, r.who) for r in records] == [
        ("digits 50%", "fwdad"),
        ("digits 50%", "fwdad-rows"),
        ("digits 100%", "fwdad"),
        ("digits 100%", "fwdad-rows"),
    ]
    reached, missed = records[:2], records[2:]
    assert all(0 < r.steps <= 20 and len(r.blocks) == 2 and min(r.blocks) > 0 for r in reached)
    assert reached[0].ahead == 1.0
    assert all(r.ms is None and r.steps is None for r in missed)
    said = tables.race_summary(records)
    assert said[0].startswith("digits 50%: fwdad-rows takes ")
    assert said[1:] == [f"digits 100%: {who} did not reach it with every seed" for who in ("fwdad", "fwdad-rows")]
    pytest.importorskip("matplotlib", reason="plots need Matplotlib")
    nobody = [dataclasses.replace(record, ms=None) for record in records]
    for shown in (records, nobody):
        plots.race(shown, Peaks(1, 1, 1, 1), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


def test_every_problem_has_settings_for_every_accuracy():
    for name, problem in PROBLEMS.items():
        for kind in ("exact", "rows"):
            assert list(races.SEARCHED[name][kind]) == list(problem.targets)


def test_seconds_are_those_of_the_steps(monkeypatch):
    run = racers.Run("fwdad", "digits", list(HOW), 0, "test")
    clock = iter(range(100))
    monkeypatch.setattr(racers.time, "process_time", lambda: float(next(clock)))
    assert run.advance(4)[0] == 4.0
    assert run.number == 4
