"""The process in which a learner's file runs. It writes a JSON line for each check, and one for the end."""

from __future__ import annotations

import json
import signal
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from fwdad.learn.exercise import Answer, Exercise, Remark, Wrong
from fwdad.learn.exercises import EXERCISES

Tell = Callable[[str, Any], None]


class TimeIsUpError(BaseException):
    """The exercise's seconds are over. No Exception, so that ``except Exception`` in the file does not take it."""


def run(exercise: Exercise, file: str, seed: int, seconds: float, tell: Tell) -> None:
    """Run the file, then the checks, and tell what happens; what the file raises is told with its own line."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeIsUpError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        answer = Answer(load(file))
        for what in exercise.check(answer, np.random.default_rng(seed)):
            tell("remark" if isinstance(what, Remark) else "check", what)
    except Wrong as wrong:
        tell("failure", {"check": "", "expected": wrong.expected, "given": wrong.given})
    except TimeIsUpError as error:
        said = f"still running after {seconds:g} seconds; it was stopped"
        tell("failure", {"check": "", "expected": "an answer", "given": said, **place(error, file)})
    except (Exception, SystemExit) as error:
        where = place(error, file)
        if not where:
            raise  # a fault of the exercise
        said = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]
        tell("failure", {"check": "", "expected": "an answer", "given": said, **where})
    else:
        tell("passed", "")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def load(file: str) -> dict[str, Any]:
    """Run the file as a module of its own and return its names."""
    module = types.ModuleType("answer")
    module.__file__ = file
    sys.modules["answer"] = module  # dataclasses look it up
    exec(compile(Path(file).read_bytes(), file, "exec"), module.__dict__)
    return module.__dict__


def place(error: BaseException, file: str) -> dict[str, Any]:
    """Return the line of the file that an exception came from, the innermost one; nothing where it never was there."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return {"line": error.lineno or 0, "code": (error.text or "").strip()}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return {"line": frames[-1].lineno, "code": frames[-1].line} if frames else {}


def main() -> None:
    """Run ``EXERCISE FILE SEED SECONDS OUTPUT``."""
    name, file, seed, seconds, output = sys.argv[1:]
    with open(output, "w", encoding="utf-8") as said:

        def tell(kind: str, what: Any) -> None:
            said.write(json.dumps([kind, what]) + "\n")
            said.flush()

        run(EXERCISES[name], file, int(seed), float(seconds), tell)


if __name__ == "__main__":
    main()
