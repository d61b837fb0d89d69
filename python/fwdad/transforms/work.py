"""How much a call of NumPy computes: multiply-adds, and bytes read and written."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import name_of
from fwdad.rules.assignment import VIEWS, added, written
from fwdad.rules.forms import ELEMENTWISE
from fwdad.rules.kinks import kink
from fwdad.transforms.carriers import leaves_of


def _einsum(args: tuple[Any, ...], answer: Any) -> int | None:
    """One for each value of all indices together."""
    if not isinstance(args[0], str) or "." in args[0]:
        return None
    words = args[0].replace(" ", "").partition("->")[0].split(",")
    axes = (zip(word, np.shape(array), strict=True) for word, array in zip(words, args[1:], strict=True))
    sizes: dict[str, int] = dict(itertools.chain.from_iterable(axes))
    return math.prod(sizes.values())


def _cubes(args: tuple[Any, ...], answer: Any) -> int:
    """n^3 for each n x n matrix."""
    return int(np.size(args[0])) * int(np.shape(args[0])[-1])


def _solve(args: tuple[Any, ...], answer: Any) -> int:
    return _cubes(args, answer) // 3 + int(np.size(answer)) * int(np.shape(args[0])[-1])


def _sum_of_products(args: tuple[Any, ...], answer: Any) -> int:
    """Return abc for factors of sizes ac and cb, and their product of size ab."""
    return math.isqrt(np.size(args[0]) * np.size(args[1]) * np.size(answer))


WORK: dict[Callable[..., Any], Callable[[tuple[Any, ...], Any], int | None]] = {
    **dict.fromkeys(
        (*VIEWS, written, kink, np.astype, np.copy, np.copyto, np.positive, np.zeros_like, np.ones_like, np.empty_like,
         np.full_like, np.concatenate, np.stack, np.split, np.array_split, np.where, np.take, np.take_along_axis,
         np.tril, np.triu, np.diag, np.roll, np.repeat, np.tile, np.rot90, np.shape, np.ndim, np.size, np.iscomplexobj,
         np.nonzero, np.flatnonzero, np.count_nonzero, np.all, np.any, np.argmax, np.argmin),
        lambda args, answer: 0),
    **dict.fromkeys(
        (np.sum, np.mean, np.prod, np.max, np.min, np.amax, np.amin, np.nanmax, np.nanmin, np.cumsum, np.cumprod,
         np.trace),
        lambda args, answer: np.size(args[0])),
    np.matmul: lambda args, answer: np.size(answer) * np.shape(args[0])[-1],
    np.dot: _sum_of_products, np.inner: _sum_of_products, np.tensordot: _sum_of_products, np.outer: _sum_of_products,
    np.kron: _sum_of_products, np.vdot: lambda args, answer: np.size(args[0]),
    np.einsum: _einsum,
    np.conjugate: lambda args, answer: np.size(answer) if np.iscomplexobj(answer) else 0,
    added: lambda args, answer: np.size(args[1]),
    np.linalg.inv: _cubes,
    np.linalg.solve: _solve,
    np.linalg.det: lambda args, answer: _cubes(args, answer) // 3,
    np.linalg.slogdet: lambda args, answer: _cubes(args, answer) // 3,
    np.linalg.cholesky: lambda args, answer: _cubes(args, answer) // 6,
}  # fmt: skip
"""Function -> its multiply-adds, from its positional arguments and its answer; None where that depends on more."""


def multiply_adds(function: Callable[..., Any], args: tuple[Any, ...], answer: Any) -> int | None:
    """Return the multiply-adds of one call with plain arrays, or None for a function without a formula.

    One for each entry of an elementwise function's answer, each product of a matrix product, each entry that is summed;
    none for comparisons and for what only moves entries; the leading term of `np.linalg.inv`, `solve`, `det`, `slogdet`
    and `cholesky`.

    >>> multiply_adds(np.matmul, (np.ones((2, 3)), np.ones((3, 4))), np.ones((2, 4)))
    24
    """
    if function in WORK:
        work = WORK[function](args, answer)
        return None if work is None else int(work)
    if (isinstance(function, np.ufunc) and function.signature is None) or function in ELEMENTWISE:
        first = answer[0] if isinstance(answer, tuple) else answer
        return 0 if np.asarray(first).dtype.kind == "b" else int(np.size(first))
    return None


@dataclass
class Tally:
    """What has been computed."""

    once: int = 0
    directions: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    uncounted: Counter[str] = field(default_factory=Counter)

    def enter(self, function: Callable[..., Any], args: Any, kwargs: Any, answer: Any, along_directions: bool) -> None:
        """Count one call with plain arrays."""
        work = multiply_adds(function, args, answer)
        if work is None:
            self.uncounted[name_of(function)] += 1
        elif along_directions:
            self.directions += work
        else:
            self.once += work
        given = [leaf for leaf in leaves_of(args, kwargs) if isinstance(leaf, np.ndarray)]
        made = [leaf for leaf in tree.leaves(answer) if isinstance(leaf, np.ndarray)]
        if work or not any(np.may_share_memory(a, b) for a in given for b in made):  # a view costs nothing
            self.bytes_read += sum(array.nbytes for array in given)
            self.bytes_written += sum(array.nbytes for array in made)

    def include(self, other: Tally) -> None:
        """Add what another has counted."""
        self.once += other.once
        self.directions += other.directions
        self.bytes_read += other.bytes_read
        self.bytes_written += other.bytes_written
        self.uncounted.update(other.uncounted)
