"""Windows: the geometry that convolution and pooling share."""

from __future__ import annotations

import numpy as np

from fwdad.kernels import Window

Pair = int | tuple[int, int]


def window(kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Window:
    """Make a window from integers or (vertical, horizontal) pairs.

    Raises
    ------
    ValueError
        For a negative padding, or another size below 1.

    Examples
    --------
    >>> window(3, padding=(1, 0))
    Window(kernel=(3, 3), stride=(1, 1), padding=(1, 0), dilation=(1, 1))
    """
    made = Window(*(_pair(value) for value in (kernel_size, stride, padding, dilation)))
    if min(*made.kernel, *made.stride, *made.dilation) < 1 or min(made.padding) < 0:
        raise ValueError(f"kernel size, stride and dilation must be at least 1 and padding at least 0; got {made}")
    return made


def _pair(value: Pair) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, (int, np.integer)) else value
    return int(first), int(second)
