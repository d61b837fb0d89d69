import dataclasses
import itertools
import json

import pytest

from fwdad import optim
from fwdad.estimators import COMBINERS
from fwdad.perturbation import PERTURBATIONS
from fwdad.train import ConfigError, TrainConfig
from fwdad.train.build import make_schedule

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data", 3), ("data", None),
        ("task", "ranking"), ("augment", "blur"), ("model", "rnn"),
        ("data_dir", 3), ("hidden", ()), ("hidden", (16, 0)), ("hidden", 16),
        ("hidden", (16.0,)), ("activation", "step"), ("tangents", 0), ("tangents", -1), ("tangents", 2**16 + 1),
        ("tangents", 1.5), ("tangents", True), ("sampler", "cauchy"), ("combiner", "median"), ("perturb", "loss"),
        ("epochs", 0), ("batch_size", 0), ("optimizer", "lion"), ("learning_rate", -0.1),
        ("learning_rate", NAN), ("learning_rate", INF), ("learning_rate", "big"),
        ("momentum", -0.1), ("weight_decay", -1.0), ("weight_decay", NAN), ("schedule", "cubic"), ("warmup", -1),
        ("label_smoothing", 1.5), ("clip", 0.0), ("clip", -1.0), ("average", 1.0), ("patience", 0),
        ("seed", -1), ("seed", 2**64), ("threads", 0), ("target_accuracy", 1.5), ("target_accuracy", NAN),
    ],
)  # fmt: skip
def test_a_bad_value_is_named(field, value):
    with pytest.raises(ConfigError, match=f"^{field} must be") as error:
        TrainConfig(**{field: value})
    assert error.value.field == field


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"optimizer": "adam", "momentum": 0.5}, "momentum"),
        ({"optimizer": "sgd", "momentum": 1.0}, "momentum"),
        ({"optimizer": "adam", "weight_decay": 0.1}, "weight_decay"),
        ({"optimizer": "rmsprop", "weight_decay": 0.1}, "weight_decay"),
        ({"model": "lenet5", "hidden": (16,)}, "hidden"),
        ({"model": "lenet5", "activation": "tanh"}, "activation"),
        ({"task": "regression", "label_smoothing": 0.1}, "label_smoothing"),
        ({"task": "regression", "target_accuracy": 0.9}, "target_accuracy"),
    ],
)
def test_a_setting_of_another_optimiser_is_refused_not_ignored(settings, field):
    with pytest.raises(ConfigError, match=f"^{field} "):
        TrainConfig(**settings)


@pytest.mark.parametrize("method", list(itertools.product(optim.OPTIMIZERS, PERTURBATIONS, COMBINERS)))
def test_every_method_has_a_learning_rate(method):
    settings = dict(zip(("optimizer", "perturb", "combiner"), method, strict=True))
    config = TrainConfig(**settings).resolved()
    assert config.learning_rate > 0
    assert config.momentum == {"sgd": 0.9, "rmsprop": 0.0}.get(settings["optimizer"])
    assert TrainConfig(**settings, learning_rate=0.25).resolved().learning_rate == 0.25


@pytest.mark.parametrize(
    ("directions", "task", "optimizer"),
    [("units", "classification", "sgd"), ("units", "regression", "adam"), ("random", "classification", "adam")],
)
def test_the_optimiser_follows_the_directions_and_the_task(directions, task, optimizer):
    config = TrainConfig(directions=directions, task=task).resolved()
    assert (config.optimizer, config.momentum) == (optimizer, 0.9 if optimizer == "sgd" else None)
    assert TrainConfig(directions=directions, task=task, optimizer="rmsprop").resolved().optimizer == "rmsprop"
    given = TrainConfig(directions=directions, task=task, momentum=0.5)
    if optimizer == "adam":
        with pytest.raises(ConfigError, match=r"^momentum is a setting of rmsprop and sgd, not of adam"):
            given.resolved()


def test_json_and_back():
    config = TrainConfig(
        hidden=(3, 4), optimizer="sgd", learning_rate=0.1, momentum=0.3, target_accuracy=0.5, data_dir="x"
    )
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_setting_of_another_version_is_refused():
    with pytest.raises(ConfigError, match="dropout is no setting"):
        TrainConfig.from_json({"dropout": 0.5})


def test_every_setting_has_help():
    assert all(field.metadata["help"].endswith(".") for field in dataclasses.fields(TrainConfig))


@pytest.mark.parametrize("schedule", optim.SCHEDULES)
def test_schedules_begin_at_the_learning_rate_and_warm_up(schedule):
    steps, rate = 30, 0.5
    plain = make_schedule(TrainConfig(schedule=schedule, learning_rate=rate), steps)
    assert plain(0) == rate
    ends = {"cosine": 0.0, "linear": 0.0, "step": rate / 1000, "exponential": rate / 100}
    assert plain(steps) == pytest.approx(ends.get(schedule, rate))
    warm = make_schedule(TrainConfig(schedule=schedule, learning_rate=rate, warmup=10), steps)
    assert warm(0) == pytest.approx(rate / 10)
    with pytest.raises(ConfigError, match=r"^warmup must be below the 30 steps"):
        make_schedule(TrainConfig(schedule=schedule, learning_rate=rate, warmup=30), steps)
