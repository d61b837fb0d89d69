"""A task: something to time, and the check of its answer that comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fwdad.bench import place


class BenchError(ValueError):
    """A benchmark that cannot be run as asked; the message says why and what to do."""


class WrongAnswer(BenchError):
    """An answer that is not the reference's: such a body is not timed."""


class Task(NamedTuple):
    """What one competitor does for one benchmark.

    call : the work to be timed; returns its answer, complete (nothing may go on in the background) or, on a device,
        queued on the stream that events are recorded on.
    check : the error of that answer against the reference, relative; any number, or NaN.
    tolerance : the largest error that is right.
    """

    call: Callable[[], Any]
    check: Callable[[Any], float]
    tolerance: float


def verified(task: Task) -> float:
    """Call the task once and return its error.

    Raises WrongAnswer unless the error is within the tolerance; NaN never is.

    >>> verified(Task(lambda: 2.0, lambda answer: abs(answer - 2.0), 1e-6))
    0.0
    """
    error = float(task.check(task.call()))
    if not error <= task.tolerance:
        raise WrongAnswer(f"wrong answer: relative error {error:.3g}, at most {task.tolerance:.3g} is right")
    return error


def relative_error(actual: Any, truth: Any) -> float:
    """``|actual - truth| / |truth|`` in the Euclidean norm, in float64; infinite for another shape.

    >>> relative_error(np.float32([3, 4]), np.array([3.0, 4.5])) < 0.1
    True
    """
    actual, truth = place.on_host(actual), np.asarray(truth, np.float64)
    if actual.shape != truth.shape:
        return float("inf")
    size = np.linalg.norm(truth.ravel())
    return float(np.linalg.norm((actual - truth).ravel()) / (size or 1.0))


def timed(task: Task, seconds: float) -> list[float]:
    """The seconds of each of several calls: after one to warm up, at least 3 calls, then as many as fit `seconds`."""
    task.call()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < seconds and len(times) < 1000):
        times.append(place.seconds_of(task.call))
    return times
