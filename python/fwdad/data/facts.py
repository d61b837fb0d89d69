"""What a run keeps of its data: how a file's numbers become inputs, and what its columns and classes are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from fwdad.schema import Count, Range

Size = Annotated[int, Range(1, 2**31)]
Deviation = Annotated[float, Range(0)]


@dataclass(frozen=True)
class Column:
    """An input column of a table.

    Parameters
    ----------
    dtype
        What it holds in the file that was trained on.
    words
        The words that it may hold, each of which is an input of 0 or 1; () if it holds numbers.
    """

    name: str
    dtype: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What was learnt from a data set, by which every other file of its kind is read.

    Parameters
    ----------
    origin
        The name of the data set, or the absolute path of its file or folder.
    shape
        Of one example as the file has it: (D,), (H, W), (C, H, W) or, with `channels_last`, (H, W, C); with `series`,
        (steps, D).
    dtype
        Of the numbers in the file.
    mean, std
        Of each input of a row, of each channel of images or of each step of a series, over the training part; a std of
        0 marks what does not vary there.
    counts
        How many examples are in the training, validation and test part.
    columns
        Of a table, in the order of the inputs; else ().
    target
        The column of a table that is predicted.
    classes
        What the classes are called, in the order of the model's outputs; None in a regression.
    target_mean, target_std
        Of each value of a regression over the training part.

    Raises
    ------
    ValueError
        They do not fit each other.
    """

    origin: str
    shape: tuple[Size, ...]
    dtype: str
    mean: tuple[float, ...]
    std: tuple[Deviation, ...]
    counts: tuple[Count, ...]
    columns: tuple[Column, ...] = ()
    target: str | None = None
    channels_last: bool = False
    series: bool = False
    classes: tuple[str, ...] | None = None
    target_mean: tuple[float, ...] = ()
    target_std: tuple[Deviation, ...] = ()

    def __post_init__(self) -> None:
        """Check what belongs together."""
        axes = len(self.shape)
        if not 1 <= axes <= 3 or self.channels_last > (axes == 3) or self.series > (axes == 2):
            raise ValueError(f"the data cannot have the shape {self.shape}")
        try:
            known = np.dtype(self.dtype).kind in "fiub"
        except TypeError:
            known = False
        if not known:
            raise ValueError(f"the data cannot have the dtype {self.dtype!r}")
        if not len(self.mean) == len(self.std) == self.input_shape[0]:
            raise ValueError(f"the data's mean and std are not those of inputs {self.input_shape}")
        if self.columns and sum(max(1, len(column.words)) for column in self.columns) != self.shape[0]:
            raise ValueError(f"the data's columns are not those of inputs {self.shape}")
        if len(self.target_mean) != len(self.target_std) or (self.classes is None) != bool(self.target_mean):
            raise ValueError("the data has neither classes nor values to predict, or both")
        if self.classes is not None and not len(set(self.classes)) == len(self.classes) > 0:
            raise ValueError("the data's classes have not each a name of its own")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input of the model: (D,), (C, H, W) or (steps, D)."""
        if self.channels_last:
            return self.shape[2], *self.shape[:2]
        return (1, *self.shape) if len(self.shape) == 2 and not self.series else self.shape

    @property
    def scale(self) -> NDArray[np.float64]:
        """What an input is multiplied by: ``1 / std``, and 0 for what does not vary."""
        return _scale(self.std)

    @property
    def outputs(self) -> int:
        """How many numbers the model gives: one per class, or one per value."""
        return len(self.target_mean) if self.classes is None else len(self.classes)

    def agrees(self, other: Facts) -> bool:
        """Whether another data set has the same columns and classes, and the same statistics up to rounding."""
        words = ("shape", "outputs", "columns", "target", "classes")
        return all(getattr(self, name) == getattr(other, name) for name in words) and all(
            np.allclose(a, b, rtol=1e-9, atol=1e-9 * max(c, default=0))
            for a, b, c in (
                (self.mean, other.mean, self.std),
                (self.std, other.std, self.std),
                (self.target_mean, other.target_mean, self.target_std),
                (self.target_std, other.target_std, self.target_std),
            )
        )

    def inputs(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return what a file holds, (N, *shape), as the model takes it: ``(x - mean) / std``, float32 (N, D)."""
        ones = (1,) * (len(self.input_shape) - 1)
        mean, scale = (array.reshape(-1, *ones) for array in (np.array(self.mean), self.scale))
        moved = np.empty((len(x), *self.input_shape), np.float32)
        with np.errstate(over="ignore"):
            sources = channels_first(x, self.channels_last).reshape(moved.shape)
            for source, target in zip(_blocks(sources), _blocks(moved), strict=True):
                target[...] = (source - mean) * scale
        return moved.reshape(len(x), -1)

    def originals(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what the file held, (N, *shape), of inputs (N, D); whole numbers, as pixels are."""
        ones = (1,) * (len(self.input_shape) - 1)
        mean, std = (np.array(each).reshape(-1, *ones) for each in (self.mean, self.std))
        x: NDArray[np.float64] = np.rint(inputs.reshape(-1, *self.input_shape) * std + mean)
        return np.moveaxis(x, 1, -1) if self.channels_last else x.reshape(-1, *self.shape)

    def values(self, y: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of a regression, (N, M), as the model learns them: ``(y - mean) / std``, float32."""
        with np.errstate(over="ignore"):
            moved: NDArray[np.float32] = ((y - self.target_mean) * _scale(self.target_std)).astype(np.float32)
        return moved

    def in_units(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return a regression's outputs, (N, M), in the units of the data; the inverse of `values`."""
        values: NDArray[np.float64] = outputs * np.array(self.target_std) + self.target_mean
        return values


def channels_first(x: NDArray[Any], channels_last: bool) -> NDArray[Any]:
    """Return images (N, H, W) or, with `channels_last`, (N, H, W, C) as (N, C, H, W); anything else as it is."""
    if channels_last:
        return np.moveaxis(x, -1, 1)
    return x[:, None] if x.ndim == 3 else x


def statistics(values: NDArray[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of values (N, C, ...) for each of C; a deviation of 0 for a constant."""
    axes = (0, *range(2, values.ndim))
    mean = np.mean(values, axis=axes, keepdims=True, dtype=np.float64)
    squares = sum(np.sum((block - mean) ** 2, axis=axes, keepdims=True) for block in _blocks(values))
    std = np.sqrt(squares * (mean.size / values.size))
    varies = std > 1e-12 * np.abs(mean)  # a constant's computed deviation can be a rounding error above 0
    return tuple(mean.ravel().tolist()), tuple(np.where(varies, std, 0.0).ravel().tolist())


def _scale(std: tuple[float, ...]) -> NDArray[np.float64]:
    """Return ``1 / std``, and 0 for what does not vary."""
    varies = np.array(std) > 0
    return np.where(varies, 1 / np.where(varies, std, 1), 0)


def _blocks(x: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield stretches of x, so that no float64 copy of more than 1,000 examples is ever held."""
    return (x[start : start + 1000] for start in range(0, len(x), 1000))
