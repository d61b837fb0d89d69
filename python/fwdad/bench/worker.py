"""``python -m fwdad.bench.worker WHO THREADS DEVICE``: one competitor's process; see `processes`.

Requests on standard input:

{"what": ..., "sizes": {...}}   make the task and verify its answer  ->  the error
{"seconds": s}                  time it                              ->  seconds of each call
{"drop": true}                  forget it
{"memory": n}                   call it n times                      ->  the process's peak memory, MB
{"run": {...}}                  begin a run of training, see `racers`
{"steps": n}                    go on with it                        ->  seconds of the processor, accuracy
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from fwdad.bench import target
from fwdad.bench.racers import Run
from fwdad.bench.suites import make
from fwdad.bench.task import BenchError, WrongAnswer, timed, verified
from fwdad.data import DataError


def limit_cores(threads: int) -> None:
    """Stay on as many cores as threads are wanted: there are libraries that ask the system alone."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:threads])


def peak_memory() -> float:
    """Return the largest resident size of this process so far, in MB."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:  # not Linux; getrusage counts bytes on macOS
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


def answer(who: str, request: dict[str, Any], task: Any) -> tuple[Any, Any]:
    """Return the task, or run, from now on, and the reply to a request."""
    if "run" in request:
        return Run(who, **request["run"]), None
    if "what" in request:
        task = make(who, request["what"], request["sizes"])
        return task, verified(task) if request.get("verify", True) else 0.0
    if task is None:
        raise BenchError("there is no task yet")
    if "steps" in request:
        return task, task.advance(request["steps"])
    if "seconds" in request:
        return task, timed(task, request["seconds"])
    if "memory" in request:
        for _ in range(request["memory"]):
            task.call()
        return task, peak_memory()
    return None, None


def main(who: str, threads: int, device: str) -> None:
    """Answer requests until there are no more."""
    limit_cores(threads)
    target.use(device)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no reply
    task: Any = None
    for line in sys.stdin:
        try:
            task, result = answer(who, json.loads(line), task)
            reply = {"result": result}
        except WrongAnswer as error:
            reply = {"wrong": str(error)}
        except (BenchError, DataError, MemoryError, ImportError) as error:
            reply = {"error": str(error) or type(error).__name__}
        gc.collect()
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
