"""Each exercise passes on its solution, and fails on wrong answers that look right."""

import re
import traceback

import numpy as np
import pytest

from fwdad.dual import RULES
from fwdad.learn import EXERCISES, Answer, Remark, Wrong
from fwdad.learn.folder import starter
from fwdad.rules import forms

CASES = [(name, wrong) for name, exercise in EXERCISES.items() for wrong in exercise.wrong]


@pytest.fixture(autouse=True)
def tables(monkeypatch):
    """Rules that a check enters are taken out again."""
    monkeypatch.setattr(forms, "ENTRIES", dict(forms.ENTRIES))
    monkeypatch.setattr(forms, "ELEMENTWISE", set(forms.ELEMENTWISE))
    before = dict(RULES)
    yield
    for function in RULES.keys() - before.keys():
        del RULES[function]


def judged(exercise, source, seed=0, **replaced):
    """What the checks said: those that were begun, remarks, and the error that ended them."""
    names = {"__name__": "answer"}
    checks, error = [], None
    try:
        exec(compile(source, "answer.py", "exec"), names)
        checks.extend(exercise.check(Answer(names | replaced), np.random.default_rng(seed)))
    except Exception as raised:
        error = raised
    return [what for what in checks if not isinstance(what, Remark)], error


def functions(exercise):
    """The names of the functions that are asked for."""
    return re.findall(r"^def (\w+)", exercise.starter, re.MULTILINE)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_passes_with_any_inputs(name):
    exercise = EXERCISES[name]
    for seed in range(1 if exercise.seconds > 10 else 3):
        checks, error = judged(exercise, exercise.solution, seed)
        assert error is None, f"{error} after {checks[-1:]}"
        assert checks


@pytest.mark.parametrize(("name", "wrong"), CASES)
def test_a_wrong_answer_that_looks_right_fails(name, wrong):
    exercise = EXERCISES[name]
    right, other = exercise.wrong[wrong]
    assert exercise.solution.count(right) == 1
    for seed in range(1 if exercise.seconds > 10 else 3):
        _, error = judged(exercise, exercise.solution.replace(right, other), seed)
        assert error is not None
        assert isinstance(error, (Wrong, ArithmeticError, ValueError)), repr(error)


OTHERS = [
    ("dual", "n * self.value ** (n - 1) * self.slope", "self.slope * self.value**n * n / self.value"),
    ("rule-row", "np.exp(x - z), np.exp(y - z)", "[1 / (1 + np.exp(y - x)), 1 / (1 + np.exp(x - y))]"),
    ("rule-row", "y * (1 - y)", "1 / (np.exp(x) + 2 + np.exp(-x))"),
    ("aligned-tangents", "np.linalg.pinv(V) @ d", "np.linalg.lstsq(V, d, rcond=None)[0]"),
    ("aligned-tangents", "np.linalg.pinv(V) @ d", "V.T @ (np.linalg.pinv(V @ V.T) @ d)"),
    ("aligned-tangents", "rng.standard_normal((k, n))", "rng.uniform(-1, 1, (k, n))"),
]


@pytest.mark.parametrize(("name", "right", "other"), OTHERS)
def test_another_right_answer_passes(name, right, other):
    exercise = EXERCISES[name]
    assert exercise.solution.count(right) == 1
    for seed in range(3):
        _, error = judged(exercise, exercise.solution.replace(right, other), seed)
        assert error is None, error


@pytest.mark.parametrize("draw", ["rng.choice([-1.0, 1.0], w.shape)", "rng.uniform(-(3**0.5), 3**0.5, w.shape)"])
def test_every_right_estimate_passes(draw):
    exercise = EXERCISES["one-tangent"]
    source = exercise.solution.replace("rng.standard_normal(w.shape)", draw)
    for seed in range(10):
        checks, _ = judged(exercise, source, seed, train=lambda *_: None)
        assert checks[-1].startswith("train("), checks


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_has_three_wrong_answers_three_hints_and_a_starter_that_fails(name):
    exercise = EXERCISES[name]
    assert len(exercise.wrong) >= 3
    assert len(exercise.hints) >= 2
    assert judged(exercise, starter(exercise))[1] is not None


RUBBISH = [
    None,
    "text",
    [],
    [[1], [1, 2]],
    np.nan,
    np.full((3, 3), np.inf),
    {},
    object(),
    1j,
    np.array(["a"]),
    (1, 2, 3),
]


@pytest.mark.parametrize("name", EXERCISES)
def test_rubbish_is_the_answers_fault(name):
    """An error is `Wrong`, or comes from a line of the answer: never from a line of the checks alone."""
    exercise = EXERCISES[name]
    judging = set()
    for function in functions(exercise):
        for rubbish in RUBBISH:
            _, error = judged(exercise, exercise.solution, **{function: lambda *_, rubbish=rubbish: rubbish})
            if error is None:  # a function that only the answer itself calls
                continue
            judging.add(function)
            files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
            assert isinstance(error, Wrong) or "answer.py" in files, (function, rubbish, error)
    assert judging


@pytest.mark.parametrize("name", EXERCISES)
def test_what_was_right_for_other_inputs_fails(name):
    """Answers that are learnt by heart from one attempt do not pass the next."""
    exercise, told = EXERCISES[name], {}

    def recorded(key, function):
        def call(*args):
            told.setdefault(key, []).append(function(*args))
            return told[key][-1]

        return call

    def replayed(key):
        answers = iter(told[key])
        return lambda *_: next(answers)

    names = {"__name__": "answer"}
    exec(compile(exercise.solution, "answer.py", "exec"), names)
    heard = {key: recorded(key, names[key]) for key in functions(exercise)}
    assert judged(exercise, exercise.solution, 0, **names | heard)[1] is None
    assert isinstance(judged(exercise, exercise.solution, 1, **{key: replayed(key) for key in told})[1], Wrong)
