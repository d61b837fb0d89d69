"""Pooling: layers without parameters that make images smaller."""

from __future__ import annotations

import numpy as np

from fwdad.dual import Array, plain
from fwdad.kernels.window import Window, taps
from fwdad.nn.module import Module
from fwdad.nn.windows import Pair, window
from fwdad.tree import static


class MaxPool2d(Module):
    """The largest entry of each window.

    ``dy_i`` is the tangent of the entry that won; of equal entries the first wins, as in PyTorch. NaN wins over
    everything. Padding never wins.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int or (int, int)
        The window and how it moves, as in `Conv2d`; by default the stride is the kernel size.

    Raises
    ------
    ValueError
        For a size out of range, or a padding of more than half the kernel size.

    Examples
    --------
    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    window: Window = static()

    def __init__(self, kernel_size: Pair, *, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1) -> None:
        self.window = window(kernel_size, kernel_size if stride is None else stride, padding, dilation)
        _check_padding(self.window)

    def __call__(self, x: Array) -> Array:
        """Return y (B, C, OH, OW) for x (B, C, H, W)."""
        best, *others = taps(np.transpose(x, (0, 2, 3, 1)), self.window, -np.inf)
        for other in others:
            best = np.where(np.greater(other, best) | np.isnan(plain(other)), other, best)
        return np.transpose(best, (0, 3, 1, 2))


class AvgPool2d(Module):
    """The mean of each window, in which padding counts as zeros.

    Parameters
    ----------
    kernel_size, stride, padding : int or (int, int)
        As in `MaxPool2d`.

    Raises
    ------
    ValueError
        As `MaxPool2d`.

    Examples
    --------
    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    window: Window = static()

    def __init__(self, kernel_size: Pair, *, stride: Pair | None = None, padding: Pair = 0) -> None:
        self.window = window(kernel_size, kernel_size if stride is None else stride, padding)
        _check_padding(self.window)

    def __call__(self, x: Array) -> Array:
        """Return y (B, C, OH, OW) for x (B, C, H, W)."""
        first, *others = taps(np.transpose(x, (0, 2, 3, 1)), self.window, 0.0)
        return np.transpose(sum(others, first) / (1 + len(others)), (0, 3, 1, 2))


class AdaptiveAvgPool2d(Module):
    """Means over a given number of regions, which cover the image.

    Region i of n along an axis of size s spans ``floor(i s / n)`` to ``ceil((i + 1) s / n)``; regions overlap where n
    does not divide s.

    Parameters
    ----------
    output_size : int or (int, int)
        How many regions there are, alike in both directions or (vertical, horizontal).

    Raises
    ------
    ValueError
        For an output size below 1.

    Examples
    --------
    >>> AdaptiveAvgPool2d(1)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[7.5]]]]
    """

    output_size: tuple[int, int] = static()

    def __init__(self, output_size: Pair) -> None:
        self.output_size = window(output_size).kernel

    def __call__(self, x: Array) -> Array:
        """Return y (B, C, *output_size) for x (B, C, H, W)."""
        rows, columns = (_regions(size, n) for size, n in zip(x.shape[-2:], self.output_size, strict=True))
        means = [[np.mean(x[:, :, top:low, left:right], axis=(2, 3)) for left, right in columns] for top, low in rows]
        return np.stack([np.stack(row, axis=-1) for row in means], axis=-2)


class Flatten(Module):
    """All axes but the batch's in one, in C order.

    Examples
    --------
    >>> Flatten()(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    def __call__(self, x: Array) -> Array:
        """Return x (B, ...) as (B, n)."""
        return np.reshape(x, (x.shape[0], -1))


def _regions(size: int, n: int) -> list[tuple[int, int]]:
    return [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]


def _check_padding(window: Window) -> None:
    if any(2 * p > n for p, n in zip(window.padding, window.kernel, strict=True)):
        raise ValueError(
            f"padding must be at most half the kernel_size; got {window.padding} for a kernel of {window.kernel}"
        )
