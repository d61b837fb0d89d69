"""Data sets of one's own in NumPy's files: an .npz file, or a folder of .npy files.

The arrays are ``x_train, y_train, x_test, y_test`` and, if there is a validation part, ``x_validation, y_validation``;
or ``x, y`` alone, to be split here. x is (N, D), (N, H, W) or (N, C, H, W), numbers of any kind; y is (N,) class
numbers from 0 or, for a regression, (N,) or (N, M) values.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data.batches import permutation
from fwdad.data.dataset import DataError, Dataset, Split
from fwdad.data.files import DEFLATED
from fwdad.data.splitting import HELD_OUT, LARGEST, split_apart, standardised, stratified_order

PARTS = ("train", "validation", "test")
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
NAMES = ("x", "y", *(f"{kind}_{part}" for part in PARTS for kind in "xy"))


def load_arrays(path: Path, task: str) -> Dataset:
    """Load the data set in a file or folder; `DataError` names an array that is missing or does not fit."""
    arrays = _read(path)
    if "x_train" in arrays or "y_train" in arrays:
        parts = {part: _part(path, arrays, f"x_{part}", f"y_{part}", task) for part in PARTS if f"x_{part}" in arrays}
        for part in ("train", "test"):
            if part not in parts:
                raise _missing(path, f"x_{part}", arrays)
        if "validation" not in parts:
            parts["train"], parts["validation"] = _held_out(parts["train"], path)
        splits = parts["train"], parts["validation"], parts["test"]
    else:
        splits = split_apart(*_part(path, arrays, "x", "y", task), path)
    for what, shapes in (
        ("inputs", {s.inputs.shape[1:] for s in splits}),
        ("targets", {s.targets.shape[1:] for s in splits}),
    ):
        if len(shapes) > 1:
            raise DataError(f"{path}: the {what} of its parts have different shapes: {sorted(shapes)}")
    classes = None if task == "regression" else int(max(split.targets.max() for split in splits)) + 1
    if classes is not None and classes > len(splits[0].targets):
        raise DataError(
            f"{path}: class {classes - 1} among {len(splits[0].targets)} training examples; number the classes 0, 1, "
            "... without gaps, or use --task regression for values"
        )
    return standardised(path.resolve().stem, splits, classes)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        if path.is_dir():
            return {name: _read_file(path / f"{name}.npy") for name in NAMES if (path / f"{name}.npy").is_file()}
        with zipfile.ZipFile(path) as archive:
            most = DEFLATED * path.stat().st_size
            members = {info.filename: info for info in archive.infolist()}
            return {
                name: _read_member(archive, members[f"{name}.npy"], most) for name in NAMES if f"{name}.npy" in members
            }
    except Exception as error:  # what zip, zlib, Python's parser and NumPy say of a damaged file has no common name
        raise DataError(f"cannot read {path}: {error or type(error).__name__}; write it again by np.savez") from error


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


def _part(path: Path, arrays: dict[str, NDArray[Any]], x_name: str, y_name: str, task: str) -> Split:
    for name in (x_name, y_name):
        if name not in arrays:
            raise _missing(path, name, arrays)
    x, y = arrays[x_name], arrays[y_name]
    if x.ndim not in (2, 3, 4) or x.dtype.kind not in "fiub":
        raise DataError(
            f"{path}: {x_name} is {x.dtype} {x.shape}; needed are numbers, (N, D), (N, H, W) or (N, C, H, W)"
        )
    if len(x) != len(y) or not x.size:
        raise DataError(f"{path}: {x_name} holds {len(x)} examples but {y_name} {len(y)} targets")
    if task == "regression":
        if y.ndim not in (1, 2) or y.dtype.kind not in "fiub" or not y.size:
            raise DataError(f"{path}: {y_name} is {y.dtype} {y.shape}; a regression needs numbers, (N,) or (N, M)")
        y = y.reshape(len(y), -1).astype(np.float64)
    elif y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {y_name} is {y.dtype} {y.shape}; classes are integers (N,); for values use --task regression"
        )
    elif y.min() < 0:
        raise DataError(f"{path}: {y_name} holds class {y.min()}; classes are numbered from 0")
    else:
        y = y.astype(np.int64)
    for name, array in ((x_name, x), (y_name, y)):
        if array.dtype.kind == "f" and not (wide := np.abs(array) <= LARGEST).all():
            row = np.argwhere(~wide)[0][0]
            raise DataError(f"{path}: {name} holds NaN, infinity or what float32 cannot hold, first in example {row}")
    return Split(x, y)


def _held_out(train: Split, path: Path) -> tuple[Split, Split]:
    """Split a training part into itself without a tenth, and that tenth, for validation."""
    count = len(train.inputs) // HELD_OUT
    if not count:
        raise DataError(f"{path} holds {len(train.inputs)} training examples; at least {HELD_OUT} are needed")
    classes = train.targets.dtype.kind == "i"
    order = stratified_order(train.targets) if classes else permutation(len(train.inputs), 0)
    return Split(*(a[order[count:]] for a in train)), Split(*(a[order[:count]] for a in train))


def _missing(path: Path, name: str, arrays: dict[str, NDArray[Any]]) -> DataError:
    found = ", ".join(arrays) or "none of them"
    return DataError(
        f"{path} has no array {name}; needed are x and y, or x_train, y_train, x_test, y_test; it has {found}"
    )
