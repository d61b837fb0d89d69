"""Competitors in processes of their own, asked in turn.

A thread pool goes on spinning for a while after its work, and would take the cores from whoever comes next in the same
process; the loaded libraries of one competitor (their allocators, OpenMP runtimes) also touch the others. So each has a
process; between turns there is time for its pool to go to sleep; the turns are interleaved; and since a process can be
lucky (memory layout, choice of kernels), each is started more than once.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from fwdad.bench.task import BenchError, WrongAnswer

OVERRIDES = ("OPENBLAS_", "MKL_", "BLIS_", "NVPL_", "GOTO_", "OMP_", "KMP_", "GOMP_")
"""Prefixes of variables that tune other libraries: removed, for peers run as they come."""


START = """
import sys
sys.path[:] = {}
import runpy
runpy.run_module("fwdad.bench.worker", run_name="__main__", alter_sys=True)
"""


def program() -> str:
    """Return what a process runs: `fwdad.bench.worker`, on our path less the current folder, Python's first choice."""
    here = os.getcwd()
    return START.format([*(path for path in sys.path if path not in ("", here)), str(Path(__file__).parents[2])])


def environment(threads: int) -> dict[str, str]:
    """Return a competitor's environment: ours without BLAS and OpenMP overrides, and the number of threads."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OVERRIDES)}
    count = str(threads)
    kept["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # JAX would take most of a device's memory from the others
    return kept | dict.fromkeys(("FWDAD_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), count)


class Worker:
    """One competitor's process: `fwdad.bench.worker` at the other end of two pipes, one JSON object a line."""

    def __init__(self, who: str, threads: int, device: str = "cpu") -> None:
        """Start it."""
        self.who = who
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  -- closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-c", program(), who, str(threads), device],
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Worker:
        """Return the worker."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def ask(self, **request: Any) -> Any:
        """Send a request and wait for its answer.

        Raises
        ------
        WrongAnswer
            If the competitor's answer is wrong.
        BenchError
            If it failed otherwise.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            pass  # it has died, and says below why
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()
            raise BenchError(f"the process of {self.who} ended with code {code}: {said[-1] if said else 'no message'}")
        answer = json.loads(line)
        if "wrong" in answer:
            raise WrongAnswer(f"{self.who}: {request.get('what', '')} {answer['wrong']}")
        if "error" in answer:
            raise BenchError(f"{self.who}: {request.get('what', '')} {answer['error']}")
        return answer["result"]


class Case(NamedTuple):
    """One benchmark at one size, and who takes part."""

    what: str
    sizes: Mapping[str, Any]
    who: Sequence[str]


class Effort(NamedTuple):
    """How much to measure: each competitor is started `starts` times, with `turns` turns of `seconds` at each case.

    After each turn there is a `pause`, in seconds, in which its thread pool stops spinning.
    """

    starts: int = 2
    turns: int = 2
    seconds: float = 0.4
    pause: float = 0.25


QUICK = Effort(starts=1, turns=1, seconds=0.1)


class Measured(NamedTuple):
    """The median seconds of each block of calls, and the answer's error."""

    blocks: list[float]
    error: float


def campaign(
    cases: Sequence[Case],
    effort: Effort,
    threads: int,
    report: Callable[[str], None] = lambda line: None,
    device: str = "cpu",
) -> list[dict[str, Measured]]:
    """Measure all cases; return a dict from competitor to what it reached for each.

    The blocks of two competitors of a case are pairs: measured one after the other, in alternating order. `report` is
    called with a line on what comes next.
    """
    found: list[dict[str, Measured]] = [{} for _ in cases]
    everyone = list(dict.fromkeys(who for case in cases for who in case.who))
    for start in range(effort.starts):
        with ExitStack() as stack:
            workers = {who: stack.enter_context(Worker(who, threads, device)) for who in everyone}
            for case, result in zip(cases, found, strict=True):
                sizes = " ".join(f"{name}={value}" for name, value in case.sizes.items())
                report(f"round {start + 1}/{effort.starts}  {case.what} {sizes}")
                for who in case.who:
                    error = workers[who].ask(what=case.what, sizes=dict(case.sizes))
                    result.setdefault(who, Measured([], error))
                    time.sleep(effort.pause)
                for who in _turns(case.who, effort.turns):
                    times = workers[who].ask(seconds=effort.seconds)
                    result[who].blocks.append(statistics.median(times))
                    time.sleep(effort.pause)
                for who in case.who:
                    workers[who].ask(drop=True)
    return found


def _turns(who: Sequence[str], turns: int) -> Iterator[str]:
    """Yield everyone in order, then in reverse, and so on.

    Examples
    --------
    >>> list(_turns("ab", 3))
    ['a', 'b', 'b', 'a', 'a', 'b']
    """
    for turn in range(turns):
        yield from who if turn % 2 == 0 else reversed(who)
