"""A checker for JVP rules, for this library's tests and its users' own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.transforms import jvp


def check_jvp(
    f: Callable[..., Any],
    primals: Sequence[np.ndarray],
    k: int = 3,
    seed: int = 0,
    tolerance: float = 1e-7,
    step: float = 1e-3,
) -> None:
    """Raise AssertionError unless f's JVPs are right at these float64 primals.

    Against the mathematics: central differences of fourth order, ``(8 (f(x+h) - f(x-h)) - f(x+2h) + f(x-2h)) / 12h``,
    with an absolute and relative tolerance; against itself: k tangents in one pass equal k passes up to rounding; and
    the primal equals f without tangents. NaN never passes.

    >>> import numpy as np
    >>> check_jvp(np.sin, [np.array([0.3, 2.0])])
    """
    primals = tuple(np.asarray(x, np.float64) for x in primals)
    rng = np.random.default_rng(seed)
    tangents = tuple(rng.standard_normal((k, *x.shape)) for x in primals)
    y, dy = jvp(f, primals, tangents)
    for value, expected in zip(tree.leaves(y), tree.leaves(f(*primals)), strict=True):
        expect_close(value, expected, 1e-14, "the primal differs from f(x)")
    for i in range(k):
        directions = tuple(t[i] for t in tangents)
        single = tree.leaves(jvp(f, primals, directions)[1])
        values = [
            tree.leaves(f(*(x + h * step * v for x, v in zip(primals, directions, strict=True))))
            for h in (1, -1, 2, -2)
        ]
        for leaf, (batched, alone, forth, back, forth2, back2) in enumerate(
            zip(tree.leaves(dy), single, *values, strict=True)
        ):
            where = f"result {leaf}, tangent {i}"
            expect_close(batched[i], alone, 1e-12, f"{where}: k tangents in one pass differ from one")
            numeric = (8 * (forth - back) - (forth2 - back2)) / (12 * step)
            expect_close(batched[i], numeric, tolerance, f"{where}: the JVP differs from central differences")


def expect_close(value: Any, expected: Any, tolerance: float, message: str) -> None:
    """Raise AssertionError unless both are finite, of one shape, and ``tolerance (1 + |expected|)`` apart at most."""
    value, expected = np.asarray(value), np.asarray(expected)
    if value.shape != expected.shape:
        raise AssertionError(f"{message}: shape {value.shape}, expected {expected.shape}")
    if not (np.all(np.isfinite(value)) and np.all(np.isfinite(expected))):
        raise AssertionError(f"{message}: not finite:\n{value}\nexpected\n{expected}")
    error = np.abs(value - expected) / (1 + np.abs(expected))
    if not np.all(error <= tolerance):
        raise AssertionError(f"{message}: error {np.max(error):.3g} > {tolerance:.3g}:\n{value}\nexpected\n{expected}")
