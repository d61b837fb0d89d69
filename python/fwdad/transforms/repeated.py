"""Where eigenvalues or singular values repeat: derivatives as limits of those at distinct values.

There single vectors have no derivative, but much that is made of them has: a projector, ``V sqrt(w) V^T``. At the
distinct values w + delta s all have one, for small delta. So values become w + delta s, and in the vectors' tangents

    T = V Omega,    Omega_ij = P_ij / (w_j - w_i)  ->  P_ij / (delta (s_j - s_i))

a part is divided by delta; in second derivatives by its square, and so on. So the numbers in the Duals' primals and
tangents are `Laurent` series in delta. In a result that exists at the repeated values the parts that are divided by
delta cancel, and what remains at delta = 0 is its derivative. Where they do not cancel, the result depends on single
vectors: LinAlgError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, plain
from fwdad.rules.assignment import added, written
from fwdad.transforms.carriers import LINEAR_ROWS, Carrier, kind_of_rule, rule_of
from fwdad.transforms.series import Run, Series

ORDER = 6
"""How many coefficients are computed at once; those behind are found when they are asked for."""

SUMS = {
    *LINEAR_ROWS, np.where, np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.block,
    np.append, np.insert, np.choose, np.select, written, added,
}  # fmt: skip
"""Functions that are linear in all their arguments together, also in those that are not series."""

PRODUCTS = {np.multiply, np.matmul, np.einsum, np.tensordot}
"""Functions that are linear in each of their arguments."""

NUMBERS = (float, int, complex)


class SplittingLevel(int):
    """A level of `jvp`: the rules of decompositions may part repeated values here."""

    def delta(self, slope: Array) -> Laurent:
        """Return ``delta slope``, below this level and above the next lower one."""
        return Laurent(_series(self._run(), [np.zeros_like(slope), slope]))

    def over_delta(self, value: Array) -> Laurent:
        """Return ``value / delta``."""
        return Laurent(_series(self._run(), [value]), 1, [largest(value)])

    def _run(self) -> Run:
        if not hasattr(self, "run"):
            self.run = Run(ORDER, self - 0.5)  # type: ignore[arg-type]
        return self.run


def _series(run: Run, coefficients: Sequence[Array]) -> Series:
    """Make a series of its first coefficients; the others are zero."""
    zero = np.zeros_like(plain(coefficients[0]))
    return Series(run, coefficients[0], lambda j: coefficients[j] if j < len(coefficients) else zero)


def _times_delta(x: Series, power: int) -> Series:
    """Multiply by a power of delta; a negative one drops the coefficients before it."""
    zero = np.zeros_like(plain(x.primal))

    def coefficient(j: int) -> Array:
        return x.coefficient(j - power) if j >= power else zero

    return Series(x.run, coefficient(0), coefficient)


class Laurent(Carrier):
    """The number ``series(delta) / delta^power``.

    `peaks[j]` is the largest number that has met in the part divided by ``delta^(j + 1)``. What is left there after
    all has cancelled is rounding, if it is small beside that.
    """

    __slots__ = ("peaks", "power", "series")
    parted = True
    """What tells the rules of decompositions that values were parted before."""

    def __init__(self, series: Series, power: int = 0, peaks: Sequence[float] = ()) -> None:
        self.series, self.power, self.peaks = series, power, peaks

    level: Any = property(lambda self: self.series.level)
    primal: Any = property(lambda self: self.series.coefficient(self.power))
    shape: Any = property(lambda self: self.series.shape)
    ndim: Any = property(lambda self: self.series.ndim)
    size: Any = property(lambda self: self.series.size)
    dtype: Any = property(lambda self: self.series.dtype)

    def part(self, exponent: int) -> Array:
        """Return the factor of ``delta^exponent``, for an exponent of at least ``-power``."""
        return self.series.coefficient(self.power + exponent)

    def peak(self, exponent: int) -> float:
        """Return the largest number that has met at an exponent."""
        return self.peaks[-exponent - 1] if exponent < 0 else largest(self.part(exponent))

    def over(self, power: int) -> Series:
        """Return this number times ``delta^power``, as a series; the power is at least its own."""
        return self.series if power == self.power else _times_delta(self.series, power - self.power)

    def settled(self) -> Laurent:
        """Drop the first parts that have cancelled: what is left of them is ``eps^(2/3)`` of their peak at most."""
        x = self
        while x.power and largest(x.part(-x.power)) <= np.finfo(x.dtype).eps ** (2 / 3) * x.peaks[-1]:
            x = Laurent(_times_delta(x.series, -1), x.power - 1, x.peaks[:-1])
        return x

    def regular(self) -> Series:
        """Return this number as a series.

        Raises np.linalg.LinAlgError where a part of it is divided by delta.
        """
        x = self.settled()
        if x.power:
            depends_on_single_vectors()
        return x.series

    def is_zero(self) -> Array:
        """Where all coefficients that are computed are zero."""
        return self.series.is_zero()

    def at_rest(self, value: Array) -> Laurent:
        """Return a constant."""
        return Laurent(_series(self.series.run, [value]))

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Make tangents of zeros."""
        return np.zeros((self.shape[0], *shape), dtype)

    def __copy__(self) -> Laurent:
        """Copy: a write into one of the two does not reach the other."""
        return Laurent(self.series, self.power, self.peaks)

    def become(self, other: Dual) -> None:
        """Take over another number."""
        assert isinstance(other, Laurent)
        self.series, self.power, self.peaks = other.series, other.power, other.peaks

    def __repr__(self) -> str:
        """Show the parts that are divided by delta, and the value."""
        parts = [f"{self.part(-j)} / delta^{j} + " for j in range(self.power, 0, -1)]
        return f"Laurent({''.join(parts)}{self.primal})"

    def __format__(self, spec: str) -> str:
        """Apply a number format to the value at delta = 0, of shape ()."""
        return format(self.primal, spec) if spec else str(self)

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute the answer's series by those of the arguments; only sums, products and quotients keep a power."""
        kind = kind_of_rule(function)
        if function is np.equal and self.power and all(np.ndim(arg) == 0 and arg == 0 for arg in args[1:]):
            return self.is_zero()  # so rules ask which entries of a tangent move
        if kind in ("constant", "composed"):
            return rule_of(function)(*args, **kwargs)
        if function is np.true_divide:
            return self._quotient(*args)
        mine = [leaf for leaf in tree.leaves((args, kwargs)) if self._is_mine(leaf)]
        if kind == "linear" or function in LINEAR_ROWS or (function is np.linalg.solve and not self._is_mine(args[0])):
            power = max(x.power for x in mine)
            peaks = [max(x.peaks[j] for x in mine if x.power > j) for j in range(power)]
            return self._call(function, args, kwargs, power, peaks, lambda x: x.over(power))
        if function in PRODUCTS:
            factors = [self._as_mine(leaf) for leaf in tree.leaves(args) if type(leaf) is not str]
            peaks = _peaks_of_product(factors)
            return self._call(function, args, kwargs, len(peaks), peaks, lambda x: x.series)
        return self._call(function, args, kwargs, 0, (), Laurent.regular)

    def _is_mine(self, leaf: Any) -> bool:
        return type(leaf) is Laurent and leaf.level == self.level

    def _as_mine(self, value: Array) -> Laurent:
        return value if self._is_mine(value) else self.at_rest(np.asarray(value) if type(value) in NUMBERS else value)

    def _call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        power: int,
        peaks: Sequence[float],
        series: Callable[[Laurent], Series],
    ) -> Any:
        """Call a function on series, and divide its answers by ``delta^power``."""
        first = 1 if function is np.where else 0  # what is summed

        def to_series(leaf: Any) -> Any:
            if self._is_mine(leaf):
                return series(leaf)
            number = type(leaf) in NUMBERS and (function in LINEAR_ROWS or function is np.where)
            if power and function in SUMS and (number or getattr(leaf, "dtype", np.dtype(int)).kind in "fc"):
                return _times_delta(_series(self.series.run, [np.asarray(leaf, self.dtype) if number else leaf]), power)
            return leaf

        def from_series(leaf: Any) -> Any:
            return Laurent(leaf, power, peaks) if type(leaf) is Series and leaf.run is self.series.run else leaf

        some_args, some_kwargs = tree.map(to_series, (args[first:], kwargs))
        return tree.map(from_series, function(*args[:first], *some_args, **some_kwargs))

    def _quotient(self, x: Array, y: Array) -> Laurent:
        """Divide; where the divisor begins with a power of delta, the quotient is divided by it."""
        x, divisor = self._as_mine(x), self._as_mine(y).regular()
        begins = _valuation(divisor)
        power = int(np.max(begins, initial=0))
        if power:
            x_series, y_series = x.series, divisor
            steps = range(power + 1)

            def numerator(j: int) -> Array:
                return sum(np.where(begins == v, _at(x_series, j - power + v), 0) for v in steps)

            def denominator(j: int) -> Array:
                return sum(np.where(begins == v, y_series.coefficient(j + v), 0) for v in steps)

            run = self.series.run
            top, divisor = Series(run, numerator(0), numerator), Series(run, denominator(0), denominator)
        else:
            top = x.series
        quotient: Any = np.true_divide(top, divisor)
        first, gain = largest(top.primal), largest(quotient.primal)
        gain = gain / first if first else 1.0
        total = x.power + power
        peaks = []
        for j in range(1, total + 1):
            inherited = [x.peaks[j - v - 1] for v in range(power + 1) if 0 <= j - v - 1 < x.power]
            peaks.append(max(largest(quotient.coefficient(total - j)), gain * max(inherited, default=0.0)))
        return Laurent(quotient, total, peaks)


