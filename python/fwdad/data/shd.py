"""SHD, the Spiking Heidelberg Digits: spoken digits as the spikes of an inner ear's model (700 units, 20 classes).

A file is HDF5: for each recording ``spikes/times`` in seconds, ``spikes/units``, and one of ``labels``. Reading it
needs h5py, the extra `events`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fwdad.data.dataset import DataError, Dataset, Split
from fwdad.data.events import STEPS, count, series
from fwdad.data.files import find_home
from fwdad.data.splitting import hold_out

UNITS, CLASSES = 700, 20
KEYS = {"spikes/times": (True, "f"), "spikes/units": (True, "iu"), "labels": (False, "iu")}
"""name -> (whether it has an array for each recording, the kinds of its numbers)"""


def load_shd(name: str, folder: Path) -> Dataset:
    """Load shd_train.h5 and shd_test.h5 of ``folder/name`` or ``folder``; a tenth of the first is for validation."""
    home = find_home(folder, name)
    train, test = (_read(home / f"shd_{part}.h5") for part in ("train", "test"))
    return series(name, (*hold_out(train, home), test), CLASSES)


def _read(path: Path) -> Split:
    times, units, labels = _columns(path)
    if not len(times) == len(units) == len(labels) > 0:
        raise DataError(
            f"{path} holds {len(times)} recordings of times, {len(units)} of units and {len(labels)} labels"
        )
    (wrong,) = np.nonzero((labels < 0) | (labels >= CLASSES))
    if len(wrong):
        raise DataError(f"{path}: label {labels[wrong[0]]} at index {wrong[0]} is not in 0..{CLASSES - 1}")
    counts = np.empty((len(labels), STEPS * UNITS), np.float32)
    for i, row in enumerate(counts):
        where, when, unit = f"{path}, recording {i}", np.asarray(times[i], np.float64), np.asarray(units[i], np.int64)
        if when.shape != unit.shape or when.ndim != 1:
            raise DataError(f"{where} has times {when.shape}, but units {unit.shape}")
        if not np.isfinite(when).all():
            raise DataError(f"{where} has a time that is not finite")
        if len(unit) and not 0 <= unit.min() <= unit.max() < UNITS:
            raise DataError(f"{where} has units from {unit.min()} to {unit.max()}; needed are 0 to {UNITS - 1}")
        row[:] = count(when, unit, UNITS, where)
    return Split(counts, labels.astype(np.int64))


def _columns(path: Path) -> list[Any]:
    """Return times and units, an array for each recording, and labels."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise DataError(f"to read {path}, install h5py: pip install 'fwdad[events]'") from error
    if not path.is_file():
        raise DataError(f"no {path.name} in {path.parent}; it is published packed: unpack it there")
    try:
        with h5py.File(path, "r") as file:
            for key, (rows, kinds) in KEYS.items():
                column = file[key]
                dtype = h5py.check_vlen_dtype(column.dtype) if rows else column.dtype
                if dtype is None or dtype.kind not in kinds or column.ndim != 1:
                    raise TypeError(f"{key} is {column.dtype} {column.shape}")
            return [file[key][()] for key in KEYS]
    except (OSError, KeyError, TypeError, AttributeError) as error:  # no HDF5, damaged; no such key, or a group there
        raise DataError(f"cannot read {path}: {error}; SHD is HDF5 with {', '.join(KEYS)}; get it again") from error
