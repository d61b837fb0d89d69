"""A checker for layers, for this library's tests and its users' own layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import estimators, tree
from fwdad.dual import Dual, new_level
from fwdad.estimators.forward_gradient import is_parameter
from fwdad.testing import check_jvp, expect_close
from fwdad.transforms import jvp

Layer = Callable[[Any], Any]


def check_layer(layer: Any, x: np.ndarray, k: int = 3, local: bool = True, tolerance: float = 1e-7) -> None:
    """Raise AssertionError unless a layer's derivatives are right: layer(x) of float64 parameters, x (B, ...).

    Against the mathematics: JVPs in x (if it is floating) and all parameters, by `fwdad.testing.check_jvp`. Against
    itself: streamed directions give what the same directions give as arrays. With `local`: the gradient by moving
    activities, put together by the layer's ``local_gradient``, is the gradient by moving parameters.

    >>> from fwdad import nn
    >>> check_layer(nn.Linear(3, 2, activation="tanh", dtype=np.float64), np.ones((4, 3)))
    """
    leaves, structure = tree.flatten(layer, tree.is_buffer)
    moving = [i for i, leaf in enumerate(leaves) if is_parameter(leaf)]

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
    streams = [estimators.Normal(k, 5).draw(i, p.shape, p.dtype, 0) for i, p in enumerate(parameters)]
    y, dense = jvp(call, tuple(parameters), tuple(s.dense() for s in streams))
    level = new_level()
    streamed = call(*(Dual(p, s, level) for p, s in zip(parameters, streams, strict=True)))
    expect_close(streamed.primal, y, 1e-13, "the primal with streamed directions")
    expect_close(streamed.tangent, dense, 1e-11, "streamed directions differ from the same in arrays")


def _check_local_gradient(layer: Layer, x: np.ndarray) -> None:
    factors = np.random.default_rng(1).standard_normal(layer(x).shape[1:])

    def loss(layer: Layer, x: Any) -> Any:  # with a slope everywhere
        y = layer(x)
        return np.sum((np.sin(y) * factors).reshape(y.shape[0], -1), axis=1)

    _, by_weight = estimators.exact_gradient(loss, layer, x)
    _, by_activity = estimators.exact_gradient(loss, layer, x, perturb="activity")
    expected = tree.named_leaves(by_weight)
    for name, g in tree.named_leaves(by_activity).items():
        expect_close(g, expected[name], 1e-9, f"{name}: the local gradient differs from the gradient")
