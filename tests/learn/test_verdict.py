"""A learner's file runs in a process of its own: what it does is told in words, with its line."""

import dataclasses

import pytest

from fwdad.learn import EXERCISES, child, judge

DUAL = EXERCISES["dual"]


@pytest.fixture
def said(tmp_path):
    """Judge a source, and return the verdict."""

    def call(source, exercise=DUAL):
        file = tmp_path / "answer.py"
        file.write_text(source)
        return judge(exercise, file)

    return call


def test_the_solution_passes(said):
    verdict = said(DUAL.solution)
    assert verdict.failure is None
    assert len(verdict.right) > 15


def test_what_is_right_is_told_before_what_is_wrong(said):
    verdict = said(DUAL.solution.replace("math.cos(x.value) * x.slope", "math.cos(x.value)"))
    assert verdict.right[-1].startswith("the slope of sin(x) at x = ")
    assert verdict.failure.check.startswith("the slope of sin(x * x) at x = ")
    assert float(verdict.failure.given) != float(verdict.failure.expected)
    assert verdict.failure.line == 0


@pytest.mark.parametrize(
    ("added", "given", "line"),
    [
        ("def sin(x):\n    return 1 / 0", "ZeroDivisionError: division by zero", "    return 1 / 0"),
        ("x = (", "SyntaxError: '(' was never closed", "x = ("),
        ("import sys\nsys.exit(3)", "SystemExit: 3", "sys.exit(3)"),
        ("raise KeyError('a')", "KeyError: 'a'", "raise KeyError('a')"),
        ("def exp(x):\n    return exp(x)", "RecursionError: maximum recursion depth exceeded", "    return exp(x)"),
    ],
)
def test_an_exception_is_told_with_the_line(tmp_path, added, given, line):
    file = tmp_path / "answer.py"
    file.write_text(f"{DUAL.solution}\n{added}\n")
    told = []
    child.run(DUAL, str(file), 0, 60.0, lambda *event: told.append(event))
    kind, failure = told[-1]
    assert kind == "failure"
    assert failure["given"].startswith(given)
    assert failure["code"] == line.strip()
    assert file.read_text().splitlines()[failure["line"] - 1] == line


def test_an_exception_is_shown_with_the_line(said):
    failure = said("import math\n\nmath.sqrt(-1)\n").failure
    assert (failure.check, failure.line, failure.code) == ("your file", 3, "math.sqrt(-1)")
    assert failure.given.startswith("ValueError: ")


def test_an_endless_loop_is_stopped(said):
    failure = said("import math\nwhile True:\n    math.exp(1)\n", dataclasses.replace(DUAL, seconds=0.2)).failure
    assert (failure.check, failure.given) == ("your file", "still running after 0.2 seconds; it was stopped")
    assert failure.line in (2, 3)


def test_a_process_that_ends_is_told(said):
    failure = said("import os\nos._exit(7)\n").failure
    assert (failure.check, failure.given) == ("your file", "the program ended by itself, with exit status 7")


def test_a_loop_that_takes_every_exception_is_killed(said, monkeypatch):
    monkeypatch.setattr("fwdad.learn.verdict.GRACE", 1.5)
    source = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass\n"
    failure = said(source, dataclasses.replace(DUAL, seconds=0.1)).failure
    assert failure.given == "still running after 1.6 seconds; it was stopped"
