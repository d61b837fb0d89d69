"""What an optimiser is: pure functions of gradients, state and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels, tree
from fwdad.kernels import policy

Params = Any
State = Any


class Optimizer(NamedTuple):
    """Functions over pytrees of parameters; an optimiser holds no state of its own.

    init(params) -> state : arrays only, so that a checkpoint can hold it.
    update(grads, state, params) -> (updates, state) : add the updates to the parameters to take the step.
    factored(grads, state, params) -> (factor, parts, state) : may be given beside `update` where the updates are one
        number times some tree: then `step` calls it instead, and multiplies and adds in one pass over memory.

    >>> import numpy as np
    >>> from fwdad import optim
    >>> optimizer = optim.sgd(0.1)
    >>> params = {"w": np.array([1.0])}
    >>> state = optimizer.init(params)
    >>> params, state = optimizer.step({"w": np.array([2.0])}, state, params)
    >>> params
    {'w': array([0.8])}
    """

    init: Callable[[Params], State]
    update: Callable[[Params, State, Params], tuple[Params, State]]
    factored: Callable[[Params, State, Params], tuple[float, Params, State]] | None = None

    def step(self, grads: Params, state: State, params: Params) -> tuple[Params, State]:
        """The parameters and the state after one step: `apply_updates` of what `update` gives, with the same bits.

        Raises ValueError when the structures differ.
        """
        if self.factored is None:
            updates, state = self.update(grads, state, params)
            return apply_updates(params, updates), state
        factor, parts, state = self.factored(grads, state, params)
        return _moved(params, factor, parts), state


def from_factored(
    init: Callable[[Params], State], factored: Callable[[Params, State, Params], tuple[float, Params, State]]
) -> Optimizer:
    """An optimiser whose `update` is the factor times the parts."""

    def update(grads: Params, state: State, params: Params) -> tuple[Params, State]:
        factor, parts, state = factored(grads, state, params)
        return tree.map(lambda part: float(factor) * part, parts), state

    return Optimizer(init, update, factored)


def apply_updates(params: Params, updates: Params) -> Params:
    """``params + updates``, leaf by leaf, in the parameters' dtypes; buffers stay as they are.

    Raises ValueError when the structures differ.
    """
    return _moved(params, 1, updates)


def _moved(params: Params, factor: float, parts: Params) -> Params:
    def moved(p: Any, part: Any) -> Any:
        return p if tree.is_buffer(p) else axpby(1, p, factor, part).astype(p.dtype, copy=False)

    return tree.map(moved, params, parts, is_leaf=tree.is_buffer)


def axpby(a: float, x: Any, b: float, y: Any) -> Any:
    """``a x + b y`` of two leaves; large ones in one pass of a kernel, with the same bits."""
    a, b = float(a), float(b)  # a NumPy scalar would turn float32 arrays into float64
    if policy.use_axpby(x, y):
        return kernels.axpby(a, x, b, y)
    return (x if a == 1 else a * x) + (y if b == 1 else b * y)


def zeros_like(params: Params) -> Params:
    """A tree of zeros with the shapes and dtypes of the parameters."""
    return tree.map(np.zeros_like, params)


def check_number(name: str, value: float, low: float, high: float = np.inf) -> None:
    """Raise ValueError unless low <= value < high (NaN never passes)."""
    if not low <= value < high:
        raise ValueError(
            f"{name} must be at least {low:g}{'' if high == np.inf else f' and below {high:g}'}, got {value}"
        )
