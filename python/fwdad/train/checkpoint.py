"""Checkpoints: one safetensors file, whose header holds all that is not an array, as JSON.

One file, replaced atomically: arrays and state are always of the same step. A digest tells whether they are still as
they were written.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from fwdad import tree
from fwdad.files import parse_json, read_safetensors, write_atomic
from fwdad.kernels import device_of, to_device

FORMAT = 2  # 1 named the settings learning_rate and combiner otherwise
KEY = "fwdad"  # of the header entry
Arrays = dict[str, np.ndarray]


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file, what is wrong with it and what to do."""


def save(path: Path, trees: dict[str, Any], state: dict[str, Any]) -> str:
    """Replace the checkpoint at `path`, atomically, and return its `digest`.

    Parameters
    ----------
    trees
        Pytrees of arrays by name; the array at path ``p`` of tree ``t`` is stored as ``t.p``.
    state
        JSON values.

    Raises
    ------
    ValueError
        The state holds NaN or infinity.
    """
    arrays = {name: np.array(to_device(array, "cpu"), order="C") for name, array in _named(trees).items()}
    found = digest(arrays, state)
    header = json.dumps({"format": FORMAT, "digest": found, **state}, allow_nan=False)
    write_atomic(path, safetensors.numpy.save(arrays, {KEY: header}))
    return found


def digest(arrays: Arrays, state: dict[str, Any]) -> str:
    """Return the SHA-256, in hex, of the arrays with their names, dtypes and shapes, and of the state."""
    found = hashlib.sha256(json.dumps(state, allow_nan=False).encode())
    for name, array in sorted(arrays.items()):
        found.update(f"\n{name} {_describe(array)}\n".encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read a checkpoint's arrays and state, with its ``digest`` among the latter.

    Raises
    ------
    CheckpointError
        It is missing, cannot be read, is cut short, damaged or something else.
    """
    try:
        arrays, about = read_safetensors(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}; start a new run") from error
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CheckpointError(f"cannot use the checkpoint {path}: {error}; start a new run") from error
    state = _parse(path, about.get(KEY))
    if state.get("digest") != digest(arrays, {name: value for name, value in state.items() if name != "digest"}):
        raise CheckpointError(f"the checkpoint {path} is damaged: it is not as it was written; start a new run")
    return arrays, state


def _parse(path: Path, header: str | None) -> dict[str, Any]:
    try:
        state = parse_json(header or "")
    except ValueError:
        state = None
    if not isinstance(state, dict) or "format" not in state:
        raise CheckpointError(f"{path} is not a checkpoint of fwdad")
    if (found := state.pop("format")) != FORMAT:
        written = f"by fwdad {state.get('fwdad', 'of an unknown version')!s:.40}"
        raise CheckpointError(
            f"{path} has format {found!r:.40}, written {written}; this version of fwdad reads format {FORMAT}: "
            "use the version that wrote it, or start a new run"
        )
    return state


def restore(trees: dict[str, Any], arrays: Arrays, path: Path) -> dict[str, Any]:
    """Return trees like `trees` with the checkpoint's arrays at their leaves, on the same devices.

    Raises
    ------
    CheckpointError
        A name, shape or dtype differs; the message names the first.
    """
    expected = _named(trees)
    for name in sorted(expected.keys() | arrays.keys()):
        found, needed = (_describe(side.get(name)) for side in (arrays, expected))
        if found != needed:
            raise CheckpointError(f"{path} is of another model: {name} is {found} in it, but {needed} here")
    restored = {}
    for name, value in trees.items():
        leaves = [to_device(arrays[f"{name}.{leaf}"], device_of(old)) for leaf, old in tree.named_leaves(value).items()]
        restored[name] = tree.unflatten(tree.flatten(value)[1], leaves)
    return restored


def _named(trees: dict[str, Any]) -> Arrays:
    return {f"{name}.{leaf}": array for name, t in trees.items() for leaf, array in tree.named_leaves(t).items()}


def _describe(array: np.ndarray | None) -> str:
    return "absent" if array is None else f"{array.dtype} {array.shape}"
