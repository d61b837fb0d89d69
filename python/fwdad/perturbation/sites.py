"""Sites: where layers let noise in. A layer asks for one site each time it is called.

A layer with parameters computes z = x w + b and then acts on z. It takes three steps:

    here = site(self, x, z's shape, z's dtype)     once a call
    b = here.moved(b)                              the b to add: its own, or one that moves
    return here.settled(y)                         passes the output through

Outside of a pass nothing happens. In a pass with noise, `moved` gives a b that moves in k directions: noise on z, fresh
for each example or shared by the batch. The layer's method `local_gradient(x, g)` turns g = dL/dz into gradients of its
parameters, exactly and from nothing but its own input, so that no derivative ever travels backwards.

    Noise   moves z by directions                                        (`Activities.run`)
    Survey  notes shapes, outputs and slopes for a sampler               (`Activities.templates`)
    Leak    finds parameters that move the loss beside their layer       (`Activities`, once)
    Halves  finds losses that couple examples                            (`Activities`, once)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, new_level, plain, split
from fwdad.tangents import Tangent, as_dense, kind_of


class Perturbable(Protocol):
    """A layer whose pre-activations can be perturbed."""

    def local_gradient(self, x: Array, g: Array) -> Any:
        """Return gradients of the layer's parameters, in a tree like the layer, from its input x and g = dL/dz."""
        ...


def is_perturbable(node: Any) -> bool:
    """Whether a node of a model is such a layer."""
    return hasattr(node, "local_gradient")


class Site:
    """One call of one layer. Outside of a pass it leaves everything as it is.

    Parameters
    ----------
    layer : Perturbable
    x : (B, ...)
        The layer's input.
    shape, dtype
        Those of z, (B, ...).
    level : int
        The level of the pass.
    """

    def __init__(self, layer: Perturbable, x: Array, shape: tuple[int, ...], dtype: Any, level: int = 0) -> None:
        self.layer = layer
        self.x = plain(x)
        self.z_shape = shape
        self.dtype = np.dtype(dtype)
        self.level = level

    @property
    def rows(self) -> tuple[int, int]:
        """The shape of z with an example a row, (B, n): rows are what directions and projections are taken over."""
        return self.z_shape[0], math.prod(self.z_shape[1:])

    def moved(self, bias: Array | None) -> Array | None:
        """Return the bias to add: as given, or one that moves.

        One that moves has the shape (B, ...) of z, or (n,) for z (B, n) and noise that the batch shares.
        """
        return bias

    def settled(self, y: Array) -> Array:
        """Return the layer's output as the rest of the pass shall see it."""
        return y

    def _still(self, bias: Array | None) -> Array:
        """Return the bias, or a 0 where there is none."""
        return np.zeros_like(self.x, dtype=self.dtype, shape=()) if bias is None else bias


class Noise(Site):
    """A site whose z moves by directions, (k, B, n), or (k, n) where the batch shares them; None for none.

    Like a `Survey` it is a template: `shape` is that of one direction.
    """

    shape: tuple[int, ...] = ()
    noise: Tangent | None = None
    shared: bool = False
    exact: bool = False
    active: np.ndarray | None = None  # (B, n): which units moved

    def moved(self, bias: Array | None) -> Array | None:
        """Return a bias that moves by the noise."""
        if self.noise is None:
            return bias
        still, k = self._still(bias), self.noise.shape[0]
        if not self.shared:
            return Dual(np.broadcast_to(still, self.z_shape), self.noise.reshape(k, *self.z_shape), self.level)
        if len(self.z_shape) == 2:
            return Dual(np.broadcast_to(still, self.z_shape[1:]), self.noise, self.level)
        alike = np.broadcast_to(as_dense(self.noise).reshape(k, 1, *self.z_shape[1:]), (k, *self.z_shape))
        return Dual(np.broadcast_to(still, self.z_shape), alike, self.level)

    def settled(self, y: Array) -> Array:
        """Return y, and note which units it silenced.

        A unit that moves in no direction (a relu that is off) has gradient zero and no part in d: see `own`.
        """
        tangent = split(y, self.level)[1]
        if self.noise is not None and tangent is not None and not self.exact:
            self.active = np.any(tangent, axis=0).reshape(self.rows)
        return y

    @property
    def own(self) -> Tangent:
        """The directions that this site had a part in.

        Noise drawn for one example alone is left out where its unit is silent: that is exact, and takes the silent
        units' share of the variance away. Noise that the batch shares is silent for some examples and not for others:
        it stays, which leaves one Gram matrix to all, and the estimate is set to zero afterwards.
        """
        return self.noise if self.shared or self.active is None else self.noise * self.active

    @property
    def moving(self) -> Any:
        """How many units moved in each example, (B,); all of them if the layer did not say."""
        return self.rows[1] if self.active is None else np.sum(self.active, axis=1)


