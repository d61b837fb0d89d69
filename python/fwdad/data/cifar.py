"""CIFAR-10 and CIFAR-100, from the files of their binary version (32 x 32 pixels, 3 channels).

A file is a row of records: one byte with the class (CIFAR-100: two, the coarse class and then the fine one that is used
here), then 3,072 bytes of pixels, the red, the green and the blue plane, each row by row. Nothing else is in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwdad.data.dataset import DataError, Dataset, Split
from fwdad.data.facts import Facts
from fwdad.data.files import find_home, opened

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
HELD_OUT = 5  # the last fifth of the training examples (10,000) is for validation


class Layout(NamedTuple):
    """How a data set is published: its folder in the archive, its files and the records in each, its classes.

    `mean` and `std` are those of the pixels over the training files, by channel.
    """

    folder: str
    train: tuple[str, ...]
    train_records: int
    test: str
    test_records: int
    label_bytes: int
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


LAYOUTS = {
    "cifar10": Layout(
        "cifar-10-batches-bin", tuple(f"data_batch_{i}.bin" for i in range(1, 6)), 10_000, "test_batch.bin", 10_000,
        label_bytes=1, classes=10, mean=(125.3, 123.0, 113.9), std=(63.0, 62.1, 66.7),
    ),
    "cifar100": Layout(
        "cifar-100-binary", ("train.bin",), 50_000, "test.bin", 10_000,
        label_bytes=2, classes=100, mean=(129.3, 124.1, 112.4), std=(68.2, 65.4, 70.4),
    ),
}  # fmt: skip


def load_cifar(name: str, folder: Path) -> Dataset:
    """Load `name` from ``folder/name`` or ``folder``, or from the folder of the archive in either."""
    layout = LAYOUTS[name]
    home = find_home(folder, f"{name}/{layout.folder}", name, layout.folder)
    files = [_read(name, home / file, layout.train_records) for file in layout.train]
    images, labels = (np.concatenate(parts) for parts in zip(*files, strict=True))
    test = Split(*_read(name, home / layout.test, layout.test_records))
    kept = len(labels) - len(labels) // HELD_OUT
    names = _class_names(home, name, layout)
    facts = Facts(
        origin=name,
        shape=SHAPE,
        dtype="uint8",
        mean=layout.mean,
        std=layout.std,
        counts=(kept, len(labels) - kept, len(test.targets)),
        classes=names or tuple(map(str, range(layout.classes))),
    )
    train, validation = Split(images[:kept], labels[:kept]), Split(images[kept:], labels[kept:])
    return Dataset(name, train, validation, test, layout.classes, SHAPE, names, facts)


def _read(name: str, path: Path, records: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    layout = LAYOUTS[name]
    if not path.is_file():
        raise DataError(
            f"no {path.name} in {path.parent}; it is part of the binary version, {layout.folder} "
            f"(fwdad download {name} gets it)"
        )
    size = layout.label_bytes + PIXELS
    with opened(path) as (file, _):
        content = file.read(records * size + 1)
    if len(content) != records * size:
        what = f"is cut short: {len(content)} bytes" if len(content) < records * size else "is too long"
        raise DataError(f"{path} {what}, not {records} records of {size} bytes; get it again")
    rows = np.frombuffer(content, np.uint8).reshape(records, size)
    labels = rows[:, layout.label_bytes - 1].astype(np.int64)
    (wrong,) = np.nonzero(labels >= layout.classes)
    if len(wrong):
        raise DataError(f"{path}: label {labels[wrong[0]]} at index {wrong[0]} is not in 0..{layout.classes - 1}")
    # One entry per channel and pixel value: computed in float64, rounded once, and no float64 copy of the images.
    tables = ((np.arange(256) - np.array(layout.mean)[:, None]) / np.array(layout.std)[:, None]).astype(np.float32)
    planes = rows[:, layout.label_bytes :].reshape(records, 3, -1)
    images = np.empty(planes.shape, np.float32)
    for channel, table in enumerate(tables):
        images[:, channel] = table[planes[:, channel]]
    return images.reshape(records, -1), labels


def _class_names(home: Path, name: str, layout: Layout) -> tuple[str, ...]:
    """Read the names of the classes from the text file that the archive has beside the data, if it is there."""
    path = home / ("batches.meta.txt" if name == "cifar10" else "fine_label_names.txt")
    try:
        names = tuple(path.read_text(encoding="utf-8").split()) if path.is_file() else ()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}; get it again, or remove it") from error
    return names if len(names) == layout.classes else ()
