"""Checkers of JVP rules and of layers, for this library's tests and its users' own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fwdad import estimators, tree
from fwdad.dual import Dual, new_level
from fwdad.transforms import jvp

Layer = Callable[[Any], Any]


def check_jvp(
    f: Callable[..., Any],
    primals: Sequence[np.ndarray],
    k: int = 3,
    *,
    seed: int = 0,
    tolerance: float = 1e-7,
    step: float = 1e-3,
) -> None:
    """Check a function's JVPs.

    They must agree with central differences of fourth order, ``(8 (f(x+h) - f(x-h)) - f(x+2h) + f(x-2h)) / 12h``. k
    tangents in one pass must be those of k passes, up to rounding, and the primal f without tangents. NaN never passes.

    Parameters
    ----------
    f : callable
        A function of arrays that gives a pytree of arrays.
    primals : sequence of arrays
        Where; they become float64.
    k : int
        How many random directions.
    seed : int
        What the directions follow from.
    tolerance : float
        How far JVPs and differences may be apart, absolute and relative.
    step : float
        h.

    Raises
    ------
    AssertionError
        Where they do not agree.
    TypeError
        For one array in place of a sequence of arrays.

    Examples
    --------
    >>> import numpy as np
    >>> check_jvp(np.sin, [np.array([0.3, 2.0])])
    """
    if isinstance(primals, np.ndarray):
        raise TypeError("primals must be a sequence, one array for each argument of f: check_jvp(f, (x,)), not (f, x)")
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


def check_layer(layer: Any, x: np.ndarray, k: int = 3, local: bool = True, tolerance: float = 1e-7) -> None:
    """Check a layer's derivatives.

    JVPs in x (if it is floating) and all parameters must pass `check_jvp`. Streamed directions must give what the same
    directions give as arrays. The gradient by moving activities, which the layer's ``local_gradient`` puts together,
    must be the gradient by moving parameters.

    Parameters
    ----------
    layer : Perturbable
        A layer of float64 parameters.
    x : (B, ...)
        Its input.
    k : int
        How many random directions.
    local : bool
        Whether the layer has a ``local_gradient``.
    tolerance : float
        As of `check_jvp`.

    Raises
    ------
    AssertionError
        Where they do not agree.

    Examples
    --------
    >>> from fwdad import nn
    >>> check_layer(nn.Linear(3, 2, activation="tanh", dtype=np.float64), np.ones((4, 3)))
    """
    leaves, structure = tree.flatten(layer, tree.is_buffer)
    moving = [i for i, leaf in enumerate(leaves) if tree.is_parameter(leaf)]

    def call(x: Any, *values: Any) -> Any:
        changed = list(leaves)
        for i, value in zip(moving, values, strict=True):
            changed[i] = value
        return tree.unflatten(structure, changed)(x)

    parameters = [leaves[i] for i in moving]
    if np.issubdtype(x.dtype, np.floating):
        check_jvp(call, [x, *parameters], k=k, tolerance=tolerance)
    else:
        check_jvp(lambda *values: call(x, *values), parameters, k=k, tolerance=tolerance)
    _check_streams(lambda *values: call(x, *values), parameters, k)
    if local:
        _check_local_gradient(layer, x)


def _check_streams(call: Callable[..., Any], parameters: list[np.ndarray], k: int) -> None:
    streams = [estimators.Normal(k, seed=5).draw(i, p.shape, p.dtype, 0) for i, p in enumerate(parameters)]
    y, dense = jvp(call, tuple(parameters), tuple(s.dense() for s in streams))
    level = new_level()
    streamed = call(*(Dual(p, s, level) for p, s in zip(parameters, streams, strict=True)))
    expect_close(streamed.primal, y, 1e-13, "the primal with streamed directions")
    expect_close(streamed.tangent, dense, 1e-11, "streamed directions differ from the same in arrays")


def _check_local_gradient(layer: Layer, x: np.ndarray) -> None:
    factors = np.random.default_rng(1).standard_normal(layer(x).shape[1:])

    def loss(layer: Layer, x: Any) -> Any:
        y = layer(x)  # what follows has a slope everywhere
        return np.sum((np.sin(y) * factors).reshape(y.shape[0], -1), axis=1)

    _, by_weight = estimators.exact_gradient(loss, layer, x, perturb="weight")
    _, by_activity = estimators.exact_gradient(loss, layer, x, perturb="activity")
    expected = tree.named_leaves(by_weight)
    for name, g in tree.named_leaves(by_activity).items():
        expect_close(g, expected[name], 1e-9, f"{name}: the local gradient differs from the gradient")
