"""Checkpoints: one safetensors file, whose header holds all that is not an array, as JSON.

One file, replaced atomically: arrays and state are always of the same step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from fwdad import tree
from fwdad.files import write_atomic
from fwdad.kernels import device_of, to_device

FORMAT = 2  # 1 named the settings learning_rate and combiner otherwise
KEY = "fwdad"  # of the header entry
Arrays = dict[str, np.ndarray]


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file, what is wrong with it and what to do."""


def save(path: Path, trees: dict[str, Any], state: dict[str, Any]) -> None:
    """Replace the checkpoint at `path`, atomically.

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
    header = {KEY: json.dumps({"format": FORMAT, **state}, allow_nan=False)}
    write_atomic(path, safetensors.numpy.save(arrays, header))


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read a checkpoint's arrays and state; `CheckpointError` if it is missing, cut short or something else."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            state = _parse(path, (file.metadata() or {}).get(KEY))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}; start a new run") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"the checkpoint {path} is cut short or damaged ({error}); start a new run") from error
    return arrays, state


def _parse(path: Path, header: str | None) -> dict[str, Any]:
    try:
        state = json.loads(header or "")
    except ValueError:
        state = None
    if not isinstance(state, dict) or "format" not in state:
        raise CheckpointError(f"{path} is not a checkpoint of fwdad")
    if state["format"] != FORMAT:
        written = f"by fwdad {state.get('fwdad', 'of an unknown version')}"
        raise CheckpointError(
            f"{path} has format {state['format']}, written {written}; this version of fwdad reads format {FORMAT}: "
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
