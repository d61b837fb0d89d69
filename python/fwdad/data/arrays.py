"""Data sets of one's own in NumPy's files: an .npz file, or a folder of .npy files.

The arrays are ``x_train, y_train, x_test, y_test`` and, if there is a validation part, ``x_validation, y_validation``;
or ``x, y`` alone, to be split here. Capitals count as small letters. x is (N, D), (N, H, W), (N, C, H, W) or
(N, H, W, C), numbers of any kind; y is (N,) classes, integers or words, or, for a regression, (N,) or (N, M) values.
"""

from __future__ import annotations

import math
import types
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data.dataset import DataError, Dataset, Split
from fwdad.data.facts import Facts
from fwdad.data.files import DEFLATED
from fwdad.data.source import LARGEST, Source
from fwdad.data.splitting import fitted, hold_out, numbered, split_apart

PARTS = ("train", "validation", "test")
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
NAMES = ("x", "y", *(f"{kind}_{part}" for part in PARTS for kind in "xy"))
MOST_CHANNELS = 4  # that an image can have; the axis that is this small holds them


class Arrays(Source):
    """The arrays of a file or folder, by their names.

    Parameters
    ----------
    files
        The file of each example, by part ("" or "_train", ...), where each has its own.
    """

    def __init__(
        self,
        path: Path,
        arrays: Mapping[str, NDArray[Any]],
        files: Mapping[str, Sequence[str]] = types.MappingProxyType({}),
    ) -> None:
        self.path, self._arrays = path, arrays
        self._tested = "_test" if "x_test" in arrays else ""
        self.files = files.get(self._tested, ())
        self.part = "its test part" if self._tested else "all of its examples"

    def dataset(self, task: str, target: str | None) -> Dataset:
        """Return the data set; `DataError` names an array that is missing or does not fit."""
        if target is not None:
            raise DataError(f"a target column, {target!r}, is for tables; {self.path} is none")
        names = [""]
        if {"x_train", "y_train"} & self._arrays.keys():
            names = [f"_{part}" for part in PARTS if f"x_{part}" in self._arrays or part != "validation"]
        inputs = [self._inputs(name) for name in names]
        targets = [self._targets(name, task) for name in names]
        for what, arrays in (("inputs", inputs), ("targets", targets)):
            if len(shapes := {array.shape[1:] for array in arrays}) > 1:
                raise DataError(f"{self.path}: the {what} of its parts have different shapes: {sorted(shapes)}")
        classes = None
        if task == "classification":
            labels, classes = numbered(np.concatenate(targets).tolist(), f"{self.path}: y")
            targets = np.split(labels, np.cumsum([len(part) for part in targets])[:-1])
        splits = list(map(Split, inputs, targets))
        if len(splits) == 1:
            splits = [*split_apart(splits[0], self.path)]
        elif len(splits) == 2:
            splits = [*hold_out(splits[0], self.path), splits[1]]
        train, validation, test = splits
        channels_last = has_channels_last(train.inputs.shape[1:])
        return fitted(self.path, (train, validation, test), classes, channels_last=channels_last)

    def inputs(self, facts: Facts) -> NDArray[Any]:
        """Return x, or x_test where there are several parts."""
        x = self._inputs(self._tested)
        if self.files and facts.channels_last and x.ndim == 3:  # grey images beside a run's coloured ones
            x = np.repeat(x[..., None], facts.shape[2], axis=3)
        if x.shape[1:] != facts.shape:
            raise DataError(
                f"{self.path}: x{self._tested} holds examples {x.shape[1:]}, but the run has learnt from {facts.shape}"
            )
        if any(column.words for column in facts.columns):
            raise DataError(f"{self.path}: the run has learnt from columns of words, which arrays lack; give a table")
        return x

    def targets(self, facts: Facts) -> Any:
        """Return y, or y_test where there are several parts."""
        y = self._targets(self._tested, "regression" if facts.classes is None else "classification")
        if facts.classes is not None:
            return y.tolist()
        if y.shape[1] != facts.outputs:
            raise DataError(f"{self.path}: y{self._tested} is {y.shape}, but the run predicts {facts.outputs} values")
        return y

    def place(self, row: int) -> str:
        """Say which example it is, from 0, or name its file."""
        return self.files[row] if self.files else f"example {row}"

    def _inputs(self, part: str) -> NDArray[Any]:
        x = self._get(f"x{part}")
        if x.ndim not in (2, 3, 4) or x.dtype.kind not in "fiub" or x.dtype.itemsize > 8:
            raise DataError(
                f"{self.path}: x{part} is {x.dtype} {x.shape}; needed are numbers, (N, D), (N, H, W), (N, C, H, W) or "
                "(N, H, W, C)"
            )
        if not x.size:
            raise DataError(f"{self.path}: x{part} holds {len(x)} examples {x.shape[1:]}")
        self._check_finite(f"x{part}", x)
        return x

    def _targets(self, part: str, task: str) -> NDArray[Any]:
        """Return the values (N, M), or the classes as words (N,)."""
        name = f"y{part}"
        y, n = self._get(name), len(self._get(f"x{part}"))
        if y.ndim and len(y) != n:
            raise DataError(f"{self.path}: x{part} holds {n} examples but {name} {len(y)} targets")
        if task == "regression":
            if y.ndim not in (1, 2) or y.dtype.kind not in "fiub" or not y.size:
                raise DataError(
                    f"{self.path}: {name} is {y.dtype} {y.shape}; a regression needs numbers, (N,) or (N, M)"
                )
            self._check_finite(name, y)
            return y.reshape(len(y), -1).astype(np.float64)
        if y.ndim != 1 or y.dtype.kind not in "iubU":
            raise DataError(
                f"{self.path}: {name} is {y.dtype} {y.shape}; classes are integers or words (N,); for values use "
                "--task regression"
            )
        words = np.array([str(value).strip() for value in y.tolist()])
        if (gaps := np.flatnonzero(words == "")).size:
            raise DataError(f"{self.path}: {name} holds no class in example {gaps[0]}")
        return words

    def _get(self, name: str) -> NDArray[Any]:
        if name not in self._arrays and self.files:
            raise DataError(f"{self.path}: its images are not all in folders that have the names of their classes")
        if name not in self._arrays:
            found = ", ".join(self._arrays) or "none of them"
            raise DataError(
                f"{self.path} has no array {name}; needed are x and y, or x_train, y_train, x_test, y_test; it has "
                + found
            )
        return self._arrays[name]

    def _check_finite(self, name: str, array: NDArray[Any]) -> None:
        if array.dtype.kind == "f" and not (fits := np.abs(array) <= LARGEST).all():
            place = np.argwhere(~fits)[0].tolist()
            raise DataError(
                f"{self.path}: {name} holds NaN, infinity or what float32 cannot hold, first in example {place[0]}"
                + (f", at {tuple(place[1:])}" if len(place) > 1 else "")
            )


