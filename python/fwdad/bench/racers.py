"""Who races to an accuracy: fwdad, PyTorch and JAX train one network, from the same weights, on the same batches.

Each takes a step at a time, by SGD with momentum, with the code that one would write in that library. `Run` counts the
processor's seconds of the steps alone: reading, compiling and testing are not counted.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fwdad
from fwdad import data, estimators, nn, optim
from fwdad.bench import peers
from fwdad.train import Learner
from fwdad.train.evaluation import correct, losses, predict

BATCH = 64


class Setting(NamedTuple):
    """What is tuned: learning rate, momentum, the name of a schedule and the steps that it spans."""

    rate: float
    momentum: float
    schedule: str
    steps: int

    @property
    def course(self) -> optim.Schedule:
        """The learning rate by step."""
        return optim.SCHEDULES[self.schedule].make(self.rate, self.steps, 0)

    def __str__(self) -> str:
        """Return it in words."""
        return f"rate {self.rate:.3g}, momentum {self.momentum:g}, {self.schedule} over {self.steps} steps"


class Racer(NamedTuple):
    """A network in training.

    Attributes
    ----------
    step : function
        ``step(number, x, y)``: one step on a batch.
    outputs : function
        From inputs to the network's outputs, as an array of NumPy's.
    """

    step: Callable[[int, Any, Any], object]
    outputs: Callable[[Any], np.ndarray]


def by_units(share: float | None, model: Any, setting: Setting) -> Racer:
    """Train along every unit's direction, on all rows or on a share of them."""
    rows = None if share is None else estimators.ByError(share)
    return _ours(
        model, fwdad.ForwardGradient(estimators.Units(), rows=rows), optim.sgd(setting.course, setting.momentum)
    )


def by_random_directions(model: Any, setting: Setting) -> Racer:
    """Train as `fwdad train` did by default before it took units: 16 random directions an example, projection, Adam."""
    estimator = fwdad.ForwardGradient(estimators.Rademacher(16), estimators.Projection())
    return _ours(model, estimator, optim.adam(setting.course))


def _ours(model: Any, estimator: fwdad.ForwardGradient, optimizer: optim.Optimizer) -> Racer:
    learner = Learner(model, lambda m, x, y: losses(m(x), y), estimator, optimizer)
    return Racer(learner.step, lambda x: predict(learner.model, x))


def layers_of(model: Any) -> list[Any]:
    """Return the layers of a network of linear layers, or of convolutions and a linear one."""
    return list(model.layers) if hasattr(model, "layers") else [*model.convs, model.fc]


def by_torch(model: Any, setting: Setting) -> Racer:
    """Train by autograd and `torch.optim.SGD`, which moves all parameters by few kernels (foreach)."""
    torch = peers.torch()
    modules: list[Any] = []
    for layer in layers_of(model):
        if layer.weight.ndim == 4:
            window, weight = layer.window, layer.weight.transpose(3, 2, 0, 1)
            module = torch.nn.Conv2d(*weight.shape[1::-1], window.kernel, window.stride, window.padding)
        else:
            weight = layer.weight.T
            modules += [torch.nn.Flatten()]
            module = torch.nn.Linear(*layer.weight.shape)
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
            module.bias.copy_(torch.from_numpy(layer.bias))
        modules += [module, torch.nn.ReLU()]
    network, course = torch.nn.Sequential(*modules[:-1]), setting.course
    shape = getattr(model, "shape", (-1,))
    optimizer = torch.optim.SGD(network.parameters(), setting.rate, momentum=setting.momentum, foreach=True)

    def outputs(x: np.ndarray) -> Any:
        return network(torch.from_numpy(x).view(-1, *shape) if len(shape) == 3 else torch.from_numpy(x))

    def step(number: int, x: np.ndarray, y: np.ndarray) -> None:
        optimizer.param_groups[0]["lr"] = course(number)
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(outputs(x), torch.from_numpy(y)).backward()
        optimizer.step()

    def tested(x: np.ndarray) -> Any:
        with torch.no_grad():
            return predict(lambda part: outputs(part).numpy(), x)

    return Racer(step, tested)


