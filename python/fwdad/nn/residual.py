"""Residual: a layer that adds to its input."""

from __future__ import annotations

from collections.abc import Callable

from fwdad.dual import Array
from fwdad.nn.module import Module


class Residual(Module):
    """``y = shortcut(x) + body(x)``; without a shortcut ``y = x + body(x)``.

    Parameters
    ----------
    body, shortcut : callable
        Layers, or any functions of one array.

    References
    ----------
    arXiv 1512.03385, eqs. 1 and 2.

    Examples
    --------
    >>> Residual(lambda x: 2 * x)(1.0)
    3.0
    """

    body: Callable[[Array], Array]
    shortcut: Callable[[Array], Array] | None = None

    def __call__(self, x: Array) -> Array:
        """Return y for x."""
        return (x if self.shortcut is None else self.shortcut(x)) + self.body(x)
