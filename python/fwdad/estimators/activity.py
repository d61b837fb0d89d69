"""Where layers let noise in, and get their gradients back: the two halves of activity perturbation.

A layer with parameters computes z = x w + b and then acts on z. It asks `perturbed_bias` for its b, and
usually gets it back untouched. During an activity pass it gets one row of b for each example, moving in k
directions of its own: noise on z. It returns its output through `settled`. The pass yields d per example;
the combiner turns noise and d into dL/dz, row by row; and `local_gradient` of the layer turns that into
gradients of w and b. That last step is exact and needs nothing but the layer's own input, so no derivative
ever travels backwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, new_level, plain
from fwdad.estimators.samplers import Sampler
from fwdad.tangents import Tangent, dense


class Perturbable(Protocol):
    """A layer whose pre-activations can be perturbed."""

    def local_gradient(self, x: Array, g: Array) -> Any:
        """Gradients of the layer's parameters, in a tree like the layer, from its input x and g = dL/dz."""
        ...


def is_perturbable(node: Any) -> bool:
    """Whether a node of a model is such a layer."""
    return hasattr(node, "local_gradient")


class Site(NamedTuple):
    """One call of one layer in an activity pass."""

    layer: Perturbable
    x: Array  # (B, ...) the layer's input, without tangents
    noise: Tangent  # (k, B, n) this layer's part of the directions
    shape: tuple[int, ...]  # (B, ...) of z


class Pass:
    """An activity pass under way: it hands noise to the layers in the order in which they ask."""

    def __init__(self, sampler: Sampler, step: int) -> None:
        self.sampler = sampler
        self.step = step
        self.level = new_level()
        self.sites: list[Site] = []

    def perturb(self, layer: Perturbable, x: Array, bias: Array | None, shape: tuple[int, ...], dtype: Any) -> Dual:
        # One matrix a call, an example a row: rows are what the projection is taken over.
        rows = (shape[0], int(np.prod(shape[1:], dtype=np.int64)))
        noise = dense(self.sampler.draw(len(self.sites), rows, dtype, self.step))
        self.sites.append(Site(layer, plain(x), noise, shape))
        still = np.zeros((), dtype) if bias is None else bias
        return Dual(np.broadcast_to(still, shape), noise.reshape(noise.shape[0], *shape), self.level)


_current: ContextVar[Pass | None] = ContextVar("activity_pass", default=None)


@contextmanager
def activity_pass(sampler: Sampler, step: int) -> Iterator[Pass]:
    """Perturb the layers called inside the block; each thread and task has its own pass."""
    running = Pass(sampler, step)
    token = _current.set(running)
    try:
        yield running
    finally:
        _current.reset(token)


def perturbed_bias(
    layer: Perturbable, x: Array, bias: Array | None, shape: tuple[int, ...], dtype: Any
) -> Array | None:
    """The bias that a layer should add to make z of shape (B, ...): its own, or one that moves for each example."""
    running = _current.get()
    return bias if running is None else running.perturb(layer, x, bias, shape, dtype)


def settled(y: Array) -> Array:
    """Pass a layer's output through, and forget the noise on units that it silenced.

    A unit that moves in no direction (a relu that is off) has gradient zero and no part in d. Leaving its noise
    out of the estimate is exact, and takes the silent units' share of the variance away.
    """
    running = _current.get()
    if running is not None:
        noise = running.sites[-1].noise
        noise *= np.any(y.tangent, axis=0).reshape(noise.shape[1:])
    return y


def outer_gradient(x: Array, g: Array) -> tuple[Array, Array]:
    """Gradients of w and b in z = x w + b, for x (M, K) and g = dL/dz (M, N): ``x^T g`` and ``sum_rows g``."""
    return kernels.affine_jvp(x.T, g, None, None, None, None)[0], np.sum(g, axis=0)
