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
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import check_estimator

from fwdad.sklearn import ForwardGradientClassifier, ForwardGradientRegressor

IRIS = scale(load_iris().data), np.array(["setosa", "versicolor", "virginica"])[load_iris().target]
BOTH = [ForwardGradientClassifier, ForwardGradientRegressor]


@pytest.mark.parametrize("kind", BOTH)
def test_scikit_learns_own_checks_pass(kind):
    results = check_estimator(kind(epochs=20), on_fail="raise", on_skip=None)
    passed = [result["check_name"] for result in results if result["status"] == "passed"]
    assert len(passed) >= 45
    assert {"check_estimators_pickle", "check_fit_idempotent", "check_estimators_nan_inf"} <= set(passed)


def test_it_classifies_held_out_flowers():
    model = make_pipeline(StandardScaler(), ForwardGradientClassifier(random_state=0))
    assert cross_val_score(model, load_iris().data, load_iris().target, cv=5).mean() > 0.93


def test_it_predicts_held_out_values_as_well_as_a_linear_model_does():
    X, y = load_diabetes(return_X_y=True)
    model = make_pipeline(StandardScaler(), ForwardGradientRegressor(hidden=(16,), epochs=20, random_state=0))
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
    model = ForwardGradientClassifier(hidden=(8, 4), activation="tanh", perturb="weight", combiner="mean", epochs=2)
    model.set_params(optimizer="sgd", learning_rate=1e-3, tangents=2, sampler="normal").fit(*IRIS)
    assert [layer.weight.shape for layer in model.model_.layers] == [(4, 8), (8, 4), (4, 3)]
    assert model.model_.layers[0].activation == "tanh"
    assert clone(model).get_params() == model.get_params()


def test_a_search_over_settings_runs():
    search = GridSearchCV(ForwardGradientClassifier(epochs=3, random_state=0), {"tangents": [1, 8]}, cv=2)
    assert search.fit(*IRIS).best_params_["tangents"] in (1, 8)


def test_mistakes_are_named():
    for settings, says in (
        ({"tangents": 0}, "tangents must be from 1"),
        ({"optimizer": "lion"}, "optimizer must be one of"),
        ({"hidden": (0,)}, "hidden must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=says):
            ForwardGradientClassifier(**settings).fit(*IRIS)
    with pytest.raises(NotFittedError):
        ForwardGradientRegressor().predict(IRIS[0])
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        ForwardGradientClassifier(optimizer="sgd", learning_rate=1e30).fit(*IRIS)
