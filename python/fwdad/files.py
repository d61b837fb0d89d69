"""Files that are written whole or not at all, and JSON in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fwdad.errors import RunError


def write_atomic(path: Path, content: bytes) -> None:
    """Replace the file at `path`: whoever reads it, even after a crash, sees the old content or the new one."""
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
    """Read the object in a JSON file; `RunError` if there is none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"cannot read {path}: it holds no JSON object")
    return value
