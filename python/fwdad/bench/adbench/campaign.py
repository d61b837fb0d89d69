"""Answers checked by ADBench's rule, then times by its rule, competitors by turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fwdad.bench.adbench import files
from fwdad.bench.adbench.competitors import COMPETITORS, takes_part
from fwdad.bench.adbench.problems import Problem, found
from fwdad.bench.records import Record, with_ratios
from fwdad.bench.task import WrongAnswer

TOLERANCE = 1e-8
"""The largest ``|x - y| / max(1, |x| + |y|)`` of an entry x and its truth y."""

CHECKED = 32
"""Columns that are compared with complex steps, evenly spread."""

LEAST, RUNS, LIMIT = 0.5, 10, 10.0
"""Seconds that a run takes at least, runs at most, and seconds after which no other run begins."""


def error(found_: Any, truth: Any) -> float:
    """Return the largest error of entries by ADBench's rule; NaN where one is NaN."""
    return float(np.max(np.abs(found_ - truth) / np.maximum(1, np.abs(found_) + np.abs(truth)), initial=0))


def check(problem: Problem, who: str, jacobian: np.ndarray) -> float:
    """Return the error of a Jacobian's columns.

    Raises WrongAnswer if it is too large.
    """
    columns = np.unique(np.linspace(0, problem.k - 1, CHECKED).astype(int))
    errors = [error(jacobian[column], problem.reference(int(column))) for column in columns]
    if not max(errors) <= TOLERANCE:
        raise WrongAnswer(f"{problem.name} by {who}: error {max(errors):.1e}, expected at most {TOLERANCE:.0e}")
    return max(errors)


def repetitions(run: Callable[[], Any], least: float) -> int:
    """Return how often a function must run to take so many seconds: a power of two."""
    count = 1
    while _seconds(run, count) < least:
        count *= 2
    return count


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process on one core, so that every library computes on one thread, where the system can do that."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    if cores is not None:
        os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        if cores is not None:
            os.sched_setaffinity(0, cores)


def _seconds(run: Callable[[], Any], count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        run()
    return time.perf_counter() - begin


def run(
    folder: Path,
    only: Sequence[str],
    peers: Sequence[str],
    report: Callable[[str], None],
    out: Path | None = None,
    quick: bool = False,
) -> list[Record]:
    """Measure the problems of a folder of ADBench's data.

    Parameters
    ----------
    folder : Path
        ``data`` of ADBench.
    only : sequence of str
        Words, one of which the path of a file has.
    peers : sequence of str
        Who takes part beside fwdad: of jax, torch, autograd.
    report : callable
        Takes a line about what is going on.
    out : Path, optional
        A folder for output files in ADBench's form.
    quick : bool, default: False
        One run of each, however short.

    Returns
    -------
    list of Record
        The shortest times of the Jacobians.

    Raises
    ------
    BenchError
        No such file.
    WrongAnswer
        A Jacobian is wrong.
    """
    records: list[Record] = []
    names = [who for who in COMPETITORS if who in ("fwdad", "C++ by hand") or who.partition("-")[0] in peers]
    for place, problem in found(folder, tuple(only)):
        report(f"{place}/{problem.name}: {problem.k} directions")
        group = []
        runs = {who: COMPETITORS[who](problem) for who in names if takes_part(who, place, problem)}
        wrong = {who: check(problem, who, jacobian()) for who, (_, jacobian) in runs.items()}
        for who, times in _times(runs, 0.0 if quick else LEAST, 1 if quick else RUNS).items():
            ms = tuple(1e3 * seconds for seconds in times)
            group.append(Record(place, who, None, problem.k, problem.name, min(ms), blocks=ms, error=wrong[who]))
            if out is not None:
                value, jacobian = runs[who]
                columns, seconds = np.reshape(jacobian(), (problem.k, -1)), (_seconds(value, 1), min(times))
                files.write_outputs(out, problem.name, who, value(), columns.T, seconds)
        records += with_ratios(group)
    return records


def _times(
    runs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]], least: float, most: int
) -> dict[str, tuple[float, ...]]:
    """Time all by turns: seconds of each run."""
    counts = {who: repetitions(jacobian, least) for who, (_, jacobian) in runs.items()}
    times: dict[str, list[float]] = {who: [] for who in runs}
    for _ in range(most):
        for who, (_, jacobian) in runs.items():
            if sum(times[who]) * counts[who] < LIMIT:
                times[who].append(_seconds(jacobian, counts[who]) / counts[who])
    return {who: tuple(seconds) for who, seconds in times.items()}
