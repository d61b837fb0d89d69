"""What a configuration stands for: the model, the loss, the optimiser and its schedule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fwdad import nn, optim, tree
from fwdad.dual import Array
from fwdad.train.config import ConfigError, TrainConfig

PLATEAU_PATIENCE, PLATEAU_FACTOR = 5, 0.1
EXPONENTIAL_FALL = 0.01  # over the whole run


def make_model(config: TrainConfig, shape: tuple[int, ...], outputs: int) -> Any:
    """A new model for inputs of `shape`, (C, H, W) or (D,), flattened.

    Raises `ConfigError` for a model that cannot take them.
    """
    if config.model == "mlp":
        return nn.MODELS["mlp"](shape, outputs, seed=config.seed, hidden=config.hidden, activation=config.activation)
    if len(shape) != 3:
        raise ConfigError("model", f"{config.model} is for images; the inputs are {shape}; use mlp")
    try:
        return nn.MODELS[config.model](shape, outputs, seed=config.seed)
    except ValueError as error:
        raise ConfigError("model", f"{config.model} cannot take inputs of shape {shape}: {error}") from error


def learned(model: Any) -> Any:
    """The model as optimisers see it: its parameters, and nothing (None) where it has buffers."""
    return tree.map(lambda leaf: None if tree.is_buffer(leaf) else leaf, model, is_leaf=tree.is_buffer)


def with_learned(model: Any, parameters: Any) -> Any:
    """The model with other parameters, as `learned` gives them, and its own buffers."""
    leaves, structure = tree.flatten(model, tree.is_buffer)
    new = iter(tree.leaves(parameters))
    return tree.unflatten(structure, [leaf if tree.is_buffer(leaf) else next(new) for leaf in leaves])


def losses(outputs: Array, targets: np.ndarray, smoothing: float = 0.0) -> Array:
    """The loss of each example: cross-entropy for class numbers, squared error for values."""
    if targets.dtype.kind == "i":
        return nn.cross_entropy(outputs, targets, smoothing)
    return nn.squared_error(outputs, targets)


def make_schedule(config: TrainConfig, steps: int) -> optim.Schedule:
    """The learning rate of a resolved configuration as a function of the step."""
    lr, warmup = config.lr, config.warmup
    assert lr is not None
    if warmup >= steps:
        raise ConfigError("warmup", f"must be below the {steps} steps of the run, got {warmup}")
    if config.schedule == "cosine":
        return optim.cosine(lr, steps, warmup)
    if config.schedule == "step":
        return optim.step_decay(lr, math.ceil(steps / 3), warmup=warmup)
    if config.schedule == "exponential":
        return optim.exponential(lr, EXPONENTIAL_FALL, every=steps, warmup=warmup)
    if config.schedule == "plateau":
        return optim.Plateau(lr, PLATEAU_PATIENCE, PLATEAU_FACTOR, warmup)
    return optim.constant(lr, warmup)


def make_optimizer(config: TrainConfig, schedule: optim.Schedule) -> optim.Optimizer:
    """The optimiser of a resolved configuration; with `average`, its state has the averaged parameters."""
    if config.optimizer == "sgd":
        optimizer = optim.sgd(schedule, momentum=config.momentum or 0.0, weight_decay=config.weight_decay)
    elif config.optimizer == "rmsprop":
        optimizer = optim.rmsprop(schedule, momentum=config.momentum or 0.0)
    else:
        optimizer = optim.adamw(schedule, weight_decay=config.weight_decay)  # without decay this is adam
    if config.clip is not None:
        optimizer = optim.clipped(optimizer, config.clip)
    return optimizer if config.average is None else optim.averaged(optimizer, config.average)
