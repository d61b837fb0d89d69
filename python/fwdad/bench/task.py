"""A task: something to time, and the check of its answer that comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fwdad.bench import target


class BenchError(ValueError):
    """A benchmark that cannot be run as asked; the message says why and what to do."""


class WrongAnswer(BenchError):
    """An answer that is not the reference's: such a body is not timed."""


class Task(NamedTuple):
    """What one competitor does for one benchmark.

    Attributes
    ----------
    call : function
        The work to be timed; returns its answer, complete (nothing may go on in the background) or, on a device, queued
        on the stream that events are recorded on.
    check : function
        From that answer to its error against the truth, relative; any number, or NaN.
    tolerance : float
        The largest error of a right answer.
    """

    call: Callable[[], Any]
    check: Callable[[Any], float]
    tolerance: float


def verified(task: Task) -> float:
    """Call the task once and return its error.

    Raises
    ------
    WrongAnswer
        Unless the error is within the tolerance; NaN never is.

    Examples
    --------
    >>> verified(Task(lambda: 2.0, lambda answer: abs(answer - 2.0), 1e-6))
    0.0
    """
    error = float(task.check(task.call()))
    if not error <= task.tolerance:
        raise WrongAnswer(f"wrong answer: relative error {error:.3g}, at most {task.tolerance:.3g} is right")
    return error


def relative_error(actual: Any, truth: Any) -> float:
    """Return ``|actual - truth| / |truth|`` in the Euclidean norm, in float64; infinite for another shape.

    Examples
    --------
    >>> relative_error(np.float32([3, 4]), np.array([3.0, 4.5])) < 0.1
    True
    """
    actual, truth = target.on_host(actual), np.asarray(truth, np.float64)
    if actual.shape != truth.shape:
        return float("inf")
    size = np.linalg.norm(truth.ravel())
    return float(np.linalg.norm((actual - truth).ravel()) / (size or 1.0))


def timed(task: Task, seconds: float) -> list[float]:
    """Return the seconds of each call: after one to warm up, of at least 3, then of as many as fit `seconds`."""
    task.call()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < seconds and len(times) < 1000):
        times.append(target.seconds_of(task.call))
    return times
