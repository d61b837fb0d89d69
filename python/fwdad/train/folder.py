"""Run folders: the names of the files in them, and how a new one is made."""

from __future__ import annotations

import os
from pathlib import Path

from fwdad.errors import RunError

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
CONFIG, METRICS, RESULT = "config.json", "metrics.csv", "result.json"


def claim(folder: Path) -> None:
    """Make an empty run folder; `RunError` if something is there already or it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise RunError(f"cannot make the run folder {folder}: {error.strerror}; choose another with --out") from error
    if occupied:
        raise RunError(f"the run folder {folder} is not empty: continue its run with --resume, or choose another --out")


def first_free(folder: Path) -> Path:
    """``folder`` if nothing is there, else the first such of ``folder-2``, ``folder-3``, ..."""
    number, free = 1, folder
    while os.path.lexists(free):
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free
