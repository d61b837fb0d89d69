"""Sites: where layers let noise in. A layer asks for one site each time it is called.

A layer with parameters computes z = x w + b and then an elementwise function y of z. It takes three steps:

    here = site(self, x, z's shape, z's dtype)     once a call
    b = here.moved(b)                              the b to add: its own, or one that moves
    return here.settled(y)                         passes the output through

Outside of a pass nothing happens, and nothing to a layer that is no part of the model. In a pass with noise, `moved`
gives a b that moves in k directions: noise on z, fresh for each example or shared by the batch. The layer's method
`local_gradient(x, g)` turns g = dL/dz into gradients of its parameters, exactly and from its own input alone: no
derivative travels backwards.

    Noise   moves z by directions                                        (`Activities.run`)
    Survey  notes shapes, outputs and slopes for a sampler               (`Activities.templates`)
    Leak    finds parameters that move the loss beside their layer,
            and layers that settle what is no elementwise function of z  (`check_leaks`)
    Halves  finds losses that couple examples                            (`check_leaks`)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

from fwdad import kernels, tree
from fwdad.dual import Array, Dual, plain, split
from fwdad.tangents import Tangent, kind_of


class Perturbable(Protocol):
    """A layer whose pre-activations can be perturbed."""

    def local_gradient(self, x: Array, g: Array) -> Any:
        """Return gradients of the layer's parameters, in a tree like the layer, from its input x and g = dL/dz."""
        ...


def is_perturbable(node: Any) -> bool:
    """Return whether a node of a model is such a layer."""
    return hasattr(node, "local_gradient")


