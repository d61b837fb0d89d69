"""A classifier and a regressor for scikit-learn that learn by forward gradients. Needs the extra `sklearn`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad import data, tree
from fwdad.perturbation import DEFAULT
from fwdad.train import Learner, TrainConfig, TrainingDiverged
from fwdad.train.build import make_estimator, make_model, make_optimizer, make_schedule
from fwdad.train.evaluation import losses, predict

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as error:
    raise ImportError("fwdad.sklearn needs scikit-learn: pip install 'fwdad[sklearn]'") from error


class _ForwardGradientEstimator(BaseEstimator):
    """What both have in common: the settings, the network, the steps."""

    def __init__(
        self,
        hidden: Sequence[int] = (64,),
        activation: str = "relu",
        tangents: int = 16,
        sampler: str = "rademacher",
        combiner: str = "projection",
        perturb: str = DEFAULT,
        optimizer: str = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        epochs: int = 100,
        batch_size: int = 32,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.tangents = tangents
        self.sampler = sampler
        self.combiner = combiner
        self.perturb = perturb
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def _config(self, schedule: str, seed: int) -> TrainConfig:
        """Return the settings as a trainer's; `fwdad.train.ConfigError`, a ValueError, names one that cannot be."""
        settings = self.get_params(deep=False) | {"hidden": tuple(self.hidden)}
        del settings["random_state"]
        return TrainConfig(directions="random", schedule=schedule, seed=seed, **settings).resolved()

    def _begin(self, features: int, outputs: int) -> None:
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.model_ = make_model(self._config("constant", self._seed), (features,), outputs)
        self.loss_curve_: list[float] = []
        self._optimizer_state: Any = None
        self._steps = 0

    def _train(self, X: NDArray[np.float32], targets: NDArray[Any], epochs: int, schedule: str) -> None:
        config = self._config(schedule, self._seed)
        batches = data.Batches(len(targets), config.batch_size, seed=self._seed)
        steps = range(self._steps, self._steps + epochs * batches.steps_per_epoch)
        optimizer, estimator = make_optimizer(config, make_schedule(config, len(steps))), make_estimator(config)
        estimator.step = self._steps
        learner = Learner(
            self.model_, lambda m, x, y: losses(m(x), y), estimator, optimizer, state=self._optimizer_state
        )
        total = 0.0
        for step in steps:
            rows = batches.indices(step)
            value, _ = learner.step(step, X[rows], targets[rows])
            total += value * len(rows)
            if batches.position(step + 1)[1] == 0:
                self.loss_curve_.append(total / len(targets))
                total = 0.0
        if not all(np.isfinite(leaf).all() for leaf in tree.leaves(learner.model)):
            problem = f"the parameters are no longer finite; lower learning_rate (it was {config.learning_rate})"
            raise TrainingDiverged(problem)
        self.model_, self._optimizer_state, self._steps = learner.model, learner.state, steps.stop

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return predict(self.model_, X).astype(np.float64)


class ForwardGradientClassifier(ClassifierMixin, _ForwardGradientEstimator):
    """A multilayer perceptron that classifies, trained by forward gradients on the cross-entropy.

    Inputs are converted to float32 and should be standardised.

    Parameters
    ----------
    hidden, activation
        Widths of the hidden layers, and their activation.
    tangents
        Directions per step, k.
    sampler, combiner, perturb, optimizer, weight_decay
        As for ``fwdad train``.
    learning_rate
        None for what suits the method. It falls by a cosine over the epochs of `fit`, and is constant in `partial_fit`.
    epochs, batch_size
        Passes over the data, and examples per step.
    random_state
        None, a number or a RandomState; initial values, the order of the examples and the directions follow from it.

    Attributes
    ----------
    classes_
        The classes, sorted.
    model_
        The network, a `fwdad.nn.MLP`.
    loss_curve_
        The mean training loss of each epoch.

    Raises
    ------
    fwdad.train.ConfigError
        A setting cannot be used; a ValueError.
    fwdad.train.TrainingDiverged
        The parameters do not stay finite.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> model = make_pipeline(StandardScaler(), ForwardGradientClassifier(random_state=0))
    >>> bool(model.fit(*load_iris(return_X_y=True)).score(*load_iris(return_X_y=True)) > 0.95)
    True
    """

    def fit(self, X: Any, y: Any) -> ForwardGradientClassifier:
        """Learn from X (N, D) and the classes y (N,), anew."""
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self._begin(X.shape[1], len(self.classes_))
        self._train(X, labels.astype(np.int64), self.epochs, "cosine")
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> ForwardGradientClassifier:
        """Go once over X and y, from where the last call ended; the first call needs all classes."""
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs classes, all that y will ever hold")
        X, y = validate_data(self, X, y, dtype=np.float32, reset=first)
        check_classification_targets(y)
        known = np.unique(classes) if first else self.classes_
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(f"classes are {np.unique(classes)}, but were {known} in the first call")
        if not np.isin(y, known).all():
            raise ValueError(f"y holds {np.setdiff1d(y, known)}, which are not among the classes {known}")
        if first:
            self.classes_ = known
            self._begin(X.shape[1], len(known))
        self._train(X, np.searchsorted(known, y).astype(np.int64), 1, "constant")
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class, (N, classes), in the order of ``classes_``."""
        logits = self._outputs(X)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, (N,)."""
        best = np.argmax(self._outputs(X), axis=1)
        predicted: NDArray[Any] = self.classes_[best]
        return predicted


class ForwardGradientRegressor(RegressorMixin, _ForwardGradientEstimator):
    """A multilayer perceptron that predicts numbers, trained by forward gradients on the squared error.

    Settings are those of `ForwardGradientClassifier`. `fit`, or the first `partial_fit`, standardises the values y for
    training; predictions are scaled back.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> model = ForwardGradientRegressor(random_state=0).fit(X, X[:, 0] - X[:, 1])
    >>> bool(model.score(X, X[:, 0] - X[:, 1]) > 0.95)
    True
    """

    def fit(self, X: Any, y: Any) -> ForwardGradientRegressor:
        """Learn from X (N, D) and the values y (N,) or (N, M), anew."""
        return self._learn(X, y, first=True, epochs=self.epochs, schedule="cosine")

    def partial_fit(self, X: Any, y: Any) -> ForwardGradientRegressor:
        """Go once over X and y, from where the last call ended."""
        return self._learn(X, y, first=not hasattr(self, "model_"), epochs=1, schedule="constant")

    def _learn(self, X: Any, y: Any, first: bool, epochs: int, schedule: str) -> ForwardGradientRegressor:
        X, y = validate_data(self, X, y, dtype=np.float32, multi_output=True, y_numeric=True, reset=first)
        values = np.asarray(y, np.float64).reshape(len(y), -1)
        if first:
            self._shape = np.shape(y)[1:]
            std = values.std(axis=0)
            self._mean, self._std = values.mean(axis=0), np.where(std > 0, std, 1)
            self._begin(X.shape[1], values.shape[1])
        elif np.shape(y)[1:] != self._shape:
            raise ValueError(
                f"y has shape {np.shape(y)}, but the first call had (N, {', '.join(map(str, self._shape))})"
            )
        self._train(X, ((values - self._mean) / self._std).astype(np.float32), epochs, schedule)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the values predicted for each row, (N,) or (N, M)."""
        values: NDArray[np.float64] = self._outputs(X) * self._std + self._mean
        return values.reshape(len(values), *self._shape)

    def __sklearn_tags__(self) -> Any:
        """Say that there may be several values per row."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