def _at(x: Series, j: int) -> Array:
    """Return a coefficient; those before the first are zero."""
    return x.coefficient(j) if j >= 0 else np.zeros_like(plain(x.primal))


def _valuation(x: Series) -> np.ndarray:
    """Return with which power of delta each entry begins; 0 for entries that are zero."""
    begins = np.full(x.shape, -1)
    for j in range(ORDER):
        found = (begins < 0) & np.not_equal(plain(x.coefficient(j)), 0)
        begins[found] = j
        if np.all(begins >= 0):
            break
    return np.maximum(begins, 0)


def _peaks_of_product(factors: list[Laurent]) -> list[float]:
    """Combine the peaks of factors as their series are combined."""
    power = sum(x.power for x in factors)
    peaks = {0: 1.0}
    for x in factors:
        new: dict[int, float] = {}
        for exponent, size in peaks.items():
            for own in range(-x.power, power - x.power + 1):
                new[exponent + own] = max(new.get(exponent + own, 0.0), size * x.peak(own))
        peaks = new
    return [peaks[-j] for j in range(1, power + 1)]


def largest(value: Array) -> float:
    """Return the size of the largest number in an array, or in a Dual's primal and tangents."""
    if type(value) is Dual:
        return max(largest(value.primal), largest(value.tangent))
    return float(np.max(np.abs(plain(value)), initial=0))


def depends_on_single_vectors() -> NoReturn:
    """Raise LinAlgError: a result does not exist."""
    raise np.linalg.LinAlgError(
        "a result depends on single vectors of equal eigenvalues or singular values, which have no derivative. "
        "What does not depend on their choice has one: the values together, other vectors, projectors, V f(w) V^T"
    )


def resolved(primal: Array, tangent: Array, level: int) -> tuple[Array, Array]:
    """Return a result and its tangent where the delta of this level is 0, and with the others' parts settled.

    Raises np.linalg.LinAlgError where a part of them is divided by delta.
    """
    return _resolved(primal, level), _resolved(tangent, level)


def _resolved(value: Array, level: int) -> Array:
    if type(value) is Dual:  # of a lower level
        return Dual(_resolved(value.primal, level), _resolved(value.tangent, level), value.level)
    if type(value) is not Laurent:
        return value
    return value.regular().primal if value.series.run is getattr(level, "run", None) else value.settled()