class Survey(Site):
    """A site that z passes moving by 1 everywhere, so that it learns y and how fast it follows z: a sampler's template.

    Attributes
    ----------
    shape : (B, n), or (n,) where the batch shares its noise
    y, slope : (B, n)
        The layer's output, and its derivative by z.
    batch : tuple
        What the loss was called with beside the model.
    """

    shape: tuple[int, ...] = ()
    batch: tuple[Any, ...] = ()
    y: Any = None
    slope: Any = None

    def moved(self, bias: Array | None) -> Array | None:
        """Return a bias that moves by 1."""
        ones = np.ones_like(self.x, dtype=self.dtype, shape=(1, *self.z_shape))
        return Dual(np.broadcast_to(self._still(bias), self.z_shape), ones, self.level)

    def settled(self, y: Array) -> Array:
        """Return y without its tangent."""
        primal, tangent = split(y, self.level)
        self.y = plain(primal).reshape(self.rows)
        self.slope = plain(tangent)[0].reshape(self.rows)
        return primal


class Leak(Site):
    """A site in a pass where all parameters move along one direction: it takes that out of its layer's output.

    What a layer's parameters do to its output is what `local_gradient` accounts for. Wherever the direction still
    shows, in another layer's input or in the loss, a parameter has an effect beside its layer's output.
    """

    def __init__(self, layer: Perturbable, x: Array, shape: tuple[int, ...], dtype: Any, level: int = 0) -> None:
        super().__init__(layer, x, shape, dtype, level)
        tangent = split(x, level)[1]
        self.is_late = tangent is not None and bool(np.any(np.abs(tangent) > 0))  # something moved before this layer

    def settled(self, y: Array) -> Array:
        """Return y without its tangent."""
        return split(y, self.level)[0]


class Halves(Site):
    """A site whose z moves in half of the examples: those whose number has, or lacks, a certain bit.

    For any two examples there is a direction that moves the first and not the second, whose loss must stay.
    """

    def moved(self, bias: Array | None) -> Array | None:
        """Return a bias that moves along 2 bits directions."""
        halves = halves_of(self.z_shape[0])
        noise = np.random.default_rng(0).standard_normal((len(halves), *self.z_shape)).astype(self.dtype)
        noise *= halves.reshape(*halves.shape, *(1,) * (len(self.z_shape) - 1))
        still = np.broadcast_to(self._still(bias), self.z_shape)
        return Dual(still, kernels.to_device(noise, kernels.device_of(self.x)), self.level)


def halves_of(examples: int) -> np.ndarray:
    """Return masks of examples, (2 bits, B): those whose number has each bit set, then those that lack it.

    >>> halves_of(3).astype(int).tolist()
    [[0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 0]]
    """
    bits = max(1, (examples - 1).bit_length())
    has = (np.arange(examples) >> np.arange(bits)[:, None]) & 1 == 1
    return np.concatenate([has, ~has])


class LayerPass:
    """A pass under way: it makes a site for each call of a layer, in the order of the calls."""

    def __init__(self, make: Callable[[int, Any], None], kind: type[Site]) -> None:
        self._prepare = make
        self._kind = kind
        self.level = new_level()
        self.sites: list[Any] = []

    def site(self, layer: Perturbable, x: Array, shape: tuple[int, ...], dtype: Any) -> Site:
        """Return a new site, prepared for the call."""
        here = self._kind(layer, x, shape, dtype, self.level)
        self._prepare(len(self.sites), here)
        self.sites.append(here)
        return here


_current: ContextVar[LayerPass | None] = ContextVar("layer_pass", default=None)


@contextmanager
def layer_pass(
    kind: type[Site], prepare: Callable[[int, Any], None] = lambda number, site: None
) -> Iterator[LayerPass]:
    """Give the layers that are called inside the block sites of a kind; each thread and task has its own pass.

    prepare(number, site) is called with each new site and its number.
    """
    running = LayerPass(prepare, kind)
    token = _current.set(running)
    try:
        yield running
    finally:
        _current.reset(token)


def site(layer: Perturbable, x: Array, shape: tuple[int, ...], dtype: Any) -> Site:
    """Return the site of this call of a layer; see the head of this file for what a layer does with it.

    Parameters
    ----------
    layer : Perturbable
        The layer that is called, with a method ``local_gradient``.
    x : (B, ...)
        Its input, which ``local_gradient`` gets back without tangents.
    shape, dtype
        Those of z, (B, ...).

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import nn, perturbation, testing
    >>> class Shift(nn.Module):
    ...     bias: np.ndarray
    ...     def __call__(self, x):
    ...         here = perturbation.site(self, x, x.shape, x.dtype)
    ...         return here.settled(np.tanh(x + here.moved(self.bias)))
    ...     def local_gradient(self, x, g):
    ...         return Shift(np.sum(g, axis=0))
    >>> testing.check_layer(Shift(np.array([0.5, -0.5])), np.ones((3, 2)))
    """
    running = _current.get()
    return Site(layer, x, shape, dtype) if running is None else running.site(layer, x, shape, dtype)


def unperturbed(x: Array) -> Array:
    """Return x without the tangents of the pass under way; x itself where there is none."""
    running = _current.get()
    return x if running is None else split(x, running.level)[0]


def on_device_of(tangent: Tangent | None, x: Array) -> Tangent | None:
    """Return directions on the device of an array."""
    return None if tangent is None else kind_of(tangent).to(kernels.device_of(x))
