"""Guesses: directions that are not random but likely to lie near the gradient.

A guess u gives the estimate ``<u, g> u / |u|^2``, the part of the gradient along it; its quality is its cosine to the
gradient. `Mixed` joins guesses and random directions: the projection takes what the guesses find, and adds what the
random directions find beside it.

Source: Fournier et al., arXiv 2306.06968: guesses that are gradients of local losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fwdad import functions, tree
from fwdad.estimators.samplers import Sampler
from fwdad.kernels import to_device
from fwdad.perturbation import Directions, Survey, Template


class Given(Sampler):
    """The user's directions, the same at each step.

    Parameters
    ----------
    directions : pytree
        Arrays (k, *shape), in a tree like that of the arrays that move.

    Raises
    ------
    ValueError
        For arrays that do not fit each other, or those that move.

    Examples
    --------
    >>> v = Given({"x": np.eye(2), "y": np.zeros((2, 3))}).directions([np.zeros(2), np.zeros(3)], step=0)
    >>> v.k, v.n
    (2, 5)
    """

    def __init__(self, directions: Any) -> None:
        self.arrays = [np.asarray(v) for v in tree.leaves(directions)]
        if not self.arrays or any(v.ndim == 0 or len(v) != len(self.arrays[0]) or len(v) == 0 for v in self.arrays):
            shapes = ", ".join(str(v.shape) for v in self.arrays)
            raise ValueError(
                f"directions must be arrays (k, *shape) of one k >= 1, one for each that moves; got {shapes}"
            )

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return the given directions in the templates' dtypes."""
        given, moving = [v.shape[1:] for v in self.arrays], [tuple(t.shape) for t in templates]
        if given != moving:
            raise ValueError(f"directions were given for arrays of shapes {given}, but those that move have {moving}")
        return Directions([v.astype(t.dtype) for v, t in zip(self.arrays, templates, strict=True)], per_row)


class Previous(Sampler):
    """One direction: the running mean of the estimates so far, ``m <- momentum m + (1 - momentum) g``; zero at first.

    An estimate depends on those before it: this sampler has a state. In activity perturbation m is also the mean over
    examples, which all have the same direction.

    Parameters
    ----------
    momentum : float
        From 0, which takes the last estimate alone, to below 1.

    Raises
    ------
    ValueError
        For a momentum out of range, or arrays of other shapes than before.

    Examples
    --------
    >>> import fwdad
    >>> fg = fwdad.ForwardGradient(Mixed(Previous(momentum=0), Given(np.array([[1.0, 0.0]]))), perturb="weight")
    >>> fg(lambda x: np.sum(x), np.zeros(2))[1]
    array([1., 0.])
    >>> fg.sampler.directions([np.zeros(2)], step=1).dense()[0]
    array([1., 0.])
    """

    def __init__(self, momentum: float = 0.9) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1; got {momentum!r}")
        self.momentum = momentum
        self.mean: list[np.ndarray] | None = None
        self._shapes: list[tuple[int, ...]] = []

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return the running mean as one direction."""
        self._shapes = [tuple(t.shape[per_row:]) for t in templates]
        means = [np.zeros(shape) for shape in self._shapes] if self.mean is None else self.mean
        if [m.shape for m in means] != self._shapes:
            raise ValueError(f"the arrays that move had shapes {[m.shape for m in means]}; now {self._shapes}")
        parts = [np.broadcast_to(m, t.shape)[None].astype(t.dtype) for m, t in zip(means, templates, strict=True)]
        return Directions(parts, per_row)

    def observe(self, estimate: Sequence[np.ndarray]) -> None:
        """Update the running mean."""
        # With activity perturbation estimates have an axis of examples before the shape.
        news = [
            to_device(g.astype(np.float64) if g.ndim == len(shape) else g.mean(axis=0, dtype=np.float64), "cpu")
            for g, shape in zip(estimate, self._shapes, strict=True)
        ]
        if self.mean is None:
            self.mean = news
        else:
            self.mean = [self.momentum * m + (1 - self.momentum) * g for m, g in zip(self.mean, news, strict=True)]

    def state(self) -> dict[str, np.ndarray]:
        """Return the running mean."""
        return _numbered("mean", self.mean or [])

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the running mean of another sampler."""
        self.mean = _in_order("mean", state) or None


