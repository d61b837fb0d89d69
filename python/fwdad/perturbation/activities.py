"""Activities: the directions move each layer's pre-activations."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from fwdad import kernels, tree
from fwdad.dual import Array, Dual, new_level, split
from fwdad.perturbation.directions import Directions, ShapeDtype, Template
from fwdad.perturbation.perturbation import Draw, Loss, Model, Outcome, Perturbation, StaleShapes, mean_loss
from fwdad.perturbation.sites import (
    Halves,
    LayerPass,
    Leak,
    Noise,
    Site,
    Survey,
    halves_of,
    is_perturbable,
    layer_pass,
    nodes_of,
    on_device_of,
)
from fwdad.tangents import Tangent, as_dense
from fwdad.transforms.arguments import call

NoiseName = Literal["example", "batch"]
NOISES = get_args(NoiseName)


class Activities(Perturbation):
    """Move each layer's pre-activations z, for each example over all layers at once.

    The estimate of dL/dz becomes gradients of a layer's parameters by the layer's own `local_gradient`. The space has
    as many dimensions as the model has units. The loss is one per example, (B,). An example's loss must depend on its
    own row alone, and on parameters through their layers' outputs alone: the first step of a program checks both.

    Parameters
    ----------
    noise : {"example", "batch"}
        Whether each example has directions of its own, so that errors average over the batch, or shares those of all
        others (the paper's choice): one Gram matrix for all, but one error too.

    Raises
    ------
    ValueError
        For another noise; for a loss of the wrong shape, or one that couples examples; for an empty batch; for a layer
        at two places of the model, or one that settles an output that is no elementwise function of z.
    TypeError
        For a parameter outside all layers that can be perturbed, or one that moves the loss beside its layer's output.

    References
    ----------
    arXiv 2410.17764, section 4.4; arXiv 2210.03310.
    """

    def __init__(self, noise: NoiseName = "example") -> None:
        if noise not in NOISES:
            raise ValueError(f"noise must be one of {', '.join(NOISES)}; got {noise!r}")
        self.noise = noise
        self.per_row = noise == "example"
        self._shapes: list[ShapeDtype] = []
        self._checked: list[Any] = []  # the programs that were

    def shared(self) -> Activities:
        """Return the perturbation with noise that the batch shares."""
        return self if self.noise == "batch" else Activities("batch")

    def templates(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Sequence[Template]:
        """Return a `Survey` for each call of a layer; costs about two plain passes."""
        return self.survey(loss, model, batch)[1]

    def survey(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> tuple[float, list[Survey]]:
        """Return the mean loss, and a `Survey` for each call of a layer."""

        def prepare(number: int, site: Survey) -> None:
            site.shape = site.rows if self.per_row else site.rows[1:]
            site.loss, site.model, site.batch = loss, model, batch

        with layer_pass(Survey, model, new_level(), prepare) as running:
            losses, _ = split(loss(model, *batch), running.level)
        return _mean_of_examples(losses, running.sites), running.sites

    def shapes(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Sequence[Template]:
        """Return the shapes of the sites, remembered from the last survey."""
        if not self._shapes:
            self._shapes = [ShapeDtype(site.shape, site.dtype) for site in self.templates(loss, model, batch)]
        return self._shapes

    def run(self, loss: Loss, model: Model, batch: tuple[Any, ...], draw: Draw, gram: bool = False) -> Outcome:
        """Return the losses and their derivatives (B, k)."""

        def prepare(number: int, site: Noise) -> None:
            site.shared = not self.per_row
            site.shape = site.rows if self.per_row else site.rows[1:]
            site.exact = draw.exact
            noise = self._part(draw, number, site)
            if self.per_row and noise is not None and not draw.exact:
                noise = noise.reshape(noise.shape)  # what is generated is made once; a kind that is stored stays
            site.noise = noise

        with layer_pass(Noise, model, new_level(), prepare) as running:
            losses, d = split(call(loss, model, *batch), running.level)
        sites: list[Noise] = running.sites
        value, examples = _mean_of_examples(losses, sites), losses.shape[0]
        self._check(loss, model, batch, running, examples)
        moving = [site for site in sites if site.noise is not None]
        directions = Directions(
            [site.own for site in moving],
            self.per_row,
            draw.unit,
            draw.scale,
            sum(site.moving for site in moving) if self.per_row and not draw.joint else None,
        )
        rows = None
        if draw.rows is not None and d is not None:
            rows = draw.rows(d, math.prod(moving[-1].shape))
            d = as_dense(d[:, rows.numbers]) * rows.weights
        d = np.zeros((examples, directions.k)) if d is None else np.transpose(as_dense(d)).astype(np.float64)
        return Outcome(value, directions.along(d), directions, sites, None if rows is None else rows.numbers)

    def _part(self, draw: Draw, number: int, site: Noise) -> Tangent | None:
        """Return a site's directions; `StaleShapes` where they were drawn for another shape."""
        try:
            noise = draw.part(number, site)
        except IndexError:
            noise = None
        if draw.joint and (noise is None or noise.shape[1:] != site.shape):
            self._shapes = []
            raise StaleShapes
        return on_device_of(noise, site.x)

    def gradient(self, model: Model, outcome: Outcome, parts: Sequence[np.ndarray]) -> Model:
        """Return every layer's `local_gradient` of dL/dz; a layer that was called twice has the sum."""
        examples = len(outcome.d)
        by_layer: dict[int, Model] = {}
        for site, g in zip(outcome.moved, parts, strict=True):
            if not self.per_row and site.active is not None:
                g = g * site.active
            x = site.x if outcome.rows is None else site.x[outcome.rows]
            local = site.layer.local_gradient(x, (g / examples).reshape(examples, *site.z_shape[1:]))
            earlier = by_layer.get(id(site.layer))
            by_layer[id(site.layer)] = local if earlier is None else tree.map(np.add, earlier, local)
        nodes, structure = nodes_of(model)
        grads = [by_layer[id(n)] if id(n) in by_layer else tree.map(np.zeros_like, n) for n in nodes]
        return tree.unflatten(structure, grads)

    def _check(self, loss: Loss, model: Model, batch: tuple[Any, ...], running: LayerPass, examples: int) -> None:
        """Raise where a derivative would be lost; `check` once for each program."""
        self.check_model(running.nodes)
        types = [type(layer) for layer in (*running.nodes, *(site.layer for site in running.sites))]
        program = _program(loss), running.structure, types
        if program not in self._checked:
            self.check(loss, model, batch, examples)
            self._checked.append(program)

    def check_model(self, nodes: Sequence[Any]) -> None:
        """Raise for a parameter outside of all layers, and for a layer that stands at two places."""
        layers = set()
        for node in nodes:
            if is_perturbable(node):
                if id(node) in layers:
                    raise ValueError(
                        f"one {type(node).__name__} stands at two places of the model, which optimisers take for two "
                        "layers: have it there once and call it twice"
                    )
                layers.add(id(node))
            elif tree.is_parameter(node):
                raise TypeError(
                    f"a parameter of shape {node.shape} belongs to no layer that can be perturbed (with "
                    "local_gradient, as fwdad.nn.Linear has), so activity perturbation cannot estimate its gradient; "
                    "use perturb='weight'"
                )

    def check(self, loss: Loss, model: Model, batch: tuple[Any, ...], examples: int) -> None:
        """Raise where this perturbation would lose a part of the gradient; takes two passes."""
        check_leaks(loss, model, batch)
        check_coupling(loss, model, batch, examples)


def _program(value: Any, inside: tuple[Any, ...] = ()) -> Any:
    """Return what decides which operations a function makes: its code, and the functions and switches that it holds.

    A loss that is made anew for each step is the same program. So are losses that differ in numbers or arrays alone:
    `check_leaks` finds a weight in the loss even where its factor is zero.
    """
    if value is None or isinstance(value, (bool, str, type)):
        return value
    if isinstance(value, tuple):
        return tuple([_program(v, inside) for v in value])
    if isinstance(value, functools.partial):
        return _program((value.func, value.args, *value.keywords.items()), inside)
    code = getattr(value, "__code__", None)
    if code is None or code in inside:  # a function may hold itself
        return type(value)
    held = [cell.cell_contents for cell in value.__closure__ or ()]
    return code, *(_program(v, (*inside, code)) for v in (*held, *(value.__defaults__ or ())))


def _mean_of_examples(losses: Array, sites: Sequence[Site]) -> float:
    """Return the mean loss; raise ValueError unless there is one loss for each row of each layer."""
    if np.ndim(losses) != 1:
        raise ValueError(
            "activity perturbation needs one loss per example, shape (B,), for one derivative per example; "
            f"got {np.shape(losses)}"
        )
    for site in sites:
        if site.z_shape[0] != losses.shape[0]:
            raise ValueError(
                f"{type(site.layer).__name__} saw {site.z_shape[0]} rows but the loss has {losses.shape[0]} examples: "
                "activity perturbation needs the batch as the leading axis of every layer's input"
            )
    return mean_loss(losses)


def check_leaks(loss: Loss, model: Model, batch: tuple[Any, ...]) -> None:
    """Raise TypeError where a parameter moves the loss beside its layer's output; see `Leak`.

    That is a penalty on weights, a weight that is used again by hand, or a layer that never asks for its site.
    """
    random, level = np.random.default_rng(1), new_level()

    def moving(leaf: Any) -> Any:
        if not tree.is_parameter(leaf):
            return leaf
        direction = np.stack([random.standard_normal(leaf.shape), np.zeros(leaf.shape)]).astype(leaf.dtype)
        return Dual(leaf, kernels.to_device(direction, kernels.device_of(leaf)), level)

    moved = tree.map(moving, model, is_leaf=tree.is_buffer)
    with layer_pass(Leak, moved, level) as running:
        _, d = split(loss(moved, *batch), level)
    if d is not None or any(site.is_late for site in running.sites):
        raise TypeError(
            "a parameter moves the loss beside the output of its layer: the loss uses a weight directly (a penalty, "
            "a weight used twice, a copy of a layer), or a layer with local_gradient never asks for its "
            "fwdad.perturbation.site. Activity perturbation would lose that part of the gradient; use "
            "perturb='weight', or leave weight decay to the optimiser"
        )


def check_coupling(loss: Loss, model: Model, batch: tuple[Any, ...], examples: int) -> None:
    """Raise ValueError where an example's loss depends on another example; see `Halves`."""
    random = np.random.default_rng(1)

    def prepare(number: int, site: Halves) -> None:
        site.random = random

    with layer_pass(Halves, model, new_level(), prepare) as running:
        _, d = split(loss(model, *batch), running.level)
    if d is not None and np.any(np.abs(kernels.to_device(d, "cpu")[~halves_of(examples)]) > 0):
        raise ValueError(
            "the loss of one example depends on another example: activity perturbation takes one derivative per "
            "example and would credit it to the wrong one; use perturb='weight', or a loss of each row by itself"
        )
