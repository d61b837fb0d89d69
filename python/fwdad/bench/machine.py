"""The machine: what it is, and what it can do at most, measured."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import platform
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import fwdad
from fwdad.bench import target
from fwdad.bench.task import BenchError
from fwdad.kernels import dispatch, get_num_threads, info, set_num_threads
from fwdad.kernels.device import require

PEERS = ("numpy", "torch", "jax")
CUDA_PEERS = ("cupy", "torch", "jax")
"""Names of peers, which are those of their modules, in main memory and on a CUDA device."""


@dataclass(frozen=True)
class Peaks:
    """What the machine reached, in the same run as the kernels that are compared with it.

    Attributes
    ----------
    fma_one, fma : float
        GFLOP/s in float32 of one thread and of all, of multiply-adds between registers alone, with the instruction set
        that the kernels use. No product of matrices can be faster.
    read, copy : float
        GB/s from memory, of all threads; a copy counts what it reads and what it writes.
    """

    fma_one: float
    fma: float
    read: float
    copy: float

    def share(self, gflops: float | None, gbs: float | None) -> float | None:
        """Return the fraction of the peak that bounds: of `fma`, or of `copy`."""
        if gflops is not None:
            return gflops / self.fma
        return None if gbs is None else gbs / self.copy


def describe(device: str = "cpu") -> dict[str, Any]:
    """Return processor, cores, threads, instruction set and versions; of a CUDA device, its name as well."""
    versions = {"fwdad": fwdad.__version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in installed_peers(device) if name != "cupy"}
    about = {"cpu": _cpu(), "platform": platform.platform(), **info(), "versions": versions}
    return about if device == "cpu" else about | {"device": _device()}


def peers_of(device: str) -> tuple[str, ...]:
    """Return the names of all peers for a device, installed or not."""
    return PEERS if device == "cpu" else CUDA_PEERS


def installed_peers(device: str = "cpu") -> list[str]:
    """Return the peers that this Python can import, and that can compute on the device."""
    found = [name for name in peers_of(device) if importlib.util.find_spec(name) is not None]
    return found if device == "cpu" else [name for name in found if _computes_there(name)]


def _computes_there(peer: str) -> bool:
    """Whether an installed peer can use CUDA devices."""
    if peer == "torch":
        return bool(import_module("torch").cuda.is_available())
    return peer != "jax" or any(importlib.util.find_spec(f"jax_cuda{n}_plugin") for n in (12, 13))


def _device() -> str:
    """Return the device that `target` has chosen, and its driver."""
    cupy = require()
    about = cupy.cuda.runtime.getDeviceProperties(int(target.name()[5:]))
    driver = cupy.cuda.runtime.driverGetVersion()
    return (
        f"{about['name'].decode()} (sm_{about['major']}{about['minor']}), driver for CUDA {driver // 1000}."
        f"{driver % 1000 // 10}, CuPy {cupy.__version__}"
    )


def _cpu() -> str:
    """Name the processor; "AMD EPYC" alone says little, so with family and model, and count its cores."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    about = dict(re.findall(r"^(\S[^\t:]*)\s*: (.*)$", text, re.MULTILINE))  # of the last core
    if "model name" not in about:
        return platform.processor() or "unknown"
    kind = f" (family {about['cpu family']}, model {about['model']})" if "cpu family" in about else ""
    return f"{about['model name']}{kind}, {int(about['processor']) + 1} cores"


def measure_peaks(megabytes: int = 256) -> Peaks:
    """Measure the peaks: the best of several runs each, on arrays of this size, in about a second.

    Raises
    ------
    BenchError
        If there are no native kernels.
    """
    native = dispatch.native
    if native is None:
        raise BenchError("there are no native kernels to measure: fwdad._native was not built")
    threads = get_num_threads()
    rounds = 300_000
    operations = np.zeros(1, np.int64)

    def fma(tasks: int) -> float:
        def run() -> float:
            native.probe_fma(rounds, np.full(tasks, 0.5, np.float32), operations)
            return float(operations[0])

        return best(run, 9)

    try:
        set_num_threads(1)
        one = fma(4)
    finally:
        set_num_threads(threads)
    n = megabytes * 2**18  # float32 entries
    a, b, sink = aligned(n), aligned(n), np.zeros(1, np.float32)

    def read() -> float:
        native.probe_read(a, sink)
        return 4 * n

    def copy() -> float:
        native.probe_copy(a, b)
        return 8 * n

    return Peaks(one, fma(8 * threads), best(read, 7), best(copy, 7))


def measure_device_peaks(megabytes: int = 256) -> Peaks:
    """Measure the same of the CUDA device that `target` has chosen, on arrays of this size.

    Multiply-adds are those of the product of two square matrices by cuBLAS, float32; CuPy's sum reads, its copy copies.
    """
    n = math.isqrt(megabytes * 2**18)
    a = target.send(np.ones((n, n), np.float32))

    def rate(work: float, call: Callable[[], Any]) -> float:
        return work / min(target.seconds_of(call) for _ in range(8)) / 1e9

    fma = rate(2 * n**3, lambda: a @ a)
    return Peaks(fma, fma, rate(4 * n * n, a.sum), rate(8 * n * n, a.copy))


def best(run: Callable[[], float], repetitions: int) -> float:
    """Return the most work (that `run` returns) per nanosecond, over several runs after one to warm up."""
    rates = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        work = run()
        rates.append(work / (time.perf_counter() - start) / 1e9)
    return max(rates[1:])


def aligned(n: int) -> np.ndarray:
    """Return n ones in float32 that begin at a cache line."""
    raw = np.ones(n + 16, np.float32)
    start = (-raw.ctypes.data % 64) // 4
    return raw[start : start + n]


def as_json(peaks: Peaks) -> dict[str, float]:
    """Return the peaks for a report."""
    return {name: round(value, 2) for name, value in asdict(peaks).items()}
