import math
import pickle

import numpy as np
import pytest

from fwdad import tree
from fwdad.train import ConfigError, TrainingDiverged

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fwdad[sklearn]'")

from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import check_estimator

from fwdad.sklearn import ForwardGradientClassifier, ForwardGradientRegressor

IRIS = scale(load_iris().data), np.array(["setosa", "versicolor", "virginica"])[load_iris().target]
BOTH = [ForwardGradientClassifier, ForwardGradientRegressor]


@pytest.mark.parametrize("kind", BOTH)
def test_scikit_learns_own_checks_pass(kind):
    inexact = {"check_sample_weight_equivalence_on_dense_data": "the directions and batches are random, as in MLP's"}
    results = check_estimator(kind(epochs=20), on_fail="raise", on_skip=None, expected_failed_checks=inexact)
    assert [result["check_name"] for result in results if result["status"] == "failed"] == []
    passed = [result["check_name"] for result in results if result["status"] == "passed"]
    assert len(passed) >= 45
    assert {"check_estimators_pickle", "check_fit_idempotent", "check_estimators_nan_inf"} <= set(passed)


def test_it_classifies_held_out_flowers():
    model = make_pipeline(StandardScaler(), ForwardGradientClassifier(random_state=0))
    assert cross_val_score(model, load_iris().data, load_iris().target, cv=5).mean() > 0.93


def test_it_predicts_held_out_values_as_well_as_a_linear_model_does():
    X, y = load_diabetes(return_X_y=True)
    model = make_pipeline(StandardScaler(), ForwardGradientRegressor(hidden_layer_sizes=16, epochs=20, random_state=0))
    assert cross_val_score(model, X, y, cv=5).mean() > 0.44  # least squares: 0.48


def test_probabilities():
    model = ForwardGradientClassifier(epochs=5, random_state=1).fit(*IRIS)
    probabilities = model.predict_proba(IRIS[0])
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(IRIS[0]))


@pytest.mark.parametrize("kind", BOTH)
def test_the_random_state_decides_alone(kind):
    X, y = IRIS[0], np.arange(150) % 3

    def parameters(random_state):
        return tree.leaves(kind(epochs=2, random_state=random_state).fit(X, y).model_)

    def same(a, b):
        return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))

    assert same(parameters(3), parameters(3))
    assert not same(parameters(3), parameters(4))
    generator = np.random.RandomState(3)
    assert same(parameters(generator), parameters(3))
    assert not same(parameters(generator), parameters(3))  # it moves on


@pytest.mark.parametrize("kind", BOTH)
def test_partial_fit_goes_on_where_it_ended(kind):
    X, y = IRIS[0], np.arange(150) % 3
    more = {"classes": [0, 1, 2]} if kind is ForwardGradientClassifier else {}
    model = kind(random_state=0)
    for _ in range(3):
        model.partial_fit(X, y, **more)
    assert len(model.loss_curve_) == 3
    half = kind(random_state=0).partial_fit(X, y, **more)
    copied = pickle.loads(pickle.dumps(half))  # in the middle of it
    for _ in range(2):
        copied.partial_fit(X, y)
    np.testing.assert_array_equal(copied.predict(X), model.predict(X))
    assert copied.loss_curve_ == model.loss_curve_
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :2], y)


def test_partial_fit_learns():
    model = ForwardGradientClassifier(random_state=0)
    for _ in range(30):
        model.partial_fit(*IRIS, classes=np.unique(IRIS[1]))
    assert model.score(*IRIS) > 0.93
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]


def test_partial_fit_knows_its_classes():
    model = ForwardGradientClassifier()
    with pytest.raises(ValueError, match="first call of partial_fit needs classes"):
        model.partial_fit(*IRIS)
    with pytest.raises(ValueError, match=r"y holds \['virginica'\], which are not among the classes"):
        model.partial_fit(*IRIS, classes=["setosa", "versicolor"])
    model.partial_fit(IRIS[0][:60], IRIS[1][:60], classes=np.unique(IRIS[1]))  # two of the three classes
    with pytest.raises(ValueError, match="but were"):
        model.partial_fit(*IRIS, classes=["setosa", "versicolor"])


