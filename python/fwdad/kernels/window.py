"""Windows that move over images whose channels come last, and what they see."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


class Window(NamedTuple):
    """A kernel's size and how it moves over an image: (vertical, horizontal) pairs.

    The output's size along an axis is ``(size + 2 padding - dilation (kernel - 1) - 1) // stride + 1``.

    Examples
    --------
    >>> Window((3, 3), stride=(2, 2), padding=(1, 1)).output(28, 27)
    (14, 14)
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def output(self, height: int, width: int) -> Pair:
        """Return the size of the result for an image of this size; ValueError if no window fits in."""
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


def taps(x: Any, window: Window, fill: float = 0.0) -> list[Any]:
    """Return the image as each point of the window sees it.

    Parameters
    ----------
    x : array, (..., H, W, C)
        Anything that follows NumPy's protocols.
    window : Window
        How the kernel moves.
    fill : float, default 0
        The value of padding.

    Returns
    -------
    list of arrays, (..., OH, OW, C)
        KH * KW views of one copy.
    """
    rows, columns = window.output(*x.shape[-3:-1])
    (top, left), (down, right) = window.padding, window.stride
    if top or left:
        around: Any = [(0, 0)] * (x.ndim - 3) + [(top, top), (left, left), (0, 0)]
        x = np.pad(x, around, constant_values=fill)
    (height, width), (row, column) = window.kernel, window.dilation
    starts = [(i * row, j * column) for i in range(height) for j in range(width)]
    return [
        x[..., i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * right + 1 : right, :] for i, j in starts
    ]


def patches(x: NDArray[Any], window: Window) -> NDArray[Any]:
    """Return what each window sees, as rows, zeros where it sees padding.

    Costs KH * KW times the memory of x; a window of one point costs none.

    Parameters
    ----------
    x : ndarray, (..., H, W, C)
        Images.
    window : Window
        How the kernel moves.

    Returns
    -------
    ndarray, (..., OH, OW, KH * KW * C)
        Ordered by (tap row, tap column, channel).

    Examples
    --------
    >>> patches(np.arange(4.0).reshape(1, 2, 2, 1), Window((2, 2))).tolist()
    [[[[0.0, 1.0, 2.0, 3.0]]]]
    """
    if window.is_point:
        return x
    if type(x) is not np.ndarray or window.kernel[1] * x.shape[-1] < LONG_RUN:
        return np.concatenate(taps(x, window), axis=-1)
    (top, left), (down, right), (row, column) = window.padding, window.stride, window.dilation
    *images, height, width, channels = x.shape
    if top or left:
        padded = np.zeros((*images, height + 2 * top, width + 2 * left, channels), x.dtype)
        padded[..., top : top + height, left : left + width, :] = x
        x = padded
    *apart, of_row, of_column, of_channel = x.strides
    place = window.output(height, width)
    seen = np.lib.stride_tricks.as_strided(
        x,
        (*images, *place, *window.kernel, channels),
        (*apart, down * of_row, right * of_column, row * of_row, column * of_column, of_channel),
        writeable=False,
    )
    return seen.reshape(*images, *place, math.prod(window.kernel) * channels)


LONG_RUN = 16
"""Entries in a row of a window from which one copy of all patches is faster than one of each tap."""