@functools.cache
def _in_jax(shape: tuple[int, ...], strides: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return a compiled step and the compiled network: (H, W, C) in memory, which is what its convolutions like."""
    jax = peers.jax()

    def network(parameters: Any, x: Any) -> Any:
        for number, ((weight, bias), stride) in enumerate(zip(parameters, strides, strict=True)):
            x = jax.nn.relu(x) if number else x
            if stride:
                x = x.reshape(-1, *shape[1:], shape[0]) if number == 0 else x
                kinds = ("NHWC", "HWIO", "NHWC")
                x = jax.lax.conv_general_dilated(x, weight, stride[0], stride[1], dimension_numbers=kinds) + bias
            else:
                x = (x.transpose(0, 3, 1, 2).reshape(len(x), -1) if x.ndim == 4 else x) @ weight + bias
        return x

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return -jax.numpy.mean(jax.nn.log_softmax(network(parameters, x))[jax.numpy.arange(len(y)), y])

    def step(parameters: Any, velocity: Any, x: Any, y: Any, rate: Any, momentum: Any) -> Any:
        velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, jax.grad(loss)(parameters, x, y))
        return jax.tree.map(lambda p, v: p - rate * v, parameters, velocity), velocity

    return jax.jit(step, donate_argnums=(0, 1)), jax.jit(network)


def by_jax(model: Any, setting: Setting) -> Racer:
    """Train by reverse mode: gradient, momentum and update in one compiled function that reuses their memory."""
    jax, layers, course = peers.jax(), layers_of(model), setting.course
    strides = tuple(
        (layer.window.stride, tuple((p, p) for p in layer.window.padding)) if layer.weight.ndim == 4 else ()
        for layer in layers
    )
    compiled, network = _in_jax(getattr(model, "shape", ()), strides)
    parameters = [(jax.numpy.array(layer.weight), jax.numpy.array(layer.bias)) for layer in layers]
    state = [parameters, jax.tree.map(jax.numpy.zeros_like, parameters)]

    def step(number: int, x: np.ndarray, y: np.ndarray) -> None:
        state[:] = jax.block_until_ready(compiled(*state, x, y, course(number), setting.momentum))

    return Racer(step, lambda x: predict(lambda part: np.asarray(network(state[0], part)), x))


class Problem(NamedTuple):
    """A data set and a network for it.

    Attributes
    ----------
    data, model : str
        Names of the data set and of a model in `nn.MODELS`.
    settings : dict
        Of the model.
    share : float
        The share of a batch that is pushed where rows are drawn.
    targets : dict
        From test accuracies to reach, easiest first, to about the steps that it takes: where a search looks.
    most : int
        The steps after which a run is given up.
    """

    data: str
    model: str
    settings: dict[str, Any]
    share: float
    targets: dict[float, int]
    most: int


PROBLEMS = {
    problem.data: problem
    for problem in (
        Problem("digits", "mlp", {"hidden": (64,), "activation": "relu"}, 0.25, {0.9: 60}, 400),
        Problem(
            "mnist", "mlp", {"hidden": (256, 256), "activation": "relu"}, 0.25, {0.95: 250, 0.97: 900, 0.98: 3600}, 6000
        ),
        Problem("fashion-mnist", "convnet", {}, 0.375, {0.9: 6000}, 12000),
    )
}

RACERS: dict[str, Callable[[Problem, Any, Setting], Racer]] = {
    "fwdad": lambda problem, *how: by_units(None, *how),
    "fwdad-rows": lambda problem, *how: by_units(problem.share, *how),
    "fwdad-random": lambda problem, *how: by_random_directions(*how),
    "torch-backprop": lambda problem, *how: by_torch(*how),
    "jax-backprop": lambda problem, *how: by_jax(*how),
}
"""Competitors by name, fwdad's first."""


class Run:
    """One competitor's run.

    Parameters
    ----------
    who, problem : str
        Keys of `RACERS` and `PROBLEMS`.
    setting : list
        A `Setting`.
    seed : int
        Of the first weights and of the batches' order.
    part : {"test", "validation"}
        On what it is tested.
    """

    def __init__(self, who: str, problem: str, setting: list[Any], seed: int, part: str) -> None:
        about = PROBLEMS[problem]
        self.data = loaded(about.data)
        self.part = getattr(self.data, part)
        self.batches = data.Batches(len(self.data.train.targets) // BATCH * BATCH, BATCH, seed=seed)
        self.number = 0

        def racer() -> Racer:
            model = nn.MODELS[about.model](self.data.shape, self.data.outputs, seed=seed, **about.settings)
            return RACERS[who](about, model, Setting(*setting))

        self.racer = racer()
        self.advance(3)  # whatever is compiled or checked once
        self.racer, self.number = racer(), 0

    def advance(self, steps: int) -> tuple[float, float]:
        """Take steps; return the processor's seconds that they took, and the accuracy."""
        seconds = 0.0
        for number in range(self.number, self.number + steps):
            rows = self.batches.indices(number)
            x, y = self.data.train.inputs[rows], self.data.train.targets[rows]
            start = time.process_time()
            self.racer.step(number, x, y)
            seconds += time.process_time() - start
        self.number += steps
        inputs, targets = self.part
        return seconds, correct(self.racer.outputs(inputs), targets) / len(targets)


@functools.cache
def loaded(name: str) -> data.Dataset:
    """Return a data set, from $FWDAD_DATA."""
    return data.load(name)
