"""Where the nodes of a directed graph are drawn: in layers, each below what it follows from."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

Neighbours = dict[Hashable, list[Hashable]]


class Place(NamedTuple):
    """A node's layer from the top, and its middle in units of a node's width."""

    layer: int
    across: float


class Layout(NamedTuple):
    """Where each node is, and the places that each edge goes through, its ends included."""

    places: dict[str, Place]
    edges: dict[tuple[str, str], list[Place]]


def layout(operands: Mapping[str, Sequence[str]]) -> Layout:
    """Place a graph that is given by the operands of each node, in the order of the computation.

    A node lies one layer below the lowest of its operands; what has no operands lies just above its first use. Within
    a layer nodes lie near the mean of their neighbours: a few sweeps down and up. An edge across several layers keeps a
    column free in each (K. Sugiyama, S. Tagawa, M. Toda, 1981).

    Examples
    --------
    >>> layout({"x": [], "y": [], "z": ["x", "y"]}).places["z"]
    Place(layer=1, across=0.5)
    """
    depth: dict[str, int] = {}
    for name, before in operands.items():
        depth[name] = 1 + max((depth[o] for o in before), default=-1)
    for name, before in operands.items():
        if not before:
            depth[name] = min((depth[n] for n in operands if name in operands[n]), default=1) - 1
    # Chains of places from each operand to its user; the inner ones are no nodes, and have numbers for names.
    chains: dict[tuple[str, str], list[Hashable]] = {}
    layers: list[list[Hashable]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name, layer in depth.items():
        layers[layer].append(name)
    free = 0
    for name, before in operands.items():
        for operand in dict.fromkeys(before):
            chain: list[Hashable] = [operand]
            for layer in range(depth[operand] + 1, depth[name]):
                layers[layer].append(free)
                chain.append(free)
                free += 1
            chains[operand, name] = [*chain, name]
    above: Neighbours = {node: [] for layer in layers for node in layer}
    below: Neighbours = {node: [] for node in above}
    for chain in chains.values():
        for upper, lower in itertools.pairwise(chain):
            above[lower].append(upper)
            below[upper].append(lower)
    across: dict[Hashable, float] = {node: i for layer in layers for i, node in enumerate(layer)}
    for _ in range(8):
        for row in layers:
            _arrange(row, above, above, across)
        for row in reversed(layers):
            _arrange(row, above, below, across)
    left = min(across.values(), default=0.0)
    height = {node: i for i, layer in enumerate(layers) for node in layer}
    place = {node: Place(height[node], x - left) for node, x in across.items()}
    edges = {ends: [place[node] for node in chain] for ends, chain in chains.items()}
    return Layout({name: place[name] for name in operands}, edges)


def _arrange(row: list[Hashable], above: Neighbours, neighbours: Neighbours, across: dict[Hashable, float]) -> None:
    """Put the nodes of a layer near the means of their neighbours, and at least 1 apart.

    What follows from something weighs more than an input, so that a chain of operations is straight.
    """

    def wish(node: Hashable) -> float:
        weights = {near: 8 if above[near] else 1 for near in neighbours[node]}
        total = sum(weights.values())
        return sum(w * across[near] for near, w in weights.items()) / total if total else across[node]

    wishes = {node: wish(node) for node in row}
    row.sort(key=lambda node: wishes[node])
    x = [wishes[node] for node in row]
    for i in range(1, len(x)):
        x[i] = max(x[i], x[i - 1] + 1)
    weights = [8 if above[node] else 1 for node in row]
    shift = sum(w * (wishes[node] - at) for w, node, at in zip(weights, row, x, strict=True)) / max(sum(weights), 1)
    across.update({node: at + shift for node, at in zip(row, x, strict=True)})
