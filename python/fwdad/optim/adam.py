"""Adam and AdamW."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.optim.core import Optimizer, axpby, check_number, zeros_like
from fwdad.optim.schedules import Schedule, constant


def adamw(
    learning_rate: float | Schedule,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay.

    ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g^2``,
    ``p -= lr ((m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + w p)``.

    Raises
    ------
    ValueError
        A negative rate or weight decay, an eps of 0, or a beta outside [0, 1).

    References
    ----------
    Kingma, Ba, arXiv 1412.6980, algorithm 1; Loshchilov, Hutter, arXiv 1711.05101, algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = adamw(0.1, weight_decay=0.0)
    >>> update, _ = optimizer.update(np.array([3.0]), optimizer.init(np.array([1.0])), np.array([1.0]))
    >>> np.round(update, 6)
    array([-0.1])
    """
    schedule = learning_rate if callable(learning_rate) else constant(learning_rate)
    check_number("beta1", beta1, 0, 1)
    check_number("beta2", beta2, 0, 1)
    check_number("eps", eps, 1e-30)  # 0 would divide 0 by 0 where no gradient ever came
    check_number("weight_decay", weight_decay, 0)

    def init(params: Any) -> dict[str, Any]:
        return {"step": np.zeros((), np.int64), "mean": zeros_like(params), "square": zeros_like(params)}

    def update(grads: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        step = int(state["step"])
        rate = schedule(step)
        mean = tree.map(lambda m, g: axpby(beta1, m, 1 - beta1, g), state["mean"], grads)
        square = tree.map(lambda v, g: axpby(beta2, v, 1 - beta2, g * g), state["square"], grads)
        # Both corrections as two numbers, so that each array is passed over once.
        size = rate / (1 - beta1 ** (step + 1))
        root = 1 / math.sqrt(1 - beta2 ** (step + 1))

        def leaf(m: Any, v: Any, p: Any) -> Any:
            change = -size * m / (np.sqrt(v) * root + eps)
            return change - (rate * weight_decay) * p if weight_decay else change

        new = {"step": state["step"] + np.int64(1), "mean": mean, "square": square}
        return tree.map(leaf, mean, square, params), new

    return Optimizer(init, update)


def adam(learning_rate: float | Schedule, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Adam: `adamw` without weight decay.

    Raises
    ------
    ValueError
        As `adamw` does.

    References
    ----------
    Kingma, Ba, arXiv 1412.6980, algorithm 1.
    """
    return adamw(learning_rate, beta1, beta2, eps, weight_decay=0.0)
