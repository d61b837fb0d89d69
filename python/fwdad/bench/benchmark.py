"""A benchmark: what is computed, at which sizes, what an answer costs, and how each competitor computes it.

Each file of `suites` adds its own by `register`. Inputs are the same for everyone, and NumPy in float64 says what is
right: nothing here is shared with the kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from fwdad.bench import target
from fwdad.bench.task import Task, relative_error
from fwdad.kernels import KERNELS

Sizes = Mapping[str, Any]


class Work(NamedTuple):
    """Operations, bytes moved at least, and random values made by one call; 0 where they do not bound it.

    Operations are those of the mathematics, whoever does more; a symmetric result counts once.
    """

    flops: float = 0
    bytes: float = 0
    values: float = 0


@dataclass(frozen=True)
class Benchmark:
    """One thing to measure.

    Attributes
    ----------
    name : str
        As the tables show it.
    sizes : sequence of dict
        At which `fwdad bench kernels` measures it; none of the step, whose sizes come from the command line.
    small : dict
        A size at which tests verify every competitor.
    work : function
        From a size to what one answer costs.
    tasks : dict
        From a competitor to the function that makes its task for a size: fwdad's first. The name is that of the
        competitor's library; several of one library differ by a suffix, and "torch-loop" loops where "torch" batches.
        Libraries are imported inside.
    only : dict
        From a competitor to a function that says whether it takes part at a size; the others always do.
    on_cuda : bool
        Whether fwdad computes it on a CUDA device.
    """

    name: str
    sizes: Sequence[Sizes]
    small: Sizes
    work: Callable[..., Work]
    tasks: Mapping[str, Callable[..., Task]]
    only: Mapping[str, Callable[..., bool]]
    on_cuda: bool

    def competitors(self, sizes: Sizes) -> list[str]:
        """Return who takes part at a size."""
        return [who for who in self.tasks if who not in self.only or self.only[who](**sizes)]


BENCHMARKS: dict[str, Benchmark] = {}
"""The benchmarks of the files that were imported; `fwdad.bench.suites.benchmarks` gives all."""


def register(
    name: str,
    *,
    sizes: Sequence[Sizes],
    small: Sizes,
    work: Callable[..., Work],
    tasks: Mapping[str, Callable[..., Task]],
    only: Mapping[str, Callable[..., bool]] | None = None,
    on_cuda: bool = True,
) -> None:
    """Add a benchmark to the list."""
    BENCHMARKS[name] = Benchmark(name, sizes, small, work, tasks, only or {}, on_cuda)


def normals(seed: int, *shape: int) -> np.ndarray:
    """Return independent normals in float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def kernel_task(name: str, *arguments: Any) -> Task:
    """Return the task of calling a kernel; its reference, in float64, says what is right."""
    function = getattr(import_module(f"fwdad.kernels.{name}"), name)
    there = [target.send(a) if isinstance(a, np.ndarray) else a for a in arguments]
    exact = [a.astype(np.float64) if getattr(a, "dtype", None) == np.float32 else a for a in arguments]

    def check(answer: Any) -> float:
        truth = KERNELS[name].bodies["reference"](*exact)
        both = ((answer, truth),) if isinstance(truth, np.ndarray) else zip(answer, truth, strict=True)
        return max(relative_error(given, expected) for given, expected in both)

    return Task(lambda: function(*there), check, 1e-6)
