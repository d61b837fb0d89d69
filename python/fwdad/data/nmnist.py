"""N-MNIST: MNIST's digits before an event camera that moves (34 x 34 pixels, 2 polarities, 10 classes).

A file is a recording, a row of events of 5 bytes: x, y, and in 24 bits the polarity (the highest bit, 1 where the pixel
became brighter) and the time in microseconds (23 bits, the highest first). An event with a y of 240 is none: from there
on times count 8,192 microseconds more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fwdad.data.dataset import DataError, Dataset, Split
from fwdad.data.events import STEPS, count, series
from fwdad.data.files import find_home, opened

WIDTH, CLASSES = 34, 10
INPUTS = 2 * WIDTH * WIDTH
EVENT = 5  # bytes
OVERFLOW, LATER = 240, 8192
PARTS = ("Train", "Test")


def load_nmnist(name: str, folder: Path) -> Dataset:
    """Load the recordings in ``folder/name`` or ``folder``; the last sixth of Train, by file name, is for validation.

    Files are named after their images' place in MNIST, so that the parts have the same images as MNIST's.
    """
    home = find_home(folder, name)
    train, test = (_recordings(home / part) for part in PARTS)
    held_out = len(train) // 6
    if not held_out:
        raise DataError(f"{home} holds too few recordings to train on: {len(train)}")
    return series(name, (_read(train[:-held_out]), _read(train[-held_out:]), _read(test)), CLASSES)


def _recordings(part: Path) -> list[tuple[Path, int]]:
    """Return the files of a part with their digits, in the order of their names."""
    found = []
    for digit in range(CLASSES):
        home = part / str(digit)
        if not home.is_dir():
            raise DataError(f"no folder {home}; N-MNIST is the folders {' and '.join(PARTS)} with .bin files in 0 to 9")
        found += [(file, digit) for file in home.glob("*.bin")]
    strange = sum(1 for _ in part.glob("*/*.bin")) - len(found)
    if strange:
        raise DataError(f"{part} has {strange} .bin files in folders other than 0 to 9")
    if not found:
        raise DataError(f"{part} holds no .bin files")
    return sorted(found, key=lambda each: (each[0].name, each[1]))


def _read(recordings: list[tuple[Path, int]]) -> Split:
    counts = np.empty((len(recordings), STEPS * INPUTS), np.float32)  # filled in its place: it is large
    for row, (path, _) in zip(counts, recordings, strict=True):
        row[:] = count(*_events(path), INPUTS, path)
    return Split(counts, np.array([digit for _, digit in recordings], np.int64))


def _events(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the times of a recording, in microseconds, and the input that each event is of."""
    with opened(path) as (file, _):
        content = file.read()
    if len(content) % EVENT:
        raise DataError(f"{path} is cut short: {len(content)} bytes are not whole events of {EVENT}; get it again")
    x, y, high, middle, low = np.frombuffer(content, np.uint8).reshape(-1, EVENT).T.astype(np.int64)
    overflow = y == OVERFLOW
    times = ((high & 127) << 16 | middle << 8 | low) + LATER * np.cumsum(overflow)
    (wrong,) = np.nonzero(~overflow & (np.maximum(x, y) >= WIDTH))
    if len(wrong):
        raise DataError(
            f"{path}: event {wrong[0]} is at ({x[wrong[0]]}, {y[wrong[0]]}), outside of {WIDTH} x {WIDTH} pixels; "
            "get it again"
        )
    inputs = ((high >> 7) * WIDTH + y) * WIDTH + x
    return times[~overflow].astype(np.float64), inputs[~overflow]
