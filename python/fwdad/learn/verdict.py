"""Judges a learner's file: in a process of its own, so that no loop, exit or crash of it is ours."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from fwdad.learn.exercise import Exercise

CHILD = (sys.executable, "-m", "fwdad.learn.child")
GRACE = 20.0  # seconds beyond an exercise's own: to start Python, and for a file that will not be interrupted


class Failure(NamedTuple):
    """What was not right.

    Parameters
    ----------
    check
        What was checked, with its input.
    expected, given
        In words.
    line, code
        The number and the text of the learner's line where an exception was raised; 0 where there was none.
    """

    check: str
    expected: str
    given: str
    line: int = 0
    code: str = ""


class Verdict(NamedTuple):
    """What the checks said, in their order: what is right, remarks, and the first failure."""

    right: list[str]
    remarks: list[str]
    failure: Failure | None


def judge(exercise: Exercise, file: Path, seed: int = 0) -> Verdict:
    """Run an exercise's checks on a learner's file.

    What the file prints goes where this process prints.

    Parameters
    ----------
    exercise : Exercise
        What is judged.
    file : Path
        The learner's.
    seed : int
        Of the inputs.
    """
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        said.touch()
        words = [exercise.name, str(file), str(seed), str(exercise.seconds), str(said)]
        try:
            code = subprocess.run([*CHILD, *words], timeout=exercise.seconds + GRACE).returncode
            end = f"the program ended by itself, with exit status {code}"
        except subprocess.TimeoutExpired:
            end = f"still running after {exercise.seconds + GRACE:g} seconds; it was stopped"
        events: list[tuple[str, Any]] = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    checks = [text for kind, text in events if kind == "check"]
    remarks = [text for kind, text in events if kind == "remark"]
    last, what = events[-1] if events else ("", {})
    if last == "passed":
        return Verdict(checks, remarks, None)
    failure = Failure(**what) if last == "failure" else Failure("", "a verdict", end)
    return Verdict(checks[:-1], remarks, failure._replace(check=checks[-1] if checks else "your file"))