class LocalClassifier(Sampler):
    """One direction a layer: the gradient of that layer's own loss, by an auxiliary linear classifier on its output.

    The classifier of layer l, ``p = softmax(y_l A_l + b_l)``, sees the layer's output y_l and the labels; its
    cross-entropy has the gradient ``act'(z_l) (p - onehot) A_l^T`` in z_l. That is direction l for the example, zero in
    all other layers. After each estimate the classifiers take a step of gradient descent on the same batch, from y_l
    alone. A last layer with one output a class is its own classifier: ``p = softmax(y_l)``.

    It is for activity perturbation; with noise that the batch shares, the direction is the mean over examples. This
    sampler has a state: the classifiers.

    Parameters
    ----------
    classes : int
        The number of classes.
    labels : callable, optional
        Gives the integer labels (B,) from what the loss was called with beside the model; by default its last argument.
    rate : float
        The step size, in units of 1 / mean |y|^2.
    seed : int
        What the initial classifiers follow from.

    Raises
    ------
    ValueError
        For labels that do not fit.
    TypeError
        Outside activity perturbation.

    References
    ----------
    Fournier et al., arXiv 2306.06968, sections 3 and 4 (local loss, linear auxiliary net).
    """

    needs_outputs = True

    def __init__(self, classes: int, labels: Any = None, rate: float = 2.0, *, seed: int = 0) -> None:
        self.classes = classes
        self.labels = (lambda *batch: batch[-1]) if labels is None else labels
        self.rate = rate
        self.random = np.random.default_rng(seed)
        self.weights: list[np.ndarray] = []  # (n_l + 1, classes): the last row is the bias
        self._errors: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # by layer, of those that learn

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return one direction a layer, zero in all other layers."""
        surveys = [t for t in templates if isinstance(t, Survey)]
        if len(surveys) != len(templates):
            raise TypeError(
                "LocalClassifier knows layers' outputs from activity perturbation alone: perturb='activity'"
            )
        self._errors = {}
        parts = []
        for s, survey in enumerate(surveys):
            guess = self._guess(s, survey, last=s == len(surveys) - 1)
            v = np.zeros((len(surveys), *survey.shape), survey.dtype)
            v[s] = guess if per_row else guess.mean(axis=0)
            parts.append(v)
        return Directions(parts, per_row)

    def _guess(self, s: int, survey: Survey, last: bool) -> np.ndarray:
        """Return the gradient of layer s's local loss in its z, (B, n)."""
        labels = np.asarray(self.labels(*survey.batch))
        examples, n = survey.y.shape
        if labels.shape != (examples,) or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels must be {examples} integers, one an example; got {labels.dtype}{labels.shape}")
        if not (labels.min() >= 0 and labels.max() < self.classes):
            raise ValueError(f"labels must lie in 0..{self.classes - 1}; got {labels.min()}..{labels.max()}")
        own = last and n == self.classes
        if s == len(self.weights):
            initial = np.eye(n + 1, n) if own else self.random.standard_normal((n + 1, self.classes)) / np.sqrt(n)
            self.weights.append(initial)
        y = np.concatenate([survey.y, np.ones((examples, 1))], axis=1)
        error = functions.softmax(y @ self.weights[s])
        error[np.arange(examples), labels] -= 1
        if not own:
            self._errors[s] = y, error
        return np.asarray(survey.slope * (error @ self.weights[s][:-1].T))

    def observe(self, estimate: Sequence[np.ndarray]) -> None:
        """Move the classifiers by a step of gradient descent."""
        for s, (y, error) in self._errors.items():
            # The curvature of the loss is at most |y|^2 / 2: in these units a rate below 4 is stable.
            self.weights[s] -= self.rate / np.mean(np.sum(y * y, axis=1)) * (y.T @ error) / len(y)

    def state(self) -> dict[str, np.ndarray]:
        """Return the classifiers' weights."""
        return _numbered("weights", self.weights)

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the classifiers of another sampler."""
        self.weights = _in_order("weights", state)


class Mixed(Sampler):
    """The directions of several samplers, one after the other: guesses and random ones.

    Parameters
    ----------
    *samplers : Sampler
        At least one. Random ones need different seeds, or they draw the same.

    Raises
    ------
    ValueError
        Without a sampler.

    Examples
    --------
    >>> v = Mixed(Given(np.eye(3)[:1]), Given(np.eye(3)[1:])).directions([np.zeros(3)], step=0)
    >>> v.dense().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def __init__(self, *samplers: Sampler) -> None:
        if not samplers:
            raise ValueError("Mixed needs at least one sampler")
        self.samplers = samplers
        self.needs_outputs = any(sampler.needs_outputs for sampler in samplers)  # type: ignore[misc]

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return the directions of all samplers."""
        drawn = [sampler.directions(templates, step, per_row).realised() for sampler in self.samplers]
        return Directions([np.concatenate(parts) for parts in zip(*drawn, strict=True)], per_row)

    def observe(self, estimate: Sequence[np.ndarray]) -> None:
        """Tell all samplers of the estimate."""
        for sampler in self.samplers:
            sampler.observe(estimate)

    def state(self) -> dict[str, np.ndarray]:
        """Return the states of all samplers, under their numbers."""
        return {f"{i}.{name}": array for i, s in enumerate(self.samplers) for name, array in s.state().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Give each sampler its state."""
        for i, sampler in enumerate(self.samplers):
            prefix = f"{i}."
            sampler.restore({name[len(prefix) :]: array for name, array in state.items() if name.startswith(prefix)})


def _numbered(name: str, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}.{i}": array.copy() for i, array in enumerate(arrays)}


def _in_order(name: str, state: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the arrays that `_numbered` has given names to."""
    if set(state) != {f"{name}.{i}" for i in range(len(state))}:
        raise ValueError(f"expected a state of arrays {name}.0, {name}.1, ...; given {', '.join(state)}")
    return [state[f"{name}.{i}"].copy() for i in range(len(state))]
