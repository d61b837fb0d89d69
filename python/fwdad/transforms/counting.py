"""counting: what a program computes while it is differentiated, counted by its calls."""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import LIKE, name_of
from fwdad.kernels import Stream
from fwdad.kernels.dispatch import Kernel
from fwdad.transforms.carriers import kind_of_rule
from fwdad.transforms.watch import watching
from fwdad.transforms.work import Tally
from fwdad.transforms.written import carrier_among, has_own_rule, run_rule


@dataclass
class Count(Tally):
    """What `counting` has counted; it prints itself.

    Attributes
    ----------
    once : int
        Multiply-adds that do not depend on the directions: values and derivatives, the same for every k.
    directions : int
        Multiply-adds of the tangents, for all k directions.
    bytes_read, bytes_written : int
        Bytes of the arguments and of the answers of all calls.
    random_numbers : int
        Entries of the streams that kernels have generated.
    uncounted : Counter
        Functions without a formula, and how often they were called: their work is missing in the figures above.
    """

    random_numbers: int = 0

    def __str__(self) -> str:
        """Return a line for each figure."""
        lines = [
            f"multiply-adds   {self.once} once + {self.directions} for the tangents",
            f"bytes           {self.bytes_read} read, {self.bytes_written} written",
            f"random numbers  {self.random_numbers}",
        ]
        missing = ", ".join(f"{name} ({times})" for name, times in sorted(self.uncounted.items()))
        return "\n".join(lines + ([f"not counted     {missing}"] if missing else []))


# Who counts in this thread, and whether an operation is under way, whose own calls of kernels are part of it.
_counts: contextvars.ContextVar[tuple[Count, ...]] = contextvars.ContextVar("fwdad_counts", default=())
_within: contextvars.ContextVar[bool] = contextvars.ContextVar("fwdad_within", default=False)
_lock = threading.Lock()
_open = 0
_on = Kernel.on


@contextmanager
def counting() -> Iterator[Count]:
    """Count what a block computes: multiply-adds, bytes, and random numbers.

    Yields
    ------
    Count
        The figures so far; they are complete when the block ends.

    Notes
    -----
    Counted is each operation on values that move under `jvp` and all that is made of it (`jacfwd`, `hessian`,
    `ForwardGradient`, ...), as the NumPy program of its rule: one multiply-add for each entry of an elementwise
    function's answer, each product in a matrix product, each entry that is summed; none for comparisons and for what
    only moves entries. A kernel in a rule is counted as the program that it stands for: its multiply-adds are the same,
    its bytes fewer. Directions of a kind of their own count as arrays. Outside of a rule the kernels `combine`, `gram`
    and `matmul` are counted, too. Random numbers are the entries of the streams that kernels are given, each once for
    each call; NumPy's own generators are not seen.

    Not counted are operations on plain arrays that do not move, and what stands in `uncounted`: functions without a
    formula, a `custom_jvp`, and operations under `linearize`, `jet`, `laplacian` and sparse transforms. Each thread
    counts for itself. Rules run twice or three times within the block; outside of it nothing is slower.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> with fwdad.counting() as c:
    ...     y, dy = fwdad.jvp(lambda x: x @ np.ones((3, 4)), (np.ones((2, 3)),), (np.ones((5, 2, 3)),))
    >>> c.once, c.directions / c.once
    (24, 5.0)
    """
    global _open
    count = Count()
    with _lock:
        _open += 1
        Kernel.on = _watched_on  # type: ignore[method-assign,assignment]
    token = _counts.set((*_counts.get(), count))
    try:
        with watching(lambda *operation: _operation(count, *operation)):
            yield count
    finally:
        _counts.reset(token)
        with _lock:
            _open -= 1
            if _open == 0:
                Kernel.on = _on  # type: ignore[method-assign]


def _operation(
    count: Count, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[[], Any]
) -> Any:
    """Count an operation and run it; random numbers are those of the run itself."""
    if has_own_rule(function) or carrier_among(args, kwargs) is not None:
        count.uncounted[name_of(function)] += 1
    elif kind_of_rule(function) != "write" and function not in LIKE:
        nobody = _counts.set(())
        try:
            count.include(run_rule(function, args, kwargs, "y", lambda value: "x")[0])
        finally:
            _counts.reset(nobody)
    token = _within.set(True)
    try:
        return run()
    finally:
        _within.reset(token)


def _watched_on(kernel: Kernel[Any], device: str) -> Callable[..., Any]:
    body = _on(kernel, device)

    def run(*args: Any) -> Any:
        answer = body(*args)
        for count in _counts.get():
            count.random_numbers += sum(math.prod(arg.shape) for arg in args if isinstance(arg, Stream))
            if not _within.get():
                _kernel(count, kernel.name, args, answer)
        return answer

    return run


KERNEL_WORK: dict[str, Callable[..., int]] = {
    "generate": lambda stream: 0,
    "combine": lambda c, v: math.prod(v.shape),
    "gram": lambda v, *_: int(v.shape[0]) * math.prod(v.shape),
    "matmul": lambda x, y: max(x.size * y.shape[-1], y.size * x.shape[-2]),
}
"""Kernels that are called outside of rules: their multiply-adds."""


def _kernel(count: Count, name: str, args: tuple[Any, ...], answer: Any) -> None:
    """Count a kernel that no rule has called; what it does with directions is work along them."""
    if name not in KERNEL_WORK:
        count.uncounted[f"kernel {name}"] += 1
        return
    count.directions += KERNEL_WORK[name](*args)
    count.bytes_read += sum(arg.nbytes for arg in args if isinstance(arg, np.ndarray))
    count.bytes_written += sum(leaf.nbytes for leaf in tree.leaves(answer) if isinstance(leaf, np.ndarray))
