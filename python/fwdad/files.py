"""Files that are written whole or not at all, JSON in them, and the lock of a run's folder."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fwdad.errors import RunError

LOCK = ".lock"
TEMPORARY = ".fwdad-{}.tmp"
DTYPES = ("BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "F32", "I64", "U64", "F64")
"""The dtypes of safetensors that are read as they are."""

HALVES = ("F16", "BF16")
"""Those of 16 bits, which are widened to float32: nothing here computes in them."""

LONGEST_INTEGER = 20  # digits, of 2**64


def write_atomic(path: Path, content: bytes) -> None:
    """Replace the file at `path`: whoever reads it, even after a crash, sees the old content or the new one.

    The file keeps its mode. A symbolic link stays, and the file that it names is replaced. A device or a pipe, such as
    ``/dev/stdout``, is written into.
    """
    try:
        found = _status(path)
        if found is not None and (not stat.S_ISREG(found.st_mode) or _is_open_elsewhere(path)):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as file:
                file.write(content)
            return
        if found is not None and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        _replace(Path(os.path.realpath(path)), content, None if found is None else stat.S_IMODE(found.st_mode) & 0o777)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _is_open_elsewhere(path: Path) -> bool:
    """Whether the path names what this process has open, as ``/dev/stdout`` does: never to be replaced."""
    return os.path.abspath(path).startswith(("/dev/fd/", "/dev/std", "/proc/"))


def _replace(path: Path, content: bytes, mode: int | None) -> None:
    # In the same folder, since only within one file system is a rename atomic; nobody else can have or guess its name.
    temporary = path.with_name(TEMPORARY.format(os.urandom(8).hex()))
    try:
        with temporary.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself survives a power cut only from here on
    finally:
        os.close(folder)


def is_leftover(path: Path) -> bool:
    """Whether a killed process may have left this file behind: a lock, or a temporary file of `write_atomic`."""
    return path.name == LOCK or path.match(TEMPORARY.format("*"))


def clear_leftovers(folder: Path) -> None:
    """Remove what killed writers left in a folder; only its lock's holder may."""
    for path in folder.glob(TEMPORARY.format("*")):
        path.unlink(missing_ok=True)


def lock(folder: Path) -> Any:
    """Take the lock of a run's folder: a `filelock.FileLock`, held until its ``release`` or the process's end.

    Raises
    ------
    RunError
        Somebody has it, or the folder cannot be written into.
    """
    import filelock  # here, so that a program without runs does without it

    taken = filelock.FileLock(folder / LOCK, thread_local=False)
    try:
        taken.acquire(timeout=0)
    except filelock.Timeout as error:
        raise RunError(f"another process is at work in {folder}: wait for its end, or choose another folder") from error
    except OSError as error:
        raise RunError(f"cannot lock {folder} for a run: {error.strerror or error}") from error
    return taken


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the arrays in a safetensors file, and the texts in its header.

    Arrays of 16-bit floats, float16 and bfloat16, are widened to float32, which holds all their values, with a warning.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is cut short or damaged, or has an array of a dtype that NumPy does not have.
    """
    import safetensors  # here, so that a program without files does without it

    with path.open("rb"):  # says what is wrong, where safetensors says only that there is no such file
        pass
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            dtypes = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118  (no mapping)
            for name, dtype in dtypes.items():
                if dtype not in DTYPES + HALVES:
                    raise ValueError(f"{name[:80]!r} has dtype {dtype}, unknown to NumPy")
            arrays = {name: file.get_tensor(name) for name, dtype in dtypes.items() if dtype in DTYPES}
            metadata = file.metadata() or {}
        if halves := dtypes.keys() - arrays.keys():
            raw = dict(safetensors.deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
            arrays = {name: _widened(raw[name]) if name in halves else arrays[name] for name in dtypes}
            message = f"{path}: {len(halves)} arrays are float16 or bfloat16; they were widened to float32"
            warnings.warn(message, stacklevel=3)
    except safetensors.SafetensorError as error:
        raise ValueError(f"it is cut short or damaged ({error})") from error
    return arrays, metadata


def _widened(raw: dict[str, Any]) -> np.ndarray:
    """Return the float32 array of a float16 or bfloat16 one; the latter is the upper half of its float32."""
    words = np.frombuffer(raw["data"], "<u2").reshape(raw["shape"])
    if raw["dtype"] == "F16":
        return words.view("<f2").astype(np.float32)
    return (words.astype(np.uint32) << 16).view(np.float32)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file by the value as JSON; ValueError for NaN or infinity, which JSON does not have."""
    write_atomic(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file; `RunError` if there is none."""
    try:
        value = parse_json(path.read_bytes())
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"cannot read {path}: it holds no JSON object")
    return value


def parse_number(text: str) -> float:
    """Return the number that a text writes in ASCII; ValueError for any other text, Python's ``1_000`` among them."""
    if not text.isascii() or "_" in text:
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def parse_json(text: str | bytes, *, nan: bool = False) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    nan
        Whether NaN and infinity are values.

    Raises
    ------
    ValueError
        The text is no JSON, is nested too deeply, has a name twice in an object, or a number that no float64 or 64-bit
        integer holds.
    """
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=float if nan else _no_number,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER + text.startswith("-"):
        raise ValueError(f"an integer of {len(text)} digits is too large")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:LONGEST_INTEGER]} is not a finite number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same name twice")
    return found
