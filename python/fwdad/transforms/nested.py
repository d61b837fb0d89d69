"""Derivatives along a curve by nested jvp: slower than `jet`, and right where equal eigenvalues must be parted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array
from fwdad.transforms.arguments import as_array
from fwdad.transforms.forward import jvp

Tree = Any


def derivatives(curve: Callable[[Array], Tree], order: int) -> list[Tree]:
    """Differentiate a function of one number at 0: ``[y', y'', ...]``, with None for integers and booleans.

    The cost is that of 2^n values of the curve for order n.
    """
    leaves, structure = tree.flatten(curve(np.zeros(())))
    moves = [as_array(leaf).dtype.kind in "fc" for leaf in leaves]

    def y(t: Array) -> list[Any]:
        return [leaf for leaf, m in zip(tree.leaves(curve(t)), moves, strict=True) if m]

    orders = []
    slope: Callable[[Array], list[Any]] = y
    for _ in range(order):
        slope = _slope(slope)
        values = iter(slope(np.zeros(())))
        orders.append(tree.unflatten(structure, [next(values) if m else None for m in moves]))
    return orders


def _slope(y: Callable[[Array], list[Any]]) -> Callable[[Array], list[Any]]:
    return lambda t: jvp(y, (t,), (np.ones(()),))[1]