def from_arrays(inputs: Any, targets: Any, task: str = "classification") -> Dataset:
    """Make a data set of arrays as `load` does of a file that holds them as x and y; `DataError` if they do not fit.

    Examples
    --------
    >>> from_arrays(np.arange(40).reshape(20, 2), np.arange(20) % 2).train.inputs.shape
    (16, 2)
    """
    return Arrays(Path("arrays"), {"x": np.asarray(inputs), "y": np.asarray(targets)}).dataset(task, None)


def has_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether images of this shape are (H, W, C): only the last of three axes is as small as a number of channels.

    Examples
    --------
    >>> has_channels_last((32, 32, 3)), has_channels_last((3, 32, 32)), has_channels_last((3, 32, 3))
    (True, False, False)
    """
    return len(shape) == 3 and shape[2] <= MOST_CHANNELS < shape[0]


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays that have one of the names; `DataError` for a file that is damaged or too large for itself."""
    try:
        if path.is_dir():
            return {
                name: _read_file(file) for file in sorted(path.glob("*.npy")) if (name := _name(file.name)) in NAMES
            }
        with zipfile.ZipFile(path) as archive:
            most = DEFLATED * path.stat().st_size
            members = [(_name(info.filename), info) for info in archive.infolist()]
            if twice := {name for name, _ in members if [n for n, _ in members].count(name) > 1 and name in NAMES}:
                raise ValueError(f"two of its arrays are called {min(twice)}, but for capitals")
            return {name: _read_member(archive, info, most) for name, info in members if name in NAMES}
    except Exception as error:  # what zip, zlib, Python's parser and NumPy say of a damaged file has no common name
        raise DataError(f"cannot read {path}: {error or type(error).__name__}; write it again by np.savez") from error


def _name(file: str) -> str:
    """Return the name of the array in a file."""
    return file.removesuffix(".npy").lower()


def _read_file(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        return _read_array(file, path.stat().st_size, path.name)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> NDArray[Any]:
    if member.file_size > most:
        raise ValueError(f"{member.filename} has {member.file_size} bytes by its header, more than the file can hold")
    with archive.open(member) as file:
        return _read_array(file, member.file_size, member.filename)


def _read_array(file: IO[bytes], size: int, name: str) -> NDArray[Any]:
    """Read an array whose file has this size, once its header promises as much and no more."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"{name} has version {version} of NumPy's format, which is not for numbers")
    shape, _, dtype = HEADERS[version](file)
    promised = file.tell() + dtype.itemsize * math.prod(shape)
    if promised != size and not dtype.hasobject:
        raise ValueError(f"{name} has {size} bytes, but its header promises {promised}")
    file.seek(0)
    array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array
