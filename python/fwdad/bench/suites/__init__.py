"""The benchmarks, one file each: the problem, what an answer costs, and how fwdad and every peer compute it.

A file named like a kernel measures that kernel. None imports a peer's library before a task of the peer's is made.
"""

from __future__ import annotations

import functools
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fwdad.bench.benchmark import BENCHMARKS, Benchmark, Sizes, normals
from fwdad.bench.machine import aligned
from fwdad.bench.records import COPY
from fwdad.bench.task import BenchError, Task, relative_error
from fwdad.kernels import dispatch


@functools.cache
def benchmarks() -> dict[str, Benchmark]:
    """Import all files, and return the benchmarks in the order of their names."""
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        import_module(f"{__name__}.{file.stem}")
    return {name: BENCHMARKS[name] for name in sorted(BENCHMARKS, key=str.lower)}


def make(who: str, what: str, sizes: Sizes) -> Task:
    """Return the task of a competitor at a benchmark; imports the competitor's library.

    CuPy's task is NumPy's, on a device.

    Raises
    ------
    BenchError
        If the competitor does not take part in that benchmark.
    """
    benchmark = benchmarks()[what]
    if who == COPY:
        return copy(benchmark.work(**sizes).bytes)
    maker = benchmark.tasks.get(who.replace("cupy", "numpy"))
    if maker is None:
        raise BenchError(f"{who} does not take part in the benchmark {what!r}")
    return maker(**sizes)


def copy(moved: float) -> Task:
    """Return the task of copying: the probe of the machine's peak, which reads and writes half of `moved` bytes each.

    Every call takes the next part of 256 MB, so that it comes from memory.
    """
    n = int(moved) // 8 // 16 * 16  # whole registers
    everything = max(n, 2**26)
    a, b = aligned(everything), aligned(everything)
    a[:n] = normals(0, n)
    state = {"next": 0}

    def call() -> np.ndarray[Any, Any]:
        start = state["next"]
        part = slice(start, start + n)
        dispatch.native.probe_copy(a[part], b[part])
        state["next"] = start + n if start + 2 * n <= everything else 0
        return b[part]

    return Task(call, lambda answer: relative_error(answer, a[:n]), 0.0)
