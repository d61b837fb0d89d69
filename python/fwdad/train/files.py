"""The files of a run folder: written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
CONFIG, METRICS, RESULT = "config.json", "metrics.csv", "result.json"


class RunError(ValueError):
    """A run folder that cannot be used as asked; the message names it and says what to do."""


def write_atomic(path: Path, content: bytes) -> None:
    """Replace the file at ``path``: whoever reads it, even after a crash, sees the old content or the new one."""
    # In the same folder, since only within one file system is a rename atomic. A killed run may leave this file behind;
    # the next write of the same path takes it over.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself survives a power cut only from here on
    finally:
        os.close(folder)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file by the value as JSON; ValueError for NaN or infinity, which JSON does not have."""
    write_atomic(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; `RunError` if there is none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"cannot read {path}: it holds no JSON object")
    return value


def claim(folder: Path) -> None:
    """Make an empty run folder at ``folder``; `RunError` if something is there already or it cannot be made."""
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
