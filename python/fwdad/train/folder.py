"""Run folders: the names of the files in them, and how a new one is made."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from fwdad.errors import RunError
from fwdad.files import is_leftover, lock

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
CONFIG, METRICS, RESULT = "config.json", "metrics.csv", "result.json"


def claim(folder: Path) -> Any:
    """Make an empty run folder and return its lock; `RunError` if something is there already or it cannot be made."""
    _make(folder, exist_ok=True)
    _check_free(folder)
    taken = lock(folder)
    try:
        _check_free(folder)  # whoever had the lock before may have made a run
    except RunError:
        taken.release()
        raise
    return taken


def make_first_free(folder: Path) -> Path:
    """Make ``folder`` if nothing is there, else the first such of ``folder-2``, ``folder-3``, ..., and return it."""
    _make(folder.parent, exist_ok=True)
    for number in itertools.count(1):
        free = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            _make(free, exist_ok=False)
        except FileExistsError:
            continue
        return free
    raise AssertionError("there is always another number")


def is_free(folder: Path) -> bool:
    """Whether a folder holds nothing, or only what a run leaves behind that was killed before its first checkpoint."""
    return all(map(is_leftover, folder.iterdir()))


def _make(folder: Path, exist_ok: bool) -> None:
    try:
        folder.mkdir(parents=exist_ok, exist_ok=exist_ok)
    except OSError as error:
        if isinstance(error, FileExistsError) and not exist_ok:
            raise
        raise RunError(f"cannot make the run folder {folder}: {error.strerror}; choose another with --out") from error


def _check_free(folder: Path) -> None:
    try:
        free = is_free(folder)
    except OSError as error:
        raise RunError(f"cannot look into the run folder {folder}: {error.strerror}; choose another --out") from error
    if not free:
        resume = "continue its run with --resume, or " if (folder / CHECKPOINT).exists() else ""
        raise RunError(f"the run folder {folder} is not empty: {resume}choose another --out")
