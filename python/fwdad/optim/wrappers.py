"""Optimisers made from optimisers: clipped gradients, parameter groups, a moving average of the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.optim.core import Optimizer, apply_updates, axpby, check_number


def clipped(optimizer: Optimizer, max_norm: float) -> Optimizer:
    """`optimizer` on gradients scaled down to a global norm of at most ``max_norm``: ``g min(1, max_norm / |g|)``.

    The norm is over all parameters together, in float64.

    Raises
    ------
    ValueError
        The norm is not above 0.

    References
    ----------
    Pascanu, Mikolov, Bengio, arXiv 1211.5063, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import optim
    >>> optimizer = clipped(optim.sgd(1.0), max_norm=1.0)
    >>> params = np.zeros(2)
    >>> optimizer.step(np.array([3.0, 4.0]), optimizer.init(params), params)[0]
    array([-0.6, -0.8])
    """
    check_number("max_norm", max_norm, 1e-30)

    def update(grads: Any, state: Any, params: Any) -> tuple[Any, Any]:
        norm = math.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in tree.leaves(grads)))
        if norm > max_norm:
            grads = tree.map(lambda g: (g * (max_norm / norm)).astype(g.dtype, copy=False), grads)
        return optimizer.update(grads, state, params)

    return Optimizer(optimizer.init, update)


def grouped(optimizers: Mapping[str, Optimizer], group_of: Callable[[str], str]) -> Optimizer:
    """Use a different optimiser for each group of parameters; the state is ``{group: that optimiser's state}``.

    Parameters
    ----------
    optimizers
        An optimiser for each group, by the group's name.
    group_of
        ``group_of(path)`` names the group of the parameter at a dotted path such as ``layers.0.bias``.

    Raises
    ------
    KeyError
        A group has no optimiser.

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import optim
    >>> groups = {"bias": optim.sgd(0.0), "rest": optim.sgd(1.0)}
    >>> optimizer = grouped(groups, lambda path: "bias" if path.endswith("bias") else "rest")
    >>> params = {"weight": np.ones(1), "bias": np.ones(1)}
    >>> optimizer.step(params, optimizer.init(params), params)[0]
    {'weight': array([0.]), 'bias': array([1.])}
    """

    def split(params: Any) -> dict[str, dict[str, Any]]:
        groups: dict[str, dict[str, Any]] = {name: {} for name in optimizers}
        for path, leaf in tree.named_leaves(params).items():
            name = group_of(path)
            if name not in groups:
                raise KeyError(f"parameter {path} is of group {name!r}, which has no optimiser; there are {[*groups]}")
            groups[name][path] = leaf
        return groups

    def init(params: Any) -> dict[str, Any]:
        return {name: optimizers[name].init(group) for name, group in split(params).items()}

    def update(grads: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        by_path: dict[str, Any] = {}
        new = {}
        parameters = split(params)
        for name, group in split(grads).items():
            updates, new[name] = optimizers[name].update(group, state[name], parameters[name])
            by_path |= updates
        structure = tree.flatten(params)[1]
        return tree.unflatten(structure, [by_path[path] for path in tree.named_leaves(params)]), new

    return Optimizer(init, update)


def averaged(optimizer: Optimizer, decay: float = 0.999) -> Optimizer:
    """`optimizer`, keeping an exponential moving average of the parameters as ``state["average"]``.

    ``a = decay a + (1 - decay) p`` after each step, with the smaller decay ``(1 + t) / (10 + t)`` in the first steps,
    so that the initial parameters are soon forgotten. The average is often the better model to evaluate; the steps
    themselves do not use it.

    Raises
    ------
    ValueError
        The decay is outside [0, 1).

    References
    ----------
    Polyak, Juditsky, SIAM J. Control Optim. 30, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import optim
    >>> optimizer = averaged(optim.sgd(1.0), decay=0.05)
    >>> params = np.array([1.0])
    >>> _, state = optimizer.update(np.array([1.0]), optimizer.init(params), params)
    >>> state["average"]
    array([0.05])
    """
    check_number("decay", decay, 0, 1)

    def init(params: Any) -> dict[str, Any]:
        return {"step": np.zeros((), np.int64), "average": tree.map(np.copy, params), "inner": optimizer.init(params)}

    def update(grads: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        updates, inner = optimizer.update(grads, state["inner"], params)
        t = int(state["step"])
        d = min(decay, (1 + t) / (10 + t))
        average = tree.map(
            lambda a, p: axpby(d, a, 1 - d, p).astype(a.dtype, copy=False),
            state["average"],
            apply_updates(params, updates),
        )
        return updates, {"step": state["step"] + np.int64(1), "average": average, "inner": inner}

    return Optimizer(init, update)