def test_several_values_at_once():
    X = np.random.default_rng(0).standard_normal((300, 3))
    Y = np.c_[X[:, 0] + 100, 1e3 * X[:, 1], np.full(300, 7.0)]
    model = ForwardGradientRegressor(random_state=0).fit(X, Y)
    assert model.predict(X).shape == (300, 3)
    assert r2_score(Y, model.predict(X), multioutput="raw_values")[:2].min() > 0.95
    np.testing.assert_allclose(model.predict(X)[:, 2], 7, atol=0.5)
    with pytest.raises(ValueError, match=r"y has shape \(300,\), but the first call had \(N, 3\)"):
        model.partial_fit(X, Y[:, 0])


def test_settings_reach_the_method():
    model = ForwardGradientClassifier((8, 4), activation="tanh", perturb="weight", combiner="mean", epochs=2)
    model.set_params(optimizer="sgd", learning_rate=1e-3, tangents=2, sampler="normal").fit(*IRIS)
    assert [layer.weight.shape for layer in model.model_.layers] == [(4, 8), (8, 4), (4, 3)]
    assert model.model_.layers[0].activation == "tanh"
    assert clone(model).get_params() == model.get_params()


def test_a_search_over_a_pipeline_that_stops_early_with_weights():
    model = ForwardGradientClassifier(
        early_stopping=True, n_iter_no_change=9, learning_rate=0.02, epochs=20, random_state=0
    )
    search = GridSearchCV(make_pipeline(StandardScaler(), model), {"forwardgradientclassifier__tangents": [1, 8]}, cv=2)
    weights = np.where(np.arange(150) % 3, 1.0, 2.0)
    search.fit(*IRIS, forwardgradientclassifier__sample_weight=weights)
    assert search.best_score_ > 0.8
    assert search.best_estimator_[-1].n_iter_ <= 20


# ---- as MLPClassifier and MLPRegressor do


@pytest.mark.parametrize("kind", BOTH)
def test_early_stopping_keeps_the_best_model(kind):
    X, y = IRIS[0], np.arange(150) // 50
    settings = {"early_stopping": True, "validation_fraction": 0.2, "random_state": 0, "learning_rate": 0.05}
    model = kind(n_iter_no_change=4, tol=0.0, **settings).fit(X, y)
    scores = model.validation_scores_
    best = int(np.argmax(scores))
    assert (len(scores), max(scores)) == (model.n_iter_, model.best_validation_score_)
    assert model.n_iter_ == len(model.loss_curve_) == best + 5 < 100  # four epochs without a better one
    X, held_x, y, held_y = train_test_split(
        X, y, test_size=0.2, random_state=model._seed, stratify=y if kind is ForwardGradientClassifier else None
    )
    assert model.score(held_x, held_y) == pytest.approx(scores[best], abs=1e-6)


@pytest.mark.parametrize("kind", BOTH)
def test_fit_ends_when_the_loss_no_longer_falls(kind):
    X, y = IRIS[0], np.arange(150) // 50
    model = kind(tol=1e9, n_iter_no_change=3, random_state=0).fit(X, y)
    assert model.n_iter_ == 3 + 1  # from infinity to the first loss
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.validation_scores_ is None


@pytest.mark.parametrize("kind", BOTH)
def test_an_example_of_no_weight_does_not_count(kind):
    X, y = np.r_[IRIS[0], 100 + IRIS[0]], np.arange(300) % 3
    settings = {"epochs": 3, "random_state": 0}
    weighted = kind(**settings).fit(X, y, sample_weight=np.arange(300) < 150)
    np.testing.assert_array_equal(weighted.predict(X), kind(**settings).fit(X[:150], y[:150]).predict(X))
    scaled = kind(**settings).fit(X, y, sample_weight=np.full(300, 7.0))
    np.testing.assert_array_equal(scaled.predict(X), kind(**settings).fit(X, y).predict(X))
    for weights, says in ((np.zeros(300), "0 for all|non-zero"), (-np.ones(300), "[Nn]egative")):
        with pytest.raises(ValueError, match=says):
            kind().fit(X, y, sample_weight=weights)


LONG = {"epochs": 30, "learning_rate": 0.05, "random_state": 0}


def test_weights_decide_where_examples_contradict_each_other():
    X, y = np.zeros((100, 2)), np.arange(100) % 2
    for heavy in (0, 1):
        for settings, weights in (
            ({}, np.where(y == heavy, 9.0, 1.0)),
            ({"class_weight": {heavy: 9, 1 - heavy: 1}}, None),
        ):
            model = ForwardGradientClassifier(**LONG, **settings).fit(X, y, weights)
            assert model.predict_proba(X)[0, heavy] == pytest.approx(0.9, abs=0.03)
    regressor = ForwardGradientRegressor(**LONG).fit(X, y, np.where(y == 1, 9.0, 1.0))
    assert regressor.predict(X)[0] == pytest.approx(0.9, abs=0.03)


