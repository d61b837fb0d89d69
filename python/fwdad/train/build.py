"""What a configuration stands for: the model, the estimator, the schedule and the optimiser."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from fwdad import nn, optim
from fwdad.estimators import COMBINERS, SAMPLERS, ByError, ForwardGradient, Units, cost_of_units
from fwdad.train.config import ConfigError, TrainConfig

MOST_FOR_UNITS = 64.0
"""Forward passes that the directions of all units may cost to be chosen.

At 256 hidden units, 16 random directions cost 16 passes for a cosine^2 to the gradient of less than 0.1."""


def make_model(config: TrainConfig, shape: tuple[int, ...], outputs: int) -> Any:
    """Make a new model for inputs of `shape`, (C, H, W) or (D,), flattened; `ConfigError` if it cannot take them."""
    row = nn.MODELS[config.model]
    if len(shape) != 3 and not row.tables:
        takers = ", ".join(name for name, other in nn.MODELS.items() if other.tables)
        raise ConfigError("model", f"{config.model} is for images; the inputs are {shape}; use {takers}")
    try:
        return row(shape, outputs, seed=config.seed, **{name: getattr(config, name) for name in row.settings})
    except ValueError as error:
        raise ConfigError("model", f"{config.model} cannot take inputs of shape {shape}: {error}") from error


def choose_directions(config: TrainConfig, loss: Callable[..., Any], model: Any, *batch: Any) -> TrainConfig:
    """Return the configuration with units or random directions in place of auto: what costs less for what it gives."""
    if config.directions != "auto":
        return config
    cheap = not config.given_random() and cost_of_units(loss, model, *batch) < MOST_FOR_UNITS
    return dataclasses.replace(config, directions="units" if cheap else "random")


def make_estimator(config: TrainConfig) -> ForwardGradient:
    """Make the estimator of a resolved configuration, before its first step."""
    rows = None if config.rows is None else ByError(config.rows, seed=config.seed)
    if config.directions == "units":
        return ForwardGradient(Units(), rows=rows)
    assert config.sampler is not None
    assert config.combiner is not None
    sampler = SAMPLERS[config.sampler](config.tangents, seed=config.seed)
    return ForwardGradient(sampler, COMBINERS[config.combiner](), config.perturb, rows)


def make_schedule(config: TrainConfig, steps: int) -> optim.Schedule:
    """Make the learning rate of a resolved configuration as a function of the step."""
    assert config.learning_rate is not None
    if config.warmup >= steps:
        raise ConfigError("warmup", f"must be below the {steps} steps of the run, got {config.warmup}")
    return optim.SCHEDULES[config.schedule].make(config.learning_rate, steps, config.warmup)


def make_optimizer(config: TrainConfig, schedule: optim.Schedule) -> optim.Optimizer:
    """Make the optimiser of a resolved configuration; with `average`, its state has the averaged parameters."""
    row = optim.OPTIMIZERS[config.optimizer]
    optimizer = row.make(schedule, **{name: getattr(config, name) for name in row.settings})
    if config.clip is not None:
        optimizer = optim.clipped(optimizer, config.clip)
    return optimizer if config.average is None else optim.averaged(optimizer, config.average)
