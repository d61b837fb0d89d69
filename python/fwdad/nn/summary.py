"""What a model is made of: its layers in the order of their calls, with shapes, parameters and the size of tangents."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fwdad import tree
from fwdad.dual import new_level
from fwdad.perturbation import Site, is_perturbable, layer_pass


class Row(NamedTuple):
    """One call of one layer.

    Attributes
    ----------
    name, layer : str
        Where it is in the model, as in ``layers.0``, and its type.
    output : tuple
        The shape of what it computes.
    parameters : int
    tangents : int
        Bytes of k tangents of its output.
    """

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    tangents: int


class Summary(NamedTuple):
    """The rows of a model, its number of parameters, and the bytes of the largest k tangents; `print` shows a table."""

    rows: list[Row]
    parameters: int
    tangents: int

    def __str__(self) -> str:
        """Return the table."""
        texts = [("name", "layer", "output", "parameters", "tangents")]
        texts += [(r.name, r.layer, str(r.output), f"{r.parameters:,}", _bytes(r.tangents)) for r in self.rows]
        texts.append(("", "", "", f"{self.parameters:,}", f"most {_bytes(self.tangents)}"))
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        return "\n".join(
            "  ".join(t.rjust(w) if i > 2 else t.ljust(w) for i, (t, w) in enumerate(zip(row, widths, strict=True)))
            for row in texts
        )


def summary(model: Any, shape: tuple[int, ...], k: int = 1) -> Summary:
    """Return what a model is made of, from a call on zeros.

    Layers without parameters, such as pooling, are not shown; a layer that is called twice has two rows.

    Parameters
    ----------
    model
        A model whose layers have a ``local_gradient``, as those of `fwdad.nn`.
    shape : tuple
        Of an input, with its batch.
    k : int
        Tangents at a time.

    Examples
    --------
    >>> from fwdad import nn
    >>> print(summary(nn.MLP((784, 256, 10)), (64, 784), k=16))
    name      layer   output     parameters     tangents
    layers.0  Linear  (64, 256)     200,960       1.0 MB
    layers.1  Linear  (64, 10)        2,570      41.0 kB
                                    203,530  most 1.0 MB
    """
    leaves = tree.flatten(model, tree.is_buffer)[0]
    dtype = next((leaf.dtype for leaf in leaves if tree.is_parameter(leaf)), np.dtype(np.float32))
    names = {id(layer): name for name, layer in tree.named_leaves(model, is_perturbable).items()}
    with layer_pass(Site, model, new_level()) as running:
        model(np.zeros(shape, dtype))
    rows = [
        Row(
            names[id(site.layer)],
            type(site.layer).__name__,
            site.z_shape,
            _parameters(site.layer),
            k * math.prod(site.z_shape) * site.dtype.itemsize,
        )
        for site in running.sites
    ]
    return Summary(rows, _parameters(model), max((row.tangents for row in rows), default=0))


def _parameters(part: Any) -> int:
    return sum(leaf.size for leaf in tree.flatten(part, tree.is_buffer)[0] if tree.is_parameter(leaf))


def _bytes(count: int) -> str:
    """Return a number of bytes for people.

    >>> _bytes(999), _bytes(1000), _bytes(2_500_000)
    ('999 B', '1.0 kB', '2.5 MB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
