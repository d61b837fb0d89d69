"""A program as a user writes it, for mypy --strict and pyright: what is marked is an error, nothing else is."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import fwdad
from fwdad import data, estimators, nn, optim, perturbation
from fwdad.registry import Name
from fwdad.sklearn import ForwardGradientClassifier, ForwardGradientRegressor
from fwdad.train import TrainConfig, Trainer, load_run

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Net(nn.Module):
    first: nn.Linear
    second: nn.Linear

    def __init__(self) -> None:
        self.first = nn.Linear(8, 16, activation="tanh")
        self.second = nn.Linear(16, 2)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        y: np.ndarray = self.second(self.first(x))
        return y


class Signs(estimators.Random):
    def draw(self, parameter: int, shape: tuple[int, ...], dtype: object, step: int) -> np.ndarray:
        signs: np.ndarray = np.random.default_rng((self.seed, step)).choice([-1.0, 1.0], (self.k, *shape))
        return signs


def loss(model: Net, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    losses: np.ndarray = nn.cross_entropy(model(x), y)
    return losses


def square(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = x * x
    return y


def total(x: np.ndarray) -> np.float64:
    return np.float64(np.sum(x))


def main() -> None:
    x, labels = np.ones((4, 8), np.float32), np.arange(4) % 2
    model, optimizer = Net(), optim.adam(1e-2)
    state = optimizer.init(model)
    fg = fwdad.ForwardGradient(Signs(4), estimators.Projection(scope="tensor"), perturb="weight")
    value, gradient = fg(loss, model, x, labels)
    model, state = optimizer.step(gradient, state, model)
    answer, _ = fwdad.jvp(square, (x,), (x,))
    at, map_there = fwdad.linearize(square, x)
    jacobian = fwdad.jacfwd(square)
    mine = Name("mine")  # entered in a registry
    TrainConfig(model=mine, sampler=mine, combiner=mine, optimizer=mine, schedule=mine, perturb=mine)
    Trainer.new(TrainConfig(task="regression", directions="random", epochs=1), Path("run"))
    if TYPE_CHECKING:
        assert_type(value, float)
        assert_type(gradient, Net)
        assert_type(model, Net)
        assert_type(answer, np.ndarray)
        assert_type(at, np.ndarray)
        assert_type(map_there(x), np.ndarray)
        fwdad.linearize(total, x)[1](x[np.newaxis])[0]

    fwdad.ForwardGradient(Signs(4), perturb="weights")  # type: ignore[arg-type]
    fwdad.ForwardGradient("normal")  # type: ignore[arg-type]
    estimators.Projection(scope="tensors")  # type: ignore[arg-type]
    TrainConfig(task="regresion")  # type: ignore[arg-type]
    TrainConfig(augment="flop")  # type: ignore[arg-type]
    TrainConfig(model="convnett")  # type: ignore[arg-type]
    TrainConfig(activation="rellu")  # type: ignore[arg-type]
    TrainConfig(directions="unit")  # type: ignore[arg-type]
    TrainConfig(sampler="gaussian")  # type: ignore[arg-type]
    TrainConfig(combiner="average")  # type: ignore[arg-type]
    TrainConfig(perturb="weights")  # type: ignore[arg-type]
    TrainConfig(optimizer="adamm")  # type: ignore[arg-type]
    TrainConfig(schedule="cosinus")  # type: ignore[arg-type]
    ForwardGradientClassifier(activation="rellu")  # type: ignore[arg-type]
    ForwardGradientRegressor(sampler="gaussian")  # type: ignore[arg-type]
    nn.Linear(8, 2, activation="rellu")  # type: ignore[arg-type]
    nn.MLP((8, 2), activation="rellu")  # type: ignore[arg-type]
    nn.LIF(8, 2, surrogate="slow-sigmoid")  # type: ignore[arg-type]
    perturbation.Activities("batches")  # type: ignore[arg-type]
    estimators.exact_gradient(loss, model, x, labels, perturb="weights")  # type: ignore[arg-type]
    data.load("digits", task="regresion")  # type: ignore[arg-type]
    TrainConfig(epoch=3)  # type: ignore[call-arg]
    load_run("run", "bets")  # type: ignore[arg-type]
    jacobian(x, x)  # type: ignore[call-arg]
