"""Weights under PyTorch's names and in its layouts, so that either library reads the other's checkpoints.

A field has PyTorch's name, unless ``torch_names`` of its class has another one. A name that ends with "_" is joined to
the next without a dot; an empty one is left out. In a `Sequential`, an activation that is part of a layer counts as a
module, as it does in PyTorch. Weights are transposed: Linear (in, out) to (out, in), Conv2d (KH, KW, C, O) to
(O, C, KH, KW).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fwdad import tree
from fwdad.files import read_safetensors, write_atomic
from fwdad.nn.conv import Conv2d
from fwdad.nn.linear import Linear
from fwdad.nn.module import Module
from fwdad.nn.sequential import Sequential

Model = TypeVar("Model", bound=Module)
Arrays = dict[str, np.ndarray]


class Layout(NamedTuple):
    """How an array becomes PyTorch's (`there`), and ours again (`back`)."""

    there: Callable[[Any], Any]
    back: Callable[[Any], Any]


SAME = Layout(lambda a: a, lambda a: a)
LAYOUTS: dict[type, Layout] = {
    Linear: Layout(lambda w: w.T, lambda w: w.T),
    Conv2d: Layout(lambda w: w.transpose(3, 2, 0, 1), lambda w: w.transpose(2, 3, 1, 0)),
}
"""The layout of ``weight``, by the layer's class."""


def state_dict(model: Module) -> Arrays:
    """Return the arrays of a model under PyTorch's names and in its layouts.

    Examples
    --------
    >>> from fwdad import nn
    >>> {name: a.shape for name, a in state_dict(nn.MLP((4, 3, 2))).items()}
    {'0.weight': (3, 4), '0.bias': (3,), '2.weight': (2, 3), '2.bias': (2,)}
    """
    return {
        name: np.array(layout.there(leaf), order="C")
        for (name, layout), leaf in zip(_entries(model), tree.leaves(model), strict=True)
    }


def with_state_dict(model: Model, state: Mapping[str, np.ndarray]) -> Model:
    """Return the model with the arrays of a state dict, in its own dtypes.

    Raises
    ------
    ValueError
        For entries that are missing, unexpected or of another shape; it names all of them.

    Examples
    --------
    >>> from fwdad import nn
    >>> a, b = nn.MLP((4, 3, 2), seed=0), nn.MLP((4, 3, 2), seed=1)
    >>> bool(np.all(with_state_dict(b, state_dict(a)).layers[0].weight == a.layers[0].weight))
    True
    """
    leaves, structure = tree.flatten(model)
    entries = dict(zip(_entries(model), leaves, strict=True))
    expected = {name: layout.there(leaf).shape for (name, layout), leaf in entries.items()}
    wrong = [f"{name} is missing" for name in expected if name not in state]
    wrong += [f"{name} is unexpected" for name in state if name not in expected]
    wrong += [
        f"{name} has shape {state[name].shape}, not {shape}"
        for name, shape in expected.items()
        if name in state and state[name].shape != shape
    ]
    if wrong:
        raise ValueError(f"these are not the weights of this {type(model).__name__}: {'; '.join(wrong)}")
    new = [np.array(layout.back(state[name]), dtype=leaf.dtype, order="C") for (name, layout), leaf in entries.items()]
    return tree.unflatten(structure, new)  # type: ignore[no-any-return]


def save_torch(model: Module, path: str | os.PathLike[str]) -> None:
    """Write the model as a safetensors file that PyTorch reads: ``load_state_dict(safetensors.torch.load_file(path))``.

    The file is replaced in one step.
    """
    import safetensors.numpy  # here, so that a program without files does without it

    write_atomic(Path(path), safetensors.numpy.save(state_dict(model)))


def load_torch(model: Model, path: str | os.PathLike[str]) -> Model:
    """Return the model with the weights of a safetensors file that PyTorch or `save_torch` wrote.

    Weights of float16 and bfloat16 are widened, with a warning.

    Raises
    ------
    ValueError
        For a file that is no whole safetensors file, has a dtype that NumPy does not have, as float8, or is of another
        model, as `with_state_dict`.
    """
    try:
        return with_state_dict(model, read_safetensors(Path(path))[0])
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def _entries(model: Module) -> list[tuple[str, Layout]]:
    """Return name and layout of each leaf, in the order of the leaves."""
    return list(_visit(model, "", SAME))


def _visit(node: Any, name: str, layout: Layout) -> Iterator[tuple[str, Layout]]:
    if node is None:
        return
    if isinstance(node, tree.Buffer):
        yield name, SAME
    elif isinstance(node, Sequential):
        place = 0
        for layer in node.layers:
            yield from _visit(layer, _join(name, str(place)), SAME)
            place += 1 if getattr(layer, "activation", "identity") == "identity" else 2
    elif isinstance(node, Module):
        layout_of = next((each for kind, each in LAYOUTS.items() if isinstance(node, kind)), SAME)
        for field in dataclasses.fields(node):  # type: ignore[arg-type]
            if not field.metadata.get("static"):
                child = _join(name, node.torch_names.get(field.name, field.name))
                yield from _visit(getattr(node, field.name), child, layout_of if field.name == "weight" else SAME)
    elif isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            yield from _visit(child, _join(name, str(i)), SAME)
    else:
        yield name, layout


def _join(name: str, part: str) -> str:
    if not name or not part:
        return name + part
    return name + part if name.endswith("_") else f"{name}.{part}"
