"""A classifier and a regressor for scikit-learn that learn by forward gradients. Needs the extra `sklearn`."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fwdad import data, estimators, functions, optim, tree
from fwdad.errors import undefined
from fwdad.perturbation import DEFAULT, PerturbationName
from fwdad.registry import Name
from fwdad.train import Learner, TrainConfig, TrainingDiverged
from fwdad.train.build import make_estimator, make_model, make_optimizer, make_schedule
from fwdad.train.evaluation import losses, predict

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ModuleNotFoundError as error:
    raise ImportError("fwdad.sklearn needs scikit-learn: pip install 'fwdad[sklearn]'") from error
try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ModuleNotFoundError:  # scikit-learn before 1.9 has no callbacks, and these estimators no set_callbacks
    CallbackSupportMixin, with_callbacks = object, lambda fit: fit

Fit = TypeVar("Fit", bound=Callable[..., Any])
_taking_callbacks: Callable[[Fit], Fit] = with_callbacks


class _Told:
    """What callbacks are told of one fit: that it begins, that each of its epochs begins and ends, that it ends."""

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._about = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fit = estimator._init_callback_context(max_subtasks=estimator.epochs)
        self._fit.call_on_fit_task_begin(**self._about)

    def begin(self) -> None:
        """Say that an epoch begins."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._about)

    def end(self, model: Any) -> bool:
        """Say that the epoch has ended, after which `fit` would leave this model; return whether it shall stop."""
        return bool(self._epoch.call_on_fit_task_end(**self._about, reconstruction_attributes={"model_": model}))

    def close(self, model: Any) -> None:
        """Say that the fit has ended."""
        self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes={"model_": model})


