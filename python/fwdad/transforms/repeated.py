"""Where eigenvalues or singular values repeat: derivatives as limits of those at distinct values.

There single vectors have no derivative, but much that is made of them has: a projector, ``V sqrt(w) V^T``. At the
distinct values w + delta s all have one, for small delta. So values become w + delta s, and in the vectors' tangents

    T = V Omega,    Omega_ij = P_ij / (w_j - w_i)  ->  P_ij / (delta (s_j - s_i))

a part is divided by delta. Values are carried to first order in delta as Duals of a level between this transform's and
the next lower one, and tangents as `Split`. In a result that exists at the repeated values the divided parts cancel,
and what remains is its derivative. Where they do not cancel, the result depends on single vectors: LinAlgError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, plain
from fwdad.rules.assignment import written
from fwdad.transforms.carriers import LINEAR_ROWS, Carrier

SUMS = {*LINEAR_ROWS, np.concatenate, np.stack, np.where, written}
"""Functions that are linear in all their arguments together, where a tangent beside a `Split` is not divided."""


class SplittingLevel(int):
    """A level of `jvp`: the rules of decompositions may split repeated values here."""

    @property
    def inner(self) -> float:
        """The level of numbers to first order in delta."""
        return self - 0.5

    def to_first_order(self, value: Array, change: Array) -> Dual:
        """Return ``value + delta change``."""
        return Dual(value, np.broadcast_to(change, value.shape)[np.newaxis].astype(value.dtype), self.inner)  # type: ignore[arg-type]

    def split(self, divided: Array, rest: Array) -> Split:
        """Return the tangent ``divided / delta + rest``."""
        return Split(self.to_first_order(divided, rest), self.inner, largest(divided))


class Split(Carrier):
    """The tangent ``times_delta / delta``; `rate` is the largest entry that was divided, for rounding."""

    __slots__ = ("rate", "times_delta")

    def __init__(self, times_delta: Dual, inner: float, rate: float) -> None:
        self.times_delta, self.rate = times_delta, rate
        self.level = inner + 0.25  # type: ignore[assignment]  # above the values, which it meets

    shape: Any = property(lambda self: self.times_delta.shape)
    ndim: Any = property(lambda self: self.times_delta.ndim)
    size: Any = property(lambda self: self.times_delta.size)
    dtype: Any = property(lambda self: self.times_delta.dtype)
    primal: Any = property(lambda self: self.times_delta.primal)

    def __copy__(self) -> Split:
        """Copy: a write into one of the two does not reach the other."""
        return Split(self.times_delta, self.level - 0.25, self.rate)

    def __repr__(self) -> str:
        """Show both parts."""
        return f"Split(divided={self.times_delta.primal}, rest={self.times_delta.tangent[0]})"

    def become(self, other: Dual) -> None:
        """Take over another tangent."""
        assert isinstance(other, Split)
        self.times_delta, self.rate = other.times_delta, other.rate

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Make tangents of zeros."""
        return np.zeros((self.shape[0], *shape), dtype)

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute a linear function of tangents: times delta, as their numbers are."""
        if function is np.equal:  # rules ask which entries do not move
            return np.logical_and(np.equal(self.times_delta.primal, 0), np.equal(self.times_delta.tangent[0], 0))
        inner = self.times_delta.level
        rate = max(leaf.rate for leaf in tree.leaves((args, kwargs)) if type(leaf) is Split)

        def times_delta(leaf: Any) -> Any:
            if type(leaf) is Split:
                return leaf.times_delta
            if function not in SUMS or getattr(leaf, "dtype", np.dtype(int)).kind not in "fc":
                return leaf
            values = leaf.primal if isinstance(leaf, Dual) and leaf.level == inner else leaf
            return Dual(np.zeros_like(plain(values)), values[np.newaxis], inner)

        some_args, some_kwargs = tree.map(times_delta, (args, kwargs))
        answer = function(*some_args, **some_kwargs)
        return tree.map(lambda leaf: Split(leaf, inner, rate) if type(leaf) is Dual else leaf, answer)


def largest(value: Array) -> float:
    """Return the size of the largest number in an array, or in a Dual's primal and tangents."""
    if isinstance(value, Dual):
        return max(largest(value.primal), largest(value.tangent))
    return float(np.max(np.abs(value), initial=0))


def resolved(primal: Array, tangent: Array, level: int) -> tuple[Array, Array]:
    """Return a result and its tangent where delta is 0.

    Raises np.linalg.LinAlgError where a part of the tangent is divided by delta.
    """
    inner = getattr(level, "inner", None)
    if inner is None:
        return primal, tangent
    if type(primal) is Dual and primal.level == inner:
        primal = primal.primal
    if type(tangent) is Dual and tangent.level == inner:
        tangent = tangent.primal
    if type(tangent) is Split and tangent.level == inner + 0.25:
        divided, rest = tangent.times_delta.primal, tangent.times_delta.tangent[0]
        size = tangent.rate * largest(primal) + largest(rest)
        if largest(divided) > 1e5 * np.finfo(divided.dtype).eps * size:
            raise np.linalg.LinAlgError(
                "a result depends on single vectors of equal eigenvalues or singular values, which have no derivative. "
                "What does not depend on their choice has one: the values, other vectors, projectors, V f(w) V^T"
            )
        tangent = rest
    return primal, tangent