def nodes_of(model: Any) -> tuple[list[Any], tree.Structure]:
    """Return a model's layers and what lies outside of them, and how they are put together."""
    return tree.flatten(model, is_leaf=lambda node: is_perturbable(node) or tree.is_buffer(node))


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
        """Return the layer's output, an elementwise function of z, as the rest of the pass shall see it."""
        return y

    def _by_row(self, y: Array) -> Array:
        """Return the layer's output, or what belongs to it entry by entry, with an example a row."""
        if y.shape != self.z_shape:
            raise ValueError(
                f"{type(self.layer).__name__} settles an output of shape {y.shape}, but its z has {self.z_shape}: "
                "settle an elementwise function of z, and compute the rest from what `settled` returns"
            )
        return y.reshape(self.rows)

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
        if len(self.z_shape) == 2 and still.ndim < 2:
            return Dual(np.broadcast_to(still, self.z_shape[1:]), self.noise, self.level)
        for_all = np.broadcast_to(self.noise.reshape(k, 1, *self.z_shape[1:]), (k, *self.z_shape))
        return Dual(np.broadcast_to(still, self.z_shape), for_all, self.level)

    def settled(self, y: Array) -> Array:
        """Return y, and note which units it silenced.

        A unit that moves in no direction (a relu that is off) has gradient zero and no part in d: see `own`.
        """
        tangent = split(y, self.level)[1]
        if self.noise is not None and tangent is not None and not self.exact:
            self.active = self._by_row(np.any(tangent, axis=0))
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
    loss, model, batch
        The program under way: ``loss(model, *batch)``.
    """

    shape: tuple[int, ...] = ()
    loss: Callable[..., Array]
    model: Any = None
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
        self.y = self._by_row(plain(primal))
        self.slope = np.zeros_like(self.y) if tangent is None else self._by_row(plain(tangent)[0])
        return primal


class Leak(Site):
    """A site in a pass where all parameters move along one direction: it takes that out of its layer's output.

    What a layer's parameters do to its output is what `local_gradient` accounts for. Wherever the direction still
    shows, be it as zeros, in another layer's input or in the loss, a parameter has an effect beside its layer's output.

    Along a second direction half of the layer's units move. Other units of its output must not.
    """

    def __init__(self, layer: Perturbable, x: Array, shape: tuple[int, ...], dtype: Any, level: int = 0) -> None:
        super().__init__(layer, x, shape, dtype, level)
        self.is_late = split(x, level)[1] is not None  # something moved before this layer
        self.half = np.random.default_rng(2).random(self.rows) < 0.5

    def moved(self, bias: Array | None) -> Array | None:
        """Return a bias that moves half of the units along the second direction."""
        noise = np.stack([np.zeros(self.z_shape), self.half.reshape(self.z_shape)]).astype(self.dtype)
        still = np.broadcast_to(self._still(None), self.z_shape)
        units = Dual(still, kernels.to_device(noise, kernels.device_of(self.x)), self.level)
        return units if bias is None else bias + units

    def settled(self, y: Array) -> Array:
        """Return y without its tangent."""
        primal, tangent = split(y, self.level)
        if tangent is not None and np.any(np.abs(self._by_row(kernels.to_device(tangent[1], "cpu"))[~self.half]) > 0):
            raise ValueError(
                f"{type(self.layer).__name__} settles an output that is no elementwise function of its z: a unit of z "
                "moves another unit of the output. Settle before units are mixed or change places"
            )
        return primal


class Halves(Site):
    """A site whose z moves in half of the examples: those whose number has, or lacks, a certain bit.

    For any two examples there is a direction that moves the first and not the second, whose loss must stay.
    """

    random: np.random.Generator  # the pass's

    def moved(self, bias: Array | None) -> Array | None:
        """Return a bias that moves along 2 bits directions."""
        halves = halves_of(self.z_shape[0])
        noise = self.random.standard_normal((len(halves), *self.z_shape)).astype(self.dtype)
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
    """A pass under way: it makes a site for each call of one of the model's layers, in the order of the calls."""

    def __init__(self, kind: type[Site], model: Any, level: int, prepare: Callable[[int, Any], None]) -> None:
        self.nodes, self.structure = nodes_of(model)
        self.level = level
        self._kind = kind
        self._layers = {id(node) for node in self.nodes}
        self._prepare = prepare
        self.sites: list[Any] = []

    def site(self, layer: Perturbable, x: Array, shape: tuple[int, ...], dtype: Any) -> Site:
        """Return a new site, prepared for the call; for a layer that is no part of the model, one that does nothing."""
        if id(layer) not in self._layers:
            return Site(layer, x, shape, dtype)
        here = self._kind(layer, x, shape, dtype, self.level)
        self._prepare(len(self.sites), here)
        self.sites.append(here)
        return here


_current: ContextVar[LayerPass | None] = ContextVar("layer_pass", default=None)


@contextmanager
def layer_pass(
    kind: type[Site], model: Any, level: int, prepare: Callable[[int, Any], None] = lambda number, site: None
) -> Iterator[LayerPass]:
    """Give the model's layers that are called inside the block sites of a kind; each thread and task has its own pass.

    prepare(number, site) is called with each new site and its number.
    """
    running = LayerPass(kind, model, level, prepare)
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


_some_rows: ContextVar[bool] = ContextVar("some_rows", default=False)


@contextmanager
def some_rows() -> Iterator[None]:
    """Say that the passes inside the block see a part of a batch alone."""
    token = _some_rows.set(True)
    try:
        yield
    finally:
        _some_rows.reset(token)


def unperturbed(x: Array) -> Array:
    """Return x without the tangents of the pass under way, for statistics of the batch; x itself where there is none.

    Raises
    ------
    ValueError
        Where the pass sees a part of the batch alone.
    """
    if _some_rows.get():
        raise ValueError(
            "rows= pushes a part of the batch alone, whose statistics are not those of the batch: train BatchNorm "
            "without rows=, or use LayerNorm or GroupNorm"
        )
    running = _current.get()
    return x if running is None else split(x, running.level)[0]


def on_device_of(tangent: Tangent | None, x: Array) -> Tangent | None:
    """Return directions on the device of an array."""
    return None if tangent is None else kind_of(tangent).to(kernels.device_of(x))
