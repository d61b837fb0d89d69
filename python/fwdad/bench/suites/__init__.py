"""The benchmarks: what is computed (`problems`), and by whom, one module for each library.

A module has a table `TASKS`: (competitor, benchmark) -> a function of the benchmark's sizes that makes the task.
Competitors of one library differ by a suffix: "torch-loop" loops where "torch" batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from fwdad.bench.suites.problems import WORK
from fwdad.bench.task import BenchError, Task

Maker = Callable[..., Task]

COPY = "copy"
"""No peer: a copy in memory of as many bytes as the benchmark moves at least, timed in turn with the others, for
bandwidth changes while one looks."""

MODULES = {"fwdad": "ours", "numpy": "by_numpy", "cupy": "by_numpy", "torch": "by_torch", "jax": "by_jax"}


def make(who: str, what: str, sizes: Mapping[str, Any]) -> Task:
    """The task of a competitor at a benchmark; imports the competitor's library.

    Raises BenchError for a benchmark that the competitor does not take part in.
    """
    if who == COPY:
        ours = import_module(f"{__name__}.ours")
        copied: Task = ours.copy(WORK[what](**sizes).bytes)
        return copied
    tasks: dict[tuple[str, str], Maker] = import_module(f"{__name__}.{MODULES[library(who)]}").TASKS
    maker = tasks.get((who.replace("cupy", "numpy"), what))
    if maker is None:
        raise BenchError(f"{who} does not take part in the benchmark {what!r}")
    return maker(**sizes)


def library(who: str) -> str:
    """The library of a competitor.

    >>> library("torch-loop")
    'torch'
    """
    return who.partition("-")[0]
