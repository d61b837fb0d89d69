"""What an optimiser is: a pair of pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fwdad import tree

Params = Any
State = Any


class Optimizer(NamedTuple):
    """A pair of functions over pytrees of parameters; an optimiser holds no state of its own.

    init(params) -> state : arrays only, so that a checkpoint can hold it.
    update(grads, state, params) -> (updates, state) : add the updates to the parameters to take the step.

    >>> import numpy as np
    >>> from fwdad import optim
    >>> optimizer = optim.sgd(0.1)
    >>> params = {"w": np.array([1.0])}
    >>> state = optimizer.init(params)
    >>> updates, state = optimizer.update({"w": np.array([2.0])}, state, params)
    >>> optim.apply_updates(params, updates)
    {'w': array([0.8])}
    """

    init: Callable[[Params], State]
    update: Callable[[Params, State, Params], tuple[Params, State]]


def apply_updates(params: Params, updates: Params) -> Params:
    """``params + updates``, leaf by leaf, in the parameters' dtypes; buffers stay as they are.

    Raises ValueError when the structures differ.
    """

    def updated(p: Any, u: Any) -> Any:
        return p if tree.is_buffer(p) else (p + u).astype(p.dtype, copy=False)

    return tree.map(updated, params, updates, is_leaf=tree.is_buffer)


def zeros_like(params: Params) -> Params:
    """A tree of zeros with the shapes and dtypes of the parameters."""
    return tree.map(np.zeros_like, params)


def check_number(name: str, value: float, low: float, high: float = np.inf) -> None:
    """Raise ValueError unless low <= value < high (NaN never passes)."""
    if not low <= value < high:
        raise ValueError(
            f"{name} must be at least {low:g}{'' if high == np.inf else f' and below {high:g}'}, got {value}"
        )
