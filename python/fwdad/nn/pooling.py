"""Pooling: images made smaller, without parameters."""

from __future__ import annotations

import numpy as np

from fwdad.dual import Array, plain
from fwdad.kernels.window import Window, taps
from fwdad.nn.module import Module
from fwdad.nn.windows import Pair, window
from fwdad.tree import static


class MaxPool2d(Module):
    """The largest entry of each window: x (B, C, H, W) to (B, C, OH, OW); the stride is the kernel's size by default.

    ``dy_i`` is the tangent of the entry that won; of equal entries the first wins, as in PyTorch. NaN wins over
    everything. Padding never wins.

    Raises ValueError for sizes out of range, or a padding of more than half the kernel.

    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    at: Window = static()

    def __init__(self, kernel: Pair, *, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1) -> None:
        self.at = window(kernel, kernel if stride is None else stride, padding, dilation)
        _check_padding(self.at)

    def __call__(self, x: Array) -> Array:
        best, *others = taps(np.transpose(x, (0, 2, 3, 1)), self.at, -np.inf)
        for other in others:
            best = np.where(np.greater(other, best) | np.isnan(plain(other)), other, best)
        return np.transpose(best, (0, 3, 1, 2))


class AvgPool2d(Module):
    """The mean of each window, padding included as zeros: x (B, C, H, W) to (B, C, OH, OW), as `MaxPool2d`.

    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    at: Window = static()

    def __init__(self, kernel: Pair, *, stride: Pair | None = None, padding: Pair = 0) -> None:
        self.at = window(kernel, kernel if stride is None else stride, padding)
        _check_padding(self.at)

    def __call__(self, x: Array) -> Array:
        first, *others = taps(np.transpose(x, (0, 2, 3, 1)), self.at, 0.0)
        return np.transpose(sum(others, first) / (1 + len(others)), (0, 3, 1, 2))


class AdaptiveAvgPool2d(Module):
    """Means over ``output`` regions that tile the image: x (B, C, H, W) to (B, C, *output).

    Region i of n along an axis of a size s spans ``floor(i s / n)`` to ``ceil((i + 1) s / n)``; regions overlap where n
    does not divide s.

    Raises ValueError for an output size below 1.

    >>> AdaptiveAvgPool2d(1)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[7.5]]]]
    """

    output: tuple[int, int] = static()

    def __init__(self, output: Pair) -> None:
        self.output = window(output).kernel

    def __call__(self, x: Array) -> Array:
        rows, columns = (_regions(size, n) for size, n in zip(x.shape[-2:], self.output, strict=True))
        means = [[np.mean(x[:, :, top:low, left:right], axis=(2, 3)) for left, right in columns] for top, low in rows]
        return np.stack([np.stack(row, axis=-1) for row in means], axis=-2)


class Flatten(Module):
    """All axes behind the batch in one, in C order: x (B, ...) to (B, n).

    >>> Flatten()(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    def __call__(self, x: Array) -> Array:
        return np.reshape(x, (x.shape[0], -1))


def _regions(size: int, n: int) -> list[tuple[int, int]]:
    return [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]


def _check_padding(at: Window) -> None:
    if any(2 * p > n for p, n in zip(at.padding, at.kernel, strict=True)):
        raise ValueError(f"padding must be at most half the kernel; got {at.padding} for {at.kernel}")
