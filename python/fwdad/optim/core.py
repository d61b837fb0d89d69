"""What an optimiser is: a pair of pure functions of gradients, state and parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from fwdad import kernels, tree
from fwdad.kernels import policy

Params = Any
Updates = Any
State = Any
P = TypeVar("P")


class Optimizer(NamedTuple):
    """A pair of functions over pytrees of parameters; an optimiser holds no state of its own.

    Optimisers are made from optimisers by wrapping the two functions: see `clipped`, `grouped`, `averaged`.

    Parameters
    ----------
    init
        ``init(params) -> state``: arrays only, so that a checkpoint can hold it.
    update
        ``update(grads, state, params) -> (updates, state)``: `apply_updates` adds the updates to the parameters. A leaf
        of the updates is an array, or a `Scaled` one.

    Examples
    --------
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
    update: Callable[[Params, State, Params], tuple[Updates, State]]

    def step(self, grads: P, state: State, params: P) -> tuple[P, State]:
        """Return the parameters and the state after one step: `update`, then `apply_updates`.

        Raises
        ------
        ValueError
            The structures differ.
        """
        updates, state = self.update(grads, state, params)
        return apply_updates(params, updates), state


@dataclass(eq=False)
class Scaled(NDArrayOperatorsMixin):
    """``factor * array``, multiplied out only when it is used as an array.

    `apply_updates` multiplies and adds in one pass over memory, where an array of updates would take a second one.

    Examples
    --------
    >>> import numpy as np
    >>> 1 + Scaled(-0.5, np.array([2.0]))
    array([0.])
    """

    factor: float
    array: Any

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Multiply out; the memory is always new."""
        return np.asarray(self.factor * self.array, dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Multiply out, then call the function."""
        return getattr(ufunc, method)(*(x.factor * x.array if isinstance(x, Scaled) else x for x in inputs), **kwargs)


def scaled(factor: float, parts: Params) -> Updates:
    """Return the updates ``factor * parts``."""
    number = float(factor)  # a NumPy scalar would turn float32 arrays into float64
    return tree.map(lambda part: Scaled(number, part), parts)


def apply_updates(params: P, updates: Updates) -> P:
    """Return ``params + updates``, leaf by leaf, in the parameters' dtypes; buffers stay as they are.

    Raises
    ------
    ValueError
        The structures differ.
    """

    def moved(p: Any, update: Any) -> Any:
        if tree.is_buffer(p):
            return p
        factor, part = (update.factor, update.array) if isinstance(update, Scaled) else (1, update)
        return axpby(1, p, factor, part).astype(p.dtype, copy=False)

    return cast("P", tree.map(moved, params, updates, is_leaf=tree.is_buffer))


def axpby(a: float, x: Any, b: float, y: Any) -> Any:
    """Return ``a x + b y`` of two leaves; large ones take one pass of a kernel, with the same bits."""
    a, b = float(a), float(b)  # a NumPy scalar would turn float32 arrays into float64
    if policy.use_axpby(x, y):
        return kernels.axpby(a, x, b, y)
    return (x if a == 1 else a * x) + (y if b == 1 else b * y)


def zeros_like(params: Params) -> Params:
    """Return a tree of zeros with the shapes and dtypes of the parameters."""
    return tree.map(np.zeros_like, params)


def check_number(name: str, value: float, low: float, high: float = np.inf) -> None:
    """Raise ValueError unless low <= value < high (NaN never passes)."""
    if not low <= value < high:
        raise ValueError(
            f"{name} must be at least {low:g}{'' if high == np.inf else f' and below {high:g}'}, got {value}"
        )
