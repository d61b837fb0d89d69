"""Windows: where a kernel looks, the geometry that convolution and pooling share."""

from __future__ import annotations

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, primitive
from fwdad.kernels import Window
from fwdad.rules.forms import rule_for

Pair = int | tuple[int, int]


def window(kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Window:
    """A window from integers or (vertical, horizontal) pairs; ValueError for sizes below 1 or a negative padding.

    >>> window(3, padding=(1, 0))
    Window(kernel=(3, 3), stride=(1, 1), padding=(1, 0), dilation=(1, 1))
    """
    made = Window(*(_pair(value) for value in (kernel, stride, padding, dilation)))
    if min(*made.kernel, *made.stride, *made.dilation) < 1 or min(made.padding) < 0:
        raise ValueError(f"kernel, stride and dilation must be at least 1 and padding at least 0; got {made}")
    return made


def _pair(value: Pair) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, (int, np.integer)) else value
    return int(first), int(second)


@primitive
def patches(x: Array, at: Window) -> Array:
    """`fwdad.kernels.patches` for Duals too: what each window sees, as rows."""
    return kernels.patches(x, at)


@rule_for(patches, kind="linear")
def _patches(x: Dual, at: Window) -> Dual:
    return Dual(patches(x.primal, at), patches(x.tangent, at), x.level)
