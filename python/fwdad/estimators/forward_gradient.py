"""The forward gradient: a gradient estimate from one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels, tree
from fwdad.dual import Array, Dual, new_level, plain, split
from fwdad.estimators.activity import Site, activity_pass, is_perturbable, survey
from fwdad.estimators.combiners import Combiner, Projection
from fwdad.estimators.diagnostics import Report, report
from fwdad.estimators.directions import Directions
from fwdad.estimators.samplers import Sampler
from fwdad.tangents import Tangent, to_device

Model = Any
Loss = Callable[..., Array]
PERTURBATIONS = ("weight", "activity")
NOISES = ("example", "batch")


class Estimate(NamedTuple):
    """What one pass gave: the mean loss, the gradient, and how it came about."""

    value: float
    gradient: Model  # a tree like the model
    parts: list[np.ndarray]  # the estimate where the directions are, one array a part
    d: np.ndarray  # (k,) or (B, k) float64
    directions: Directions


class ForwardGradient:
    """Gradients from k directional derivatives, without backward pass: ``value, grads = fg(loss, model, *batch)``.

    sampler : where the k directions come from.
    combiner : how directions and derivatives become a gradient.
    perturb : what the directions move.
        ``"weight"``: all parameters at once; ``d_i = <v_i, grad L>``, ``g = V^T c(d)`` over all of them.
        ``"activity"``: each layer's pre-activations; the estimate of dL/dz, for each example over all layers at once,
        becomes each layer's parameter gradient locally.
    noise : with activity perturbation, which directions an example has.
        ``"example"``: its own; their errors average over the batch.
        ``"batch"``: those of all others, the paper's choice; one Gram matrix for all, but one error too.

    loss(model, *batch) returns the losses per example, (B,), or one number (weight perturbation only).
    The value is their mean, a float; the gradients are a tree like the model, for that mean, in the parameters' dtypes.
    `step` counts the calls: with the sampler's seed it fixes every draw, and it is the only state unless the sampler
    has its own. A `joint` sampler costs one more pass, without tangents, in activity perturbation.

    Raises ValueError for an unknown perturbation or noise, or a loss of the wrong shape; TypeError, in activity mode,
    for a parameter outside all layers that can be perturbed.

    Sources: arXiv 2410.17764, section 3 (multi-tangent, weight), 4.4 (activity); arXiv 2210.03310 (activity).

    >>> import numpy as np, fwdad
    >>> from fwdad import estimators
    >>> fg = fwdad.ForwardGradient(estimators.Normal(k=3), estimators.Projection())
    >>> value, grads = fg(lambda p: np.sum(p["x"] ** 2), {"x": np.array([1.0, -2.0])})
    >>> value, np.allclose(grads["x"], [2.0, -4.0])  # three directions span the plane: exact
    (5.0, True)
    """

    def __init__(
        self, sampler: Sampler, combiner: Combiner | None = None, perturb: str = "weight", noise: str = "example"
    ) -> None:
        for name, value, choices in (("perturb", perturb, PERTURBATIONS), ("noise", noise, NOISES)):
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
        self.sampler = sampler
        self.combiner = Projection() if combiner is None else combiner
        self.perturb = perturb
        self.noise = noise
        self.step = 0

    def __call__(self, loss: Loss, model: Model, *batch: Any) -> tuple[float, Model]:
        estimate = self._estimate(loss, model, batch)
        return estimate.value, estimate.gradient

    def diagnose(
        self, loss: Loss, model: Model, *batch: Any, reference: Model | None = None
    ) -> tuple[float, Model, Report]:
        """As a call of the estimator, with a report on the estimate and its directions.

        reference : the true gradient, a tree like the model (see `exact_gradient`), to compare the estimate with.

        >>> import numpy as np, fwdad
        >>> fg = fwdad.ForwardGradient(fwdad.estimators.Normal(k=2))
        >>> x = np.array([1.0, -2.0])
        >>> _, _, report = fg.diagnose(lambda x: np.sum(x**2), x, reference=2 * x)
        >>> report.rank, round(report.cosine, 6), float(report.expected.cosine_squared)
        (2.0, 1.0, 1.0)
        """
        estimate = self._estimate(loss, model, batch)
        if not estimate.parts:
            raise ValueError("there is nothing to report on: no layer of the model was called")
        compared = None if reference is None else (_parameters(estimate.gradient), _parameters(reference))
        about = report(estimate.d, estimate.directions, self.combiner, compared)
        return estimate.value, estimate.gradient, about

    def _estimate(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Estimate:
        by = self._by_weights if self.perturb == "weight" else self._by_activities
        estimate = by(loss, model, batch)
        if estimate.parts:
            self.sampler.observe(estimate.parts)
        self.step += 1
        return estimate

    def _by_weights(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Estimate:
        leaves, structure = tree.flatten(model, tree.is_buffer)
        moving = [i for i, leaf in enumerate(leaves) if is_parameter(leaf)]
        if not moving:
            raise ValueError(f"the model has no parameters: no floating array among its {len(leaves)} leaves")
        directions = self.sampler.directions([leaves[i] for i in moving], self.step)
        for part, i in enumerate(moving):
            directions.parts[part] = to_device(directions.parts[part], kernels.device_of(leaves[i]))
        if directions.unit or self.combiner.uses_gram:
            directions.expect_gram()
        level = new_level()
        duals = list(leaves)
        for i, v in zip(moving, directions.parts, strict=True):
            duals[i] = Dual(leaves[i], v, level)
        losses, d = split(loss(tree.unflatten(structure, duals), *batch), level)
        if np.ndim(losses) > 1:
            raise ValueError(f"the loss must be one number or one per example, (B,); got shape {np.shape(losses)}")
        d = np.zeros(directions.k) if d is None else np.mean(d, axis=tuple(range(1, d.ndim)), dtype=np.float64)
        d = directions.along(d)
        parts = self.combiner.gradient(d, directions)
        estimated = dict(zip(moving, parts, strict=True))
        grads = [estimated[i] if i in estimated else tree.map(np.zeros_like, x) for i, x in enumerate(leaves)]
        value = float(np.mean(losses, dtype=np.float64))
        return Estimate(value, tree.unflatten(structure, grads), parts, d, directions)

    def _by_activities(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Estimate:
        shared = self.noise == "batch"
        joint = self._joint_directions(loss, model, batch, shared)

        def source(i: int, shape: tuple[int, ...], dtype: Any) -> Tangent:
            return self.sampler.draw(i, shape, dtype, self.step) if joint is None else joint.parts[i]

        with activity_pass(source, shared) as running:
            losses, d = split(loss(model, *batch), running.level)
        sites = running.sites
        check_examples(losses, sites)
        examples, value = losses.shape[0], float(np.mean(losses, dtype=np.float64))
        if not sites:
            return Estimate(value, parameter_gradient(model, [], []), [], np.zeros((examples, 0)), Directions([]))
        if joint is None:
            dimension = None if shared else sum(site.moving for site in sites)
            directions = Directions([s.noise for s in sites], not shared, self.sampler.unit, dimension=dimension)
        else:  # drawn, and so scaled, in the space of all units
            directions = Directions([s.noise for s in sites], not shared, scale=joint.scale)
        d = np.zeros((examples, directions.k)) if d is None else np.transpose(d).astype(np.float64)
        d = directions.along(d)
        parts = self.combiner.gradient(d, directions)
        if shared:
            parts = [g if s.active is None else g * s.active for g, s in zip(parts, sites, strict=True)]
        gradient = parameter_gradient(model, sites, [g / examples for g in parts])
        return Estimate(value, gradient, parts, d, directions)

    def _joint_directions(self, loss: Loss, model: Model, batch: tuple[Any, ...], shared: bool) -> Directions | None:
        """The directions of a sampler that needs to know all layers to draw; None if it can be asked one by one."""
        if not self.sampler.joint:
            return None
        places = survey(loss, model, batch, shared)
        return self.sampler.directions(places, self.step, per_row=not shared) if places else None


def is_parameter(leaf: Any) -> bool:
    """Whether a leaf of a model, flattened with `tree.is_buffer`, is something to learn: a floating array."""
    return hasattr(leaf, "dtype") and plain(leaf).dtype.kind == "f"


def check_examples(losses: Array, sites: Sequence[Site]) -> None:
    """Raise ValueError unless there is one loss for each row of each layer."""
    if np.ndim(losses) != 1:
        raise ValueError(
            "activity perturbation needs one loss per example, shape (B,), for one derivative per example; "
            f"got {np.shape(losses)}"
        )
    for site in sites:
        if site.shape[0] != losses.shape[0]:
            raise ValueError(
                f"{type(site.layer).__name__} saw {site.shape[0]} rows but the loss has {losses.shape[0]} examples: "
                "activity perturbation needs the batch as the leading axis of every layer's input"
            )


def parameter_gradient(model: Model, sites: Sequence[Site], by_site: Sequence[np.ndarray]) -> Model:
    """A tree like the model from dL/dz at each site, (B, n): every layer by its own `local_gradient`.

    A layer that was called more than once has the sum, one that was not has zeros.

    Raises TypeError for a parameter outside all layers that can be perturbed.
    """
    by_layer: dict[int, Model] = {}
    for site, g in zip(sites, by_site, strict=True):
        local = site.layer.local_gradient(site.x, g.reshape(site.shape))
        earlier = by_layer.get(id(site.layer))
        by_layer[id(site.layer)] = local if earlier is None else tree.map(np.add, earlier, local)
    nodes, structure = tree.flatten(model, is_leaf=lambda node: is_perturbable(node) or tree.is_buffer(node))
    grads = []
    for node in nodes:
        if is_perturbable(node):
            grads.append(by_layer[id(node)] if id(node) in by_layer else tree.map(np.zeros_like, node))
        elif is_parameter(node):
            raise TypeError(
                f"a parameter of shape {node.shape} belongs to no layer that can be perturbed (with local_gradient, "
                "as fwdad.nn.Linear has), so activity perturbation cannot estimate its gradient; use perturb='weight'"
            )
        else:
            grads.append(tree.map(np.zeros_like, node))
    return tree.unflatten(structure, grads)


def _parameters(gradient: Model) -> np.ndarray:
    """All entries of a gradient in one vector, float64."""
    leaves = [np.ravel(leaf) for leaf in tree.leaves(gradient) if is_parameter(leaf)]
    return np.concatenate(leaves, dtype=np.float64)
