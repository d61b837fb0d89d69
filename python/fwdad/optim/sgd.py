"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import tree
from fwdad.optim.core import Optimizer, axpby, check_number, scaled, zeros_like
from fwdad.optim.schedules import Schedule, constant


def sgd(
    learning_rate: float | Schedule, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
) -> Optimizer:
    """Gradient descent with momentum ``m``, Nesterov's variant, and weight decay ``w`` added to the gradient.

    ``g' = g + w p``, ``b = m b + g'``, ``p -= lr b`` (Nesterov: ``p -= lr (g' + m b)``).

    Raises
    ------
    ValueError
        A negative rate or decay, a momentum outside [0, 1), or Nesterov without momentum.

    References
    ----------
    Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = sgd(0.5, momentum=0.5)
    >>> p, g = np.array([1.0]), np.array([1.0])
    >>> state = optimizer.init(p)
    >>> for _ in range(2):
    ...     p, state = optimizer.step(g, state, p)
    >>> p
    array([-0.25])
    """
    schedule = learning_rate if callable(learning_rate) else constant(learning_rate)
    check_number("momentum", momentum, 0, 1)
    check_number("weight_decay", weight_decay, 0)
    if nesterov and momentum == 0:
        raise ValueError("nesterov=True needs a momentum above 0, got momentum=0")

    def init(params: Any) -> dict[str, Any]:
        state: dict[str, Any] = {"step": np.zeros((), np.int64)}
        return {**state, "momentum": zeros_like(params)} if momentum else state

    def update(grads: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        if weight_decay:
            grads = tree.map(lambda g, p: axpby(1, g, weight_decay, p), grads, params)
        new = {"step": state["step"] + np.int64(1)}
        direction = grads
        if momentum:
            new["momentum"] = direction = tree.map(lambda b, g: axpby(momentum, b, 1, g), state["momentum"], grads)
            if nesterov:
                direction = tree.map(lambda b, g: axpby(1, g, momentum, b), new["momentum"], grads)
        return scaled(-schedule(int(state["step"])), direction), new

    return Optimizer(init, update)
