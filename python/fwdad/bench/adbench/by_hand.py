"""A Jacobian of bundle adjustment in C++, written by hand and compiled here: what no tool can do better at."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fwdad.bench.adbench.problems import Problem
from fwdad.bench.task import BenchError

SOURCE = Path(__file__).with_name("ba_by_hand.cpp")
FLAGS = ["-std=c++20", "-O3", "-march=native", "-shared", "-fPIC"]


def compiler() -> str | None:
    """Return the C++ compiler, $CXX or c++; None where there is none."""
    return shutil.which(os.environ.get("CXX", "c++"))


@functools.cache
def library() -> Any:
    """Compile and load it.

    Raises BenchError with the compiler's words where that fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "ba_by_hand.so"
        done = subprocess.run([str(compiler()), *FLAGS, str(SOURCE), "-o", str(made)], capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"{SOURCE.name} was not compiled: {done.stderr.strip()}")
        return ctypes.CDLL(str(made))


def of_cpp(problem: Problem) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """One loop over observations."""
    (x,), feature = problem.moving, problem.data["feature"]
    function, pointer = library().reprojection_jacobian, ctypes.POINTER(ctypes.c_double)

    def jacobian() -> np.ndarray:
        columns = np.empty((15, 2, x.shape[1]))
        function(ctypes.c_int64(x.shape[1]), *(a.ctypes.data_as(pointer) for a in (x, feature, columns)))
        return columns

    return problem.value, jacobian
