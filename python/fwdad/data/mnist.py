"""MNIST, Fashion-MNIST and KMNIST, from the four IDX files that each is published as (28 x 28 pixels, 10 classes)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fwdad.data.dataset import DataError, Dataset, Split, normalise
from fwdad.data.facts import Facts
from fwdad.data.files import find_home
from fwdad.data.idx import read_idx

# Mean and standard deviation of pixel / 255 over the training file.
NORMALISATION = {"mnist": (0.1307, 0.3081), "fashion-mnist": (0.2860, 0.3530), "kmnist": (0.1918, 0.3483)}
SHAPE, CLASSES = (28, 28), 10


def load_mnist(name: str, folder: Path) -> Dataset:
    """Load `name` from ``folder/name`` or ``folder``; the last sixth of the training file is for validation."""
    home = find_home(folder, name)
    images, labels = _part(home, "train", name)
    test = Split(*_part(home, "t10k", name))
    held_out = len(labels) // 6
    if not held_out or not len(test.targets):
        raise DataError(f"{home} holds too few examples of {name}: {len(labels)} to train, {len(test.targets)} to test")
    train, validation = Split(images[:-held_out], labels[:-held_out]), Split(images[-held_out:], labels[-held_out:])
    mean, std = (255 * value for value in NORMALISATION[name])
    counts = tuple(len(split.targets) for split in (train, validation, test))
    classes = tuple(map(str, range(CLASSES)))
    facts = Facts(name, SHAPE, "uint8", (mean,), (std,), counts, classes=classes)
    return Dataset(name, train, validation, test, CLASSES, (1, *SHAPE), facts=facts)


def _part(folder: Path, part: str, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    image_file, label_file = _find(folder, part, "images", 3), _find(folder, part, "labels", 1)
    pixels, labels = read_idx(image_file), read_idx(label_file)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != SHAPE:
        raise DataError(f"{image_file} holds {_what(pixels)}; {name} needs uint8 (N, 28, 28)")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise DataError(f"{label_file} holds {_what(labels)}; {name} needs uint8 (N,)")
    if len(pixels) != len(labels):
        raise DataError(f"{image_file} holds {len(pixels)} images but {label_file} {len(labels)} labels")
    (wrong,) = np.nonzero(labels.astype(np.int64) >= CLASSES)
    if len(wrong):
        raise DataError(f"{label_file}: label {labels[wrong[0]]} at index {wrong[0]} is not in 0..{CLASSES - 1}")
    return normalise(pixels.astype(np.uint8, copy=False), 255, *NORMALISATION[name]), labels.astype(np.int64)


def _find(folder: Path, part: str, kind: str, rank: int) -> Path:
    names = [f"{part}-{kind}{dot}idx{rank}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"no {part} {kind} in {folder}; looked for {', '.join(names)}")


def _what(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} {array.shape}"
