"""Pytrees: nested tuples, lists, dicts and dataclasses with arrays at the leaves.

A dataclass field made with ``field(metadata={"static": True})`` (or `static`) is part of the
structure, not a leaf. ``None`` holds no leaf. Everything else, arrays and Duals included, is a leaf.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

Leaf = Any
Tree = Any
IsLeaf = Callable[[Any], bool]
Split = tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]


def static(default: Any = dataclasses.MISSING) -> Any:
    """Make a dataclass field that belongs to a tree's structure: it is compared, never differentiated.

    Parameters
    ----------
    default : object, optional
        The field's default value.

    Returns
    -------
    dataclasses.Field
        A field with ``metadata={"static": True}``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Scale:
    ...     factor: float
    ...     name: str = static("none")
    >>> leaves(Scale(2.0, "double"))
    [2.0]
    """
    return dataclasses.field(default=default, metadata={"static": True})


@dataclasses.dataclass(eq=False)
class Buffer:
    """A value that a model keeps but does not learn, such as a running mean: a box around one leaf.

    It is saved, loaded and mapped like every part of a tree. `fwdad.ForwardGradient` and the optimisers ask `is_buffer`
    and leave it alone.

    Examples
    --------
    >>> map(lambda leaf: leaf + 1, {"mean": Buffer(1.0)})
    {'mean': Buffer(value=2.0)}
    """

    value: Leaf


def is_buffer(node: Any) -> bool:
    """Whether a node is a `Buffer`; as ``is_leaf`` it keeps the functions of this module out of buffers."""
    return type(node) is Buffer


class Structure(NamedTuple):
    """What remains of a tree without its leaves: `node` is its type, ``None`` for a leaf."""

    node: type | None
    names: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()
    statics: tuple[Any, ...] = ()


LEAF = Structure(None)


@functools.cache
def _splitter(node: type) -> Callable[[Any], Split] | None:
    """Return a function from a node of this type to its names, children and static values; None if it is a leaf."""
    if node is type(None):
        return lambda _: ((), (), ())
    if issubclass(node, defaultdict):
        return lambda tree: (tuple(tree), tuple(tree.values()), (("default_factory", tree.default_factory),))
    if issubclass(node, dict):
        return lambda tree: (tuple(tree), tuple(tree.values()), ())
    if issubclass(node, (tuple, list)):
        return lambda tree: (tuple(range(len(tree))), tuple(tree), ())
    if not dataclasses.is_dataclass(node) or hasattr(node, "__array_ufunc__"):
        return None
    fields = dataclasses.fields(node)
    statics = tuple(f.name for f in fields if f.metadata.get("static"))
    names = tuple(f.name for f in fields if f.name not in statics)
    return lambda tree: (
        names,
        tuple([getattr(tree, name) for name in names]),
        tuple([(name, getattr(tree, name)) for name in statics]),
    )


def flatten(tree: Tree, is_leaf: IsLeaf | None = None) -> tuple[list[Leaf], Structure]:
    """Split a tree into its leaves, in order, and its structure.

    Parameters
    ----------
    tree : pytree
        Nested tuples, lists, dicts and dataclasses.
    is_leaf : callable, optional
        A node for which it is true counts as a leaf.

    Returns
    -------
    leaves : list
        The leaves, in order.
    structure : Structure
        What `unflatten` needs to build the tree again.

    Examples
    --------
    >>> flatten({"w": 1.0, "b": (2.0, None)})[0]
    [1.0, 2.0]
    """
    collected: list[Leaf] = []
    structure = _visit(tree, is_leaf, collected)
    return collected, structure


def _visit(node: Tree, is_leaf: IsLeaf | None, collected: list[Leaf]) -> Structure:
    """Add a node's leaves to the list, and return its structure.

    This is no closure: one that calls itself is a reference cycle, and holds the leaves until the garbage is collected.
    """
    kind: Any = type(node)
    split = _splitter(kind)
    if split is None or (is_leaf is not None and is_leaf(node)):
        collected.append(node)
        return LEAF
    names, children, statics = split(node)
    below = []
    for child in children:
        if type(child) is np.ndarray:  # most children are, and a call for each would take as long as all the rest
            collected.append(child)
            below.append(LEAF)
        else:
            below.append(_visit(child, is_leaf, collected))
    return Structure(kind, names, tuple(below), statics)


def unflatten(structure: Structure, leaves: Sequence[Leaf]) -> Tree:
    """Put leaves back into a structure: the inverse of `flatten`.

    Parameters
    ----------
    structure : Structure
        As `flatten` returns it.
    leaves : sequence
        As many leaves as the structure has.

    Returns
    -------
    pytree
        A tree of this structure.

    Raises
    ------
    ValueError
        The number of leaves is not the structure's.

    Examples
    --------
    >>> unflatten(flatten([1.0, {"a": 2.0}])[1], [10.0, 20.0])
    [10.0, {'a': 20.0}]
    """
    remaining = iter(leaves)
    try:
        tree = _build(structure, remaining)
    except StopIteration:
        raise ValueError(f"too few leaves: got {len(leaves)} for {structure}") from None
    if next(remaining, _MISSING) is not _MISSING:
        raise ValueError(f"too many leaves: got {len(leaves)} for {structure}")
    return tree


_MISSING = object()


def _build(s: Structure, remaining: Iterator[Leaf]) -> Tree:
    if s.node is None:
        return next(remaining)
    children = [next(remaining) if child is LEAF else _build(child, remaining) for child in s.children]
    return _joiner(s.node)(children, s)


@functools.cache
def _joiner(node: type) -> Callable[[list[Any], Structure], Any]:
    """Return a function from children and structure to a node of this type: the inverse of `_splitter`."""
    if node is type(None):
        return lambda children, s: None
    if issubclass(node, defaultdict):
        return lambda children, s: node(s.statics[0][1], zip(s.names, children, strict=True))
    if issubclass(node, dict):
        return lambda children, s: node(zip(s.names, children, strict=True))
    if hasattr(node, "_fields"):  # a named tuple
        return lambda children, s: node(*children)
    if issubclass(node, (tuple, list)):
        return lambda children, s: node(children)
    return _rebuilt


def _rebuilt(children: list[Any], s: Structure) -> Any:
    """Build a dataclass without calling its __init__, which may draw initial values."""
    assert s.node is not None
    made: Any = object.__new__(s.node)
    put = object.__setattr__
    for name, value in zip(s.names, children, strict=True):
        put(made, name, value)
    for name, value in s.statics:
        put(made, name, value)
    return made


def leaves(tree: Tree) -> list[Leaf]:
    """Return the leaves of a tree, in order."""
    return flatten(tree)[0]


def map(f: Callable[..., Any], tree: Tree, *rest: Tree, is_leaf: IsLeaf | None = None) -> Tree:
    """Apply f leaf by leaf to trees of one structure.

    Parameters
    ----------
    f : callable
        A function of one leaf of each tree.
    tree, *rest : pytree
        Trees of one structure.
    is_leaf : callable, optional
        A node for which it is true counts as a leaf.

    Returns
    -------
    pytree
        A tree of the same structure, of what f returns.

    Raises
    ------
    ValueError
        The structures differ.

    Examples
    --------
    >>> map(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
    {'x': 11, 'y': [22]}
    """
    first, structure = flatten(tree, is_leaf)
    columns = [first]
    for position, other in enumerate(rest, start=2):
        columns.append(leaves_like(other, structure, f"tree {position}", is_leaf))
    return unflatten(structure, [f(*column) for column in zip(*columns, strict=True)])


def leaves_like(
    tree: Tree, structure: Structure, name: str, is_leaf: IsLeaf | None = None, gaps: bool = False
) -> list[Leaf]:
    """Return the leaves of a tree in the order of a structure, which it must have: the entries of a dict by their keys.

    With `gaps`, None stands for any part of the structure, and gives None for each of its leaves.
    Raises ValueError where the tree has another structure; `name` says which tree it is.
    """
    found, own = flatten(tree, is_leaf)
    if own == structure:
        return found
    collected: list[Leaf] = []
    _collect(tree, structure, name, is_leaf, gaps, collected)
    return collected


def _collect(node: Tree, s: Structure, name: str, is_leaf: IsLeaf | None, gaps: bool, collected: list[Leaf]) -> None:
    """Add the leaves of a node to the list, in the order of its structure."""
    kind: Any = type(node)
    split = None if is_leaf is not None and is_leaf(node) else _splitter(kind)
    if node is None and gaps:
        collected += [None] * _count(s)
    elif s.node is None and split is None:
        collected.append(node)
    else:
        names, children, statics = split(node) if split is not None else ((), (), ())
        if kind is not s.node or set(names) != set(s.names) or statics != s.statics:
            got = LEAF if split is None else Structure(kind, names, statics=statics)
            raise ValueError(f"{name} has another structure than it must have: {_said(s)}; got {_said(got)}")
        by_name = dict(zip(names, children, strict=True))
        for key, child in zip(s.names, s.children, strict=True):
            _collect(by_name[key], child, f"{name}[{key!r}]", is_leaf, gaps, collected)


def _count(s: Structure) -> int:
    """Return the number of leaves."""
    return 1 if s.node is None else sum(_count(child) for child in s.children)


def _said(s: Structure) -> str:
    """Say in words what a node of a structure is."""
    if s.node in (None, type(None)):
        return "a leaf" if s.node is None else "None"
    parts = [*(repr(name) for name in s.names), *(f"{name}={value!r}" for name, value in s.statics)]
    return f"{s.node.__name__} of {', '.join(parts) or 'nothing'}"


def named_leaves(tree: Tree, is_leaf: IsLeaf | None = None) -> dict[str, Leaf]:
    """Return the leaves under their dotted paths, as in ``layers.0.weight``; a node with `is_leaf` counts as one.

    Examples
    --------
    >>> named_leaves({"layers": [{"weight": 1.0}, {"weight": 2.0}]})
    {'layers.0.weight': 1.0, 'layers.1.weight': 2.0}
    """
    return dict(_named(tree, (), is_leaf))


def paths(tree: Tree) -> Iterator[tuple[str, Leaf]]:
    """Yield the dotted path of each leaf, and the leaf, in order; of a tree that is a leaf the path is empty."""
    return _named(tree, (), None)


def _named(node: Tree, path: tuple[str, ...], is_leaf: IsLeaf | None) -> Iterator[tuple[str, Leaf]]:
    kind: Any = type(node)
    split = _splitter(kind)
    if split is None or (is_leaf is not None and is_leaf(node)):
        yield ".".join(path), node
        return
    names, children, _ = split(node)
    for name, child in zip(names, children, strict=True):
        yield from _named(child, (*path, str(name)), is_leaf)


def is_parameter(leaf: Leaf) -> bool:
    """Whether a leaf of a model, flattened with `is_buffer`, is something to learn: a floating array.

    >>> import numpy as np
    >>> is_parameter(np.zeros(2)), is_parameter(np.arange(2)), is_parameter(3.0)
    (True, False, False)
    """
    dtype = getattr(leaf, "dtype", None)
    return getattr(dtype, "kind", None) == "f"


def learned(model: Tree) -> Tree:
    """Return the model as optimisers see it: its parameters, and nothing (None) where it has buffers."""
    found, structure = flatten(model, is_buffer)
    if not any(is_buffer(leaf) for leaf in found):
        return model
    return unflatten(structure, [None if is_buffer(leaf) else leaf for leaf in found])


def with_learned(model: Tree, parameters: Tree) -> Tree:
    """Return the model with other parameters, as `learned` gives them, and its own buffers."""
    leaves_of_model, structure = flatten(model, is_buffer)
    if not any(is_buffer(leaf) for leaf in leaves_of_model):
        return parameters
    new = iter(leaves(parameters))
    return unflatten(structure, [leaf if is_buffer(leaf) else next(new) for leaf in leaves_of_model])
