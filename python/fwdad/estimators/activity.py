"""Where layers let noise in, and get their gradients back: the two halves of activity perturbation.

A layer with parameters computes z = x w + b and then acts on z. It asks `perturbed_bias` for its b, and
usually gets it back untouched. During an activity pass it gets a b that moves in k directions: noise on z, either
fresh for each example or shared by the batch. It returns its output through `settled`. The pass yields d per example;
the combiner turns noise and d into dL/dz, row by row; and `local_gradient` of the layer turns that into
gradients of w and b. That last step is exact and needs nothing but the layer's own input, so no derivative
ever travels backwards.

A `survey` is a pass without noise that finds out where the layers would let it in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, new_level, plain, split
from fwdad.tangents import Tangent, dense, to_device


class Perturbable(Protocol):
    """A layer whose pre-activations can be perturbed."""

    def local_gradient(self, x: Array, g: Array) -> Any:
        """Gradients of the layer's parameters, in a tree like the layer, from its input x and g = dL/dz."""
        ...


def is_perturbable(node: Any) -> bool:
    """Whether a node of a model is such a layer."""
    return hasattr(node, "local_gradient")


NoiseSource = Callable[[int, tuple[int, ...], Any], Tangent | None]
"""Gives call i of a layer its noise, for rows of shape (B, n), or (n,) if shared, and a dtype; None for no noise."""


@dataclass
class Site:
    """One call of one layer in an activity pass."""

    layer: Perturbable
    x: Array  # (B, ...) the layer's input, without tangents
    shape: tuple[int, ...]  # (B, ...) of z
    noise: Tangent | None  # (k, B, n), or (k, n) if shared: this layer's part of the directions
    active: np.ndarray | None = None  # (B, n) which units moved

    @property
    def moving(self) -> Any:
        """How many units moved in each example, (B,); all of them if the layer did not say."""
        return _rows(self.shape)[1] if self.active is None else np.sum(self.active, axis=1)


class Pass:
    """An activity pass under way: it hands noise to the layers in the order in which they ask."""

    def __init__(self, source: NoiseSource, shared: bool) -> None:
        self.source = source
        self.shared = shared
        self.level = new_level()
        self.sites: list[Site] = []

    def perturb(self, layer: Perturbable, x: Array, bias: Array | None, shape: tuple[int, ...], dtype: Any) -> Any:
        # One matrix a call, an example a row: rows are what the projection is taken over.
        rows = _rows(shape)
        noise = self.source(len(self.sites), rows[1:] if self.shared else rows, dtype)
        if noise is not None:
            noise = to_device(noise, kernels.device_of(plain(x)))
        if noise is not None and not self.shared:
            noise = dense(noise)
        self.sites.append(Site(layer, plain(x), shape, noise))
        if noise is None:
            return bias
        still = np.zeros_like(plain(x), dtype=dtype, shape=()) if bias is None else bias
        if not self.shared:
            return Dual(np.broadcast_to(still, shape), noise.reshape(noise.shape[0], *shape), self.level)
        if len(shape) == 2:
            return Dual(np.broadcast_to(still, shape[1:]), noise, self.level)
        k = noise.shape[0]
        alike = np.broadcast_to(dense(noise).reshape(k, 1, *shape[1:]), (k, *shape))
        return Dual(np.broadcast_to(still, shape), alike, self.level)

    def settle(self, y: Array) -> Array:
        site = self.sites[-1]
        tangent = split(y, self.level)[1]
        if site.noise is not None and tangent is not None:
            site.active = np.any(tangent, axis=0).reshape(_rows(site.shape))
            if not self.shared:
                site.noise *= site.active
        return y


@dataclass
class Place:
    """What a survey knows of one call of one layer: a sampler's template for the noise there.

    shape, dtype : of one direction, (B, n) or (n,) if shared. y, slope : the layer's output and how fast it follows z,
    (B, n). batch : what the loss was called with, beside the model.
    """

    shape: tuple[int, ...]
    dtype: Any
    batch: tuple[Any, ...]
    y: Any = None
    slope: Any = None


class Survey:
    """A pass that lets each layer see its z move by 1 everywhere, and stops that at the layer's output."""

    def __init__(self, shared: bool, batch: tuple[Any, ...]) -> None:
        self.shared = shared
        self.batch = batch
        self.level = new_level()
        self.places: list[Place] = []

    def perturb(self, layer: Perturbable, x: Array, bias: Array | None, shape: tuple[int, ...], dtype: Any) -> Any:
        rows = _rows(shape)
        self.places.append(Place(rows[1:] if self.shared else rows, np.dtype(dtype), self.batch))
        still = np.zeros_like(plain(x), dtype=dtype, shape=()) if bias is None else bias
        ones = np.ones_like(plain(x), dtype=dtype, shape=(1, *shape))
        return Dual(np.broadcast_to(still, shape), ones, self.level)

    def settle(self, y: Array) -> Array:
        primal, tangent = split(y, self.level)
        place = self.places[-1]
        place.y = plain(primal).reshape(_rows(y.shape))
        place.slope = plain(tangent)[0].reshape(_rows(y.shape))
        return primal


def _rows(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[0], int(np.prod(shape[1:], dtype=np.int64))


_current: ContextVar[Pass | Survey | None] = ContextVar("activity_pass", default=None)


@contextmanager
def activity_pass(source: NoiseSource, shared: bool = False) -> Iterator[Pass]:
    """Perturb the layers called inside the block; each thread and task has its own pass."""
    running = Pass(source, shared)
    with _set(running):
        yield running


def survey(loss: Callable[..., Any], model: Any, batch: tuple[Any, ...], shared: bool = False) -> list[Place]:
    """The places where layers would let noise in, in the order of their calls; costs about two plain passes."""
    running = Survey(shared, batch)
    with _set(running):
        loss(model, *batch)
    return running.places


@contextmanager
def _set(running: Pass | Survey) -> Iterator[None]:
    token = _current.set(running)
    try:
        yield
    finally:
        _current.reset(token)


def perturbed_bias(
    layer: Perturbable, x: Array, bias: Array | None, shape: tuple[int, ...], dtype: Any
) -> Array | None:
    """The bias that a layer should add to make z of shape (B, ...): its own, or one that moves.

    One that moves has shape (B, ...) like z, or, for z (B, n) and noise that the batch shares, (n,).
    """
    running = _current.get()
    return bias if running is None else running.perturb(layer, x, bias, shape, dtype)


def settled(y: Array) -> Array:
    """Pass a layer's output through, and find the units that it silenced.

    A unit that moves in no direction (a relu that is off) has gradient zero and no part in d. Noise drawn for one
    example alone is left out there: that is exact, and takes the silent units' share of the variance away. Noise that
    the batch shares is silent for some examples and not for others; there the estimate is set to zero afterwards,
    which is exact too and leaves one Gram matrix to all examples.
    """
    running = _current.get()
    return y if running is None else running.settle(y)


def unperturbed(x: Array) -> Array:
    """x without the tangents of the activity pass under way; x itself where there is none."""
    running = _current.get()
    return x if running is None else split(x, running.level)[0]


def outer_gradient(x: Array, g: Array) -> tuple[Array, Array]:
    """Gradients of w and b in z = x w + b, for x (M, K) and g = dL/dz (M, N): ``x^T g`` and ``sum_rows g``."""
    return kernels.affine_jvp(x.T, g, None, None, None, None)[0], np.sum(g, axis=0)
