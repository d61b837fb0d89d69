"""Pytrees: what counts as a node, and that flatten and unflatten are inverse."""

from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from fwdad import Dual, tree
from fwdad.tree import Buffer, is_buffer, static


class Pair(NamedTuple):
    a: object
    b: object


@dataclass
class Layer:
    weight: object
    name: str = static("layer")
    bias: object = None

    def __post_init__(self):
        self.made = True


DUAL = Dual(np.ones(2), np.ones((1, 2)), 1)


@pytest.mark.parametrize(
    ("value", "leaves"),
    [
        (1.0, [1.0]),
        (None, []),
        ((), []),
        ([1, (2, [3])], [1, 2, 3]),
        ({"b": 1, "a": [2, None]}, [1, 2]),
        (OrderedDict(x=1, y=2), [1, 2]),
        (Pair(1, Pair(2, 3)), [1, 2, 3]),
        (Layer(1.0, "first", [2.0]), [1.0, 2.0]),
        (Buffer(1.0), [1.0]),
        (DUAL, [DUAL]),
        ("text", ["text"]),
    ],
)
def test_flatten_and_unflatten(value, leaves):
    found, structure = tree.flatten(value)
    assert found == leaves or found[0] is leaves[0]
    again = tree.unflatten(structure, found)
    assert type(again) is type(value)
    assert tree.flatten(again)[1] == structure


def test_a_dataclass_is_built_without_its_init():
    layer = tree.map(lambda leaf: 2 * leaf, Layer(1.0, "first"))
    assert (layer.weight, layer.name, layer.bias, hasattr(layer, "made")) == (2.0, "first", None, False)


def test_static_fields_and_types_are_structure():
    def structure(value):
        return tree.flatten(value)[1]

    assert structure(Layer(1.0)) == structure(Layer(9.0))
    assert structure(Layer(1.0)) != structure(Layer(1.0, "other"))
    assert structure((1, 2)) != structure([1, 2])
    assert structure({"a": 1}) != structure({"b": 1})


def test_map_over_several_trees_and_is_leaf():
    assert tree.map(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]}) == {"x": 11, "y": [22]}
    assert tree.map(lambda node: type(node).__name__, [1, Buffer(2)], is_leaf=is_buffer) == ["int", "Buffer"]


def test_leaves_like_goes_by_structure():
    structure = tree.flatten({"a": 1, "b": [2, None, Layer(3, "x", 4)]})[1]
    assert tree.leaves_like({"b": [20, None, Layer(30, "x", 40)], "a": 10}, structure, "t") == [10, 20, 30, 40]
    assert tree.leaves_like({"b": None, "a": 10}, structure, "t", gaps=True) == [10, None, None, None]
    assert tree.map(lambda a, b: a + b, {"x": 1, "y": 2}, {"y": 20, "x": 10}) == {"x": 11, "y": 22}


@pytest.mark.parametrize(
    ("words", "other"),
    [
        (r"the tree has another structure.*dict of 'a', 'b'; got dict of 'a', 'c'", {"a": 1, "c": (2, Layer(3))}),
        ("dict of 'a', 'b'; got list of 0, 1", [1, (2, Layer(3))]),
        (r"the tree\['b'\] .* tuple of 0, 1; got list of 0, 1", {"a": 1, "b": [2, Layer(3)]}),
        (r"the tree\['a'\] .* a leaf; got tuple of 0", {"a": (1,), "b": (2, Layer(3))}),
        (r"the tree\['a'\] .* a leaf; got None", {"a": None, "b": (2, Layer(3))}),
        (
            "Layer of 'weight', 'bias', name='layer'; got Layer of 'weight', 'bias', name='x'",
            {"a": 1, "b": (2, Layer(3, "x"))},
        ),
    ],
)
def test_another_structure_is_said_in_words(words, other):
    structure = tree.flatten({"a": 1, "b": (2, Layer(3))})[1]
    with pytest.raises(ValueError, match=words):
        tree.leaves_like(other, structure, "the tree")


def test_named_leaves():
    named = tree.named_leaves({"layers": [Layer(1.0), Pair(2.0, None)], "scale": 3.0})
    assert named == {"layers.0.weight": 1.0, "layers.1.0": 2.0, "scale": 3.0}


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("too few leaves: got 1", lambda: tree.unflatten(tree.flatten([1, 2])[1], [1])),
        ("too many leaves: got 3", lambda: tree.unflatten(tree.flatten([1, 2])[1], [1, 2, 3])),
        ("tree 3 has another structure", lambda: tree.map(max, [1], [2], (3,))),
    ],
)
def test_mistakes_are_named(words, call):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_defaultdict_keeps_its_factory():
    made = tree.map(lambda leaf: leaf + 1, defaultdict(list, {"w": 1.0}))
    assert made == {"w": 2.0}
    assert made["new"] == []
