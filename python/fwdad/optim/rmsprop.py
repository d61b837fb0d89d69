"""RMSprop."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import tree
from fwdad.optim.core import Optimizer, axpby, check_number, scaled, zeros_like
from fwdad.optim.schedules import Schedule, constant


def rmsprop(
    learning_rate: float | Schedule, decay: float = 0.99, eps: float = 1e-8, momentum: float = 0.0
) -> Optimizer:
    """Divide each step by a running root mean square of the gradient, with momentum ``m``.

    ``v = a v + (1 - a) g^2``, ``b = m b + g / (sqrt(v) + eps)``, ``p -= lr b``.

    Raises
    ------
    ValueError
        A negative rate, a decay or momentum outside [0, 1), or an eps of 0.

    References
    ----------
    Tieleman, Hinton, Neural Networks for Machine Learning, lecture 6.5, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = rmsprop(0.1, decay=0.75)
    >>> update, _ = optimizer.update(np.array([3.0]), optimizer.init(np.array([1.0])), np.array([1.0]))
    >>> np.round(update, 6)
    array([-0.2])
    """
    schedule = learning_rate if callable(learning_rate) else constant(learning_rate)
    check_number("decay", decay, 0, 1)
    check_number("eps", eps, 1e-30)
    check_number("momentum", momentum, 0, 1)

    def init(params: Any) -> dict[str, Any]:
        state = {"step": np.zeros((), np.int64), "square": zeros_like(params)}
        return {**state, "momentum": zeros_like(params)} if momentum else state

    def update(grads: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        square = tree.map(lambda v, g: axpby(decay, v, 1 - decay, g * g), state["square"], grads)
        new = {"step": state["step"] + np.int64(1), "square": square}
        direction = tree.map(lambda g, v: g / (np.sqrt(v) + eps), grads, square)
        if momentum:
            new["momentum"] = direction = tree.map(lambda b, u: axpby(momentum, b, 1, u), state["momentum"], direction)
        return scaled(-schedule(int(state["step"])), direction), new

    return Optimizer(init, update)