def test_balanced_classes():
    y = np.arange(100) % 10 == 0
    model = ForwardGradientClassifier(**LONG, class_weight="balanced").fit(np.zeros((100, 2)), y)
    assert model.predict_proba(np.zeros((1, 2)))[0, 1] == pytest.approx(0.5, abs=0.05)
    with pytest.raises(ValueError, match="needs all of y at once"):
        ForwardGradientClassifier(class_weight="balanced").partial_fit(np.zeros((100, 2)), y, classes=[False, True])


@pytest.mark.parametrize("kind", BOTH)
def test_warm_start_goes_on(kind):
    X, y = IRIS[0], np.arange(150) // 50
    model = kind(epochs=3, warm_start=True, random_state=0).fit(X, y)
    first = model.loss_curve_[0]
    model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 6
    assert model.loss_curve_[3] < 0.7 * first
    with pytest.raises(ValueError, match=r"must hold the classes|has shape"):
        model.fit(X, (y == 1) if kind is ForwardGradientClassifier else np.c_[y, y])


def test_verbose_says_a_line_an_epoch(capsys):
    ForwardGradientClassifier(epochs=2, verbose=True, early_stopping=True, random_state=0).fit(*IRIS)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("loss")[0].strip() for line in lines] == ["epoch 1", "epoch 2"]
    assert all("validation" in line for line in lines)


@pytest.fixture
def recorder():
    """A callback that notes what it is told; it ends a fit after as many epochs as `last` says."""
    pytest.importorskip("sklearn.callback", reason="scikit-learn is older than 1.9, which has no callbacks")

    class Recorder:
        last = math.inf

        def __init__(self):
            self.told, self.scores = [], []

        def setup(self, estimator, context):
            self.told.append("setup")

        def teardown(self, estimator, context):
            self.told.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.told.append(f"{context.task_name} begins")

        def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
            self.told.append(f"{context.task_name} ends")
            self.scores.append(fitted_estimator.score(X, y, **(metadata or {})))
            return context.task_name == "epoch" and context.task_id + 1 >= self.last

    return Recorder()


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", BOTH)
def test_callbacks_are_told_of_every_epoch(kind, early_stopping, recorder):
    X, weights = IRIS[0], np.linspace(0.5, 2, 150)
    y = IRIS[1] if kind is ForwardGradientClassifier else X @ [1.0, 2.0, 0.0, -1.0]
    options = {"epochs": 4, "tol": 0.0, "early_stopping": early_stopping, "random_state": 0}
    model = kind(**options).set_callbacks(recorder).fit(X, y, sample_weight=weights)
    assert recorder.told == ["setup", "fit begins", *["epoch begins", "epoch ends"] * 4, "fit ends", "teardown"]
    assert recorder.scores[-1] == model.score(X, y, sample_weight=weights)
    assert recorder.scores[0] < recorder.scores[-1]
    without = kind(**options).fit(X, y, sample_weight=weights)
    assert all(
        np.array_equal(a, b) for a, b in zip(tree.leaves(model.model_), tree.leaves(without.model_), strict=True)
    )


def test_a_callback_ends_a_fit(recorder):
    recorder.last = 3
    model = ForwardGradientClassifier(epochs=10).set_callbacks(recorder).fit(*IRIS)
    assert (model.n_iter_, recorder.told[-2:]) == (3, ["fit ends", "teardown"])


def test_scikit_learns_callbacks(capsys):
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn is older than 1.9, which has no callbacks")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = ForwardGradientClassifier(epochs=3, random_state=0).set_callbacks(monitor, callback.ProgressBar())
    model.fit(*IRIS)
    scores = [row["accuracy"] for row in monitor.get_logs().data]
    assert len(scores) == 4
    assert scores[-1] == model.score(*IRIS)
    assert "100%" in capsys.readouterr().out


def test_mistakes_are_named():
    for settings, says in (
        ({"tangents": 0}, "tangents must be from 1"),
        ({"optimizer": "lion"}, "optimizer must be one of"),
        ({"hidden_layer_sizes": (0,)}, "hidden must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=says):
            ForwardGradientClassifier(**settings).fit(*IRIS)
    with pytest.raises(NotFittedError):
        ForwardGradientRegressor().predict(IRIS[0])
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        ForwardGradientClassifier(optimizer="sgd", learning_rate=1e30).fit(*IRIS)