class _ForwardGradientEstimator(BaseEstimator, CallbackSupportMixin):
    """What both have in common: the settings, the network, the steps."""

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (64,),
        activation: functions.ActivationName = "relu",
        tangents: int = 16,
        sampler: estimators.SamplerName | Name = "rademacher",
        combiner: estimators.CombinerName | Name = "projection",
        perturb: PerturbationName | Name = DEFAULT,
        optimizer: optim.OptimizerName | Name = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        epochs: int = 100,
        batch_size: int = 32,
        random_state: Any = None,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
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
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.verbose = verbose

    def _config(self, schedule: optim.ScheduleName, seed: int) -> TrainConfig:
        """Return the settings as a trainer's; `fwdad.train.ConfigError`, a ValueError, names one that cannot be."""
        hidden = self.hidden_layer_sizes
        known = {field.name for field in dataclasses.fields(TrainConfig)}
        settings = {name: value for name, value in self.get_params(deep=False).items() if name in known}
        settings["hidden"] = (hidden,) if isinstance(hidden, (int, np.integer)) else tuple(hidden)
        return TrainConfig(directions="random", schedule=schedule, seed=seed, **settings).resolved()

    def _begin(self, features: int, outputs: int) -> None:
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.model_ = make_model(self._config("constant", self._seed), (features,), outputs)
        self.loss_curve_: list[float] = []
        self.best_loss_, self.n_iter_ = math.inf, 0
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: float | None = -math.inf if self.early_stopping else None
        self._optimizer_state: Any = None
        self._steps = 0

    def _goes_on(self) -> bool:
        """Whether `fit` begins where the last one ended."""
        return bool(self.warm_start) and hasattr(self, "model_")

    def _weights(self, X: NDArray[np.float32], sample_weight: Any) -> NDArray[np.float64]:
        weights: NDArray[np.float64] = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        if not weights.any():
            raise ValueError("sample_weight is 0 for all examples; at least one must count")
        return weights

    def _told(self, X: Any, y: Any, sample_weight: Any) -> _Told | None:
        """Tell callbacks that `fit` begins; None where scikit-learn has none."""
        return _Told(self, X, y, sample_weight) if hasattr(self, "set_callbacks") else None

    def _fit(
        self,
        X: NDArray[np.float32],
        targets: NDArray[Any],
        weights: NDArray[np.float64],
        labels: NDArray[Any] | None,
        told: _Told | None,
    ) -> None:
        """Train for `epochs`, or until nothing gets better; an early stop holds back an even share of the `labels`."""
        if not self.early_stopping:
            self._train(X, targets, weights, self.epochs, "cosine", told=told)
            return
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be between 0 and 1; got {self.validation_fraction!r}")
        parts = train_test_split(
            X, targets, weights, random_state=self._seed, test_size=self.validation_fraction, stratify=labels
        )
        X, held_x, targets, held_targets, weights, held_weights = parts
        held = held_x, held_targets, held_weights
        self._train(X, targets, weights, self.epochs, "cosine", held, told)

    def _train(
        self,
        X: NDArray[np.float32],
        targets: NDArray[Any],
        weights: NDArray[np.float64],
        epochs: int,
        schedule: optim.ScheduleName,
        held: tuple[Any, Any, Any] | None = None,
        told: _Told | None = None,
    ) -> None:
        """Go over the examples that count; with `held` keep the model that scores best on those examples."""
        config = self._config(schedule, self._seed)
        X, targets, weights = X[weights > 0], targets[weights > 0], weights[weights > 0]
        shares = (weights / np.mean(weights)).astype(np.float32)
        batches = data.Batches(len(targets), config.batch_size, seed=self._seed)
        steps = range(self._steps, self._steps + epochs * batches.steps_per_epoch)
        optimizer, estimator = make_optimizer(config, make_schedule(config, len(steps))), make_estimator(config)
        estimator.step = self._steps
        learner = Learner(
            self.model_, lambda m, x, y, w: w * losses(m(x), y), estimator, optimizer, state=self._optimizer_state
        )
        total, best, without = 0.0, learner.model, 0
        for step in steps:
            if told and batches.position(step)[1] == 0:
                told.begin()
            rows = batches.indices(step)
            value, _ = learner.step(step, X[rows], targets[rows], shares[rows])
            total += value * len(rows)
            if batches.position(step + 1)[1]:
                continue
            self.loss_curve_.append(total / len(targets))
            self.n_iter_, total = len(self.loss_curve_), 0.0
            if not all(np.isfinite(leaf).all() for leaf in tree.leaves(learner.model)):
                problem = f"the parameters are no longer finite; lower learning_rate (it was {config.learning_rate})"
                raise TrainingDiverged(problem)
            if self._improved(learner.model, held):
                best, without = learner.model, 0
            else:
                without += 1
            if told and told.end(learner.model if held is None else best):
                break
            if without >= self.n_iter_no_change:
                break
        self.model_ = learner.model if held is None else best
        self._optimizer_state, self._steps = learner.state, step + 1
        if told:
            told.close(self.model_)

    def _improved(self, model: Any, held: tuple[Any, Any, Any] | None) -> bool:
        """Note an epoch; return whether its loss, or the score of `held` examples, is better by more than tol."""
        loss, report = self.loss_curve_[-1], f"epoch {self.n_iter_}  loss {self.loss_curve_[-1]:.6f}"
        better = loss < self.best_loss_ - self.tol
        self.best_loss_ = min(loss, self.best_loss_)
        if held is not None:
            assert self.validation_scores_ is not None
            assert self.best_validation_score_ is not None
            score = self._score(predict(model, held[0]), held[1], held[2])
            better = score > self.best_validation_score_ + self.tol
            self.validation_scores_.append(score)
            self.best_validation_score_ = max(score, self.best_validation_score_)
            report += f"  validation {score:.4f}"
        if self.verbose:
            sys.stdout.write(report + "\n")
        return better

    def _score(self, outputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
        """Return how good outputs are."""
        raise undefined(self, "_score")

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return predict(self.model_, X).astype(np.float64)


class ForwardGradientClassifier(ClassifierMixin, _ForwardGradientEstimator):
    """A multilayer perceptron that classifies, trained by forward gradients on the cross-entropy.

    Inputs are converted to float32 and should be standardised.

    Parameters
    ----------
    hidden_layer_sizes, activation
        Widths of the hidden layers, or the width of the only one, and their activation.
    tangents
        Directions per step, k.
    sampler, combiner, perturb, optimizer, weight_decay
        As for ``fwdad train``.
    learning_rate
        None for what suits the method. It falls by a cosine over the epochs of `fit`, and is constant in `partial_fit`.
    epochs, batch_size
        Passes over the data at most, and examples per step.
    random_state
        None, a number or a RandomState; initial values, the order of the examples and the directions follow from it.
    tol, n_iter_no_change
        `fit` ends after so many epochs in a row in which the training loss did not fall by more than `tol`.
    early_stopping, validation_fraction
        Whether that share of the examples is held back, its score decides in place of the loss, and the model of the
        best epoch is kept.
    warm_start
        Whether `fit` begins with the model that the last one left.
    verbose
        Whether to print a line an epoch.
    class_weight
        How much each class counts: a dict, "balanced", or None for all alike.

    Attributes
    ----------
    classes_
        The classes, sorted.
    model_
        The network, a `fwdad.nn.MLP`.
    n_iter_, loss_curve_, best_loss_
        The number of epochs, the mean training loss of each, and the lowest of them.
    validation_scores_, best_validation_score_
        With early_stopping, the score on the examples held back after each epoch, and the best; else None.

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

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (64,),
        activation: functions.ActivationName = "relu",
        tangents: int = 16,
        sampler: estimators.SamplerName | Name = "rademacher",
        combiner: estimators.CombinerName | Name = "projection",
        perturb: PerturbationName | Name = DEFAULT,
        optimizer: optim.OptimizerName | Name = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        epochs: int = 100,
        batch_size: int = 32,
        random_state: Any = None,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        verbose: bool = False,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            tangents=tangents,
            sampler=sampler,
            combiner=combiner,
            perturb=perturb,
            optimizer=optimizer,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            epochs=epochs,
            batch_size=batch_size,
            random_state=random_state,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.class_weight = class_weight

    @_taking_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ForwardGradientClassifier:
        """Learn from X (N, D), the classes y (N,) and how much each example counts (N,); anew, without warm_start."""
        goes_on = self._goes_on()
        X, y = validate_data(self, X, y, dtype=np.float32, reset=not goes_on)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        weights = self._weights(X, sample_weight)
        if not goes_on:
            self.classes_: NDArray[Any] = classes
            self._begin(X.shape[1], len(classes))
        elif not np.array_equal(classes, self.classes_):
            raise ValueError(f"with warm_start, y must hold the classes {self.classes_} as before; got {classes}")
        labels = labels.astype(np.int64)
        told = self._told(X, y, sample_weight)
        self._fit(X, labels, weights * compute_sample_weight(self.class_weight, y), labels, told)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> ForwardGradientClassifier:
        """Go once over X and y, from where the last call ended; the first call needs all classes."""
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs classes, all that y will ever hold")
        if self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' needs all of y at once: give a dict, or sample_weight")
        X, y = validate_data(self, X, y, dtype=np.float32, reset=first)
        check_classification_targets(y)
        known = np.unique(classes) if first else self.classes_
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(f"classes are {np.unique(classes)}, but were {known} in the first call")
        if not np.isin(y, known).all():
            raise ValueError(f"y holds {np.setdiff1d(y, known)}, which are not among the classes {known}")
        weights = self._weights(X, sample_weight) * compute_sample_weight(self.class_weight, y)
        if first:
            self.classes_ = known
            self._begin(X.shape[1], len(known))
        self._train(X, np.searchsorted(known, y).astype(np.int64), weights, 1, "constant")
        return self

    def _score(self, outputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
        """Return the accuracy."""
        return float(accuracy_score(targets, np.argmax(outputs, axis=1), sample_weight=weights))

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

    @_taking_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ForwardGradientRegressor:
        """Learn from X (N, D), y (N,) or (N, M) and how much each row counts (N,); anew, without warm_start."""
        X, values, weights = self._data(X, y, sample_weight, first=not self._goes_on())
        self._fit(X, values, weights, None, self._told(X, y, sample_weight))
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> ForwardGradientRegressor:
        """Go once over X and y, from where the last call ended."""
        X, values, weights = self._data(X, y, sample_weight, first=not hasattr(self, "model_"))
        self._train(X, values, weights, 1, "constant")
        return self

    def _data(self, X: Any, y: Any, sample_weight: Any, first: bool) -> tuple[Any, NDArray[np.float32], Any]:
        """Return the inputs, the standardised values and the weights; at first make the network for them."""
        X, y = validate_data(self, X, y, dtype=np.float32, multi_output=True, y_numeric=True, reset=first)
        values = np.asarray(y, np.float64).reshape(len(y), -1)
        weights = self._weights(X, sample_weight)
        if first:
            self._shape = np.shape(y)[1:]
            self._mean = np.average(values, axis=0, weights=weights)
            std = np.sqrt(np.average((values - self._mean) ** 2, axis=0, weights=weights))
            self._std = np.where(std > 0, std, 1)
            self._begin(X.shape[1], values.shape[1])
        elif np.shape(y)[1:] != self._shape:
            raise ValueError(
                f"y has shape {np.shape(y)}, but the first call had (N, {', '.join(map(str, self._shape))})"
            )
        return X, ((values - self._mean) / self._std).astype(np.float32), weights

    def _score(self, outputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64]) -> float:
        """Return R^2."""
        return float(r2_score(targets, outputs, sample_weight=weights))

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the values predicted for each row, (N,) or (N, M)."""
        values: NDArray[np.float64] = self._outputs(X) * self._std + self._mean
        return values.reshape(len(values), *self._shape)

    def __sklearn_tags__(self) -> Any:
        """Say that there may be several values per row."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
