"""Windows: where a kernel looks, the geometry that convolution and pooling share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fwdad.dual import Array, Dual, primitive
from fwdad.rules.forms import rule_for

Pair = int | tuple[int, int]


class Window(NamedTuple):
    """A kernel's size and how it moves over an image: (vertical, horizontal) pairs.

    Output size along an axis: ``(size + 2 padding - dilation (kernel - 1) - 1) // stride + 1``.

    >>> window(3, stride=2, padding=1).output(28, 27)
    (14, 14)
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    def output(self, height: int, width: int) -> tuple[int, int]:
        """The size of the result for an image of this size; ValueError if no window fits in."""
        reach = [d * (n - 1) + 1 for n, d in zip(self.kernel, self.dilation, strict=True)]
        room = [size + 2 * p - r for size, p, r in zip((height, width), self.padding, reach, strict=True)]
        if min(room) < 0:
            raise ValueError(
                f"an image of {height} x {width}, padded by {self.padding}, is smaller than a window of "
                f"{reach[0]} x {reach[1]}"
            )
        return room[0] // self.stride[0] + 1, room[1] // self.stride[1] + 1

    @property
    def is_point(self) -> bool:
        """Whether the patches are the image itself."""
        return self == Window((1, 1))


def window(kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Window:
    """A window from integers or (vertical, horizontal) pairs; ValueError for sizes below 1 or a negative padding."""
    made = Window(*(_pair(value) for value in (kernel, stride, padding, dilation)))
    if min(*made.kernel, *made.stride, *made.dilation) < 1 or min(made.padding) < 0:
        raise ValueError(f"kernel, stride and dilation must be at least 1 and padding at least 0; got {made}")
    return made


def _pair(value: Pair) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, (int, np.integer)) else value
    return int(first), int(second)


@primitive
def patches(x: Array, at: Window) -> Array:
    """What each window sees, as rows: x (..., H, W, C) to (..., OH, OW, KH * KW * C), zeros where it sees padding.

    Costs KH * KW times the memory of x; a window of one point costs none.

    >>> patches(np.arange(4.0).reshape(1, 2, 2, 1), window(2)).tolist()
    [[[[0.0, 1.0, 2.0, 3.0]]]]
    """
    if at.is_point:
        return x
    *lead, height, width, channels = x.shape
    rows, columns = at.output(height, width)
    (top, left), (down, right), (step_down, step_right) = at.padding, at.stride, at.dilation
    if top or left:
        padded = np.zeros((*lead, height + 2 * top, width + 2 * left, channels), x.dtype)
        padded[..., top : top + height, left : left + width, :] = x
        x = padded
    *outer, by_row, by_column, by_channel = x.strides
    shape = (*lead, rows, columns, *at.kernel, channels)
    strides = (*outer, by_row * down, by_column * right, by_row * step_down, by_column * step_right, by_channel)
    seen = as_strided(x, shape, strides, writeable=False)
    return seen.reshape(*lead, rows, columns, at.kernel[0] * at.kernel[1] * channels)


@rule_for(patches, kind="linear")
def _patches(x: Dual, at: Window) -> Dual:
    return Dual(patches(x.primal, at), patches(x.tangent, at), x.level)


def taps(x: Array, at: Window, fill: float) -> list[Array]:
    """The image as seen by each point of the window, x (..., H, W, C) to KH * KW views (..., OH, OW, C) of one copy.

    Padding has the value `fill` and does not move.
    """
    rows, columns = at.output(*x.shape[-3:-1])
    (top, left), (down, right) = at.padding, at.stride
    if top or left:
        width: Any = [(0, 0)] * (x.ndim - 3) + [(top, top), (left, left), (0, 0)]
        x = np.pad(x, width, constant_values=fill)
    starts = [(i * at.dilation[0], j * at.dilation[1]) for i in range(at.kernel[0]) for j in range(at.kernel[1])]
    return [
        x[..., i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * right + 1 : right, :] for i, j in starts
    ]
