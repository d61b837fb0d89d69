"""What a configuration stands for: the model, the estimator, the schedule and the optimiser."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from fwdad import nn, optim
from fwdad.estimators import (
    COMBINERS,
    SAMPLERS,
    STRUCTURED,
    ByError,
    ForwardGradient,
    Local,
    SiluGap,
    best_directions,
)
from fwdad.estimators.combiners import Combiner
from fwdad.estimators.samplers import Sampler
from fwdad.perturbation import perturbation_of
from fwdad.train.config import OBJECTS, ConfigError, TrainConfig, is_object, name_of_object

Part = TypeVar("Part")


def objects_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the objects among a trainer's arguments, with the combiner that a sampler asks for."""
    objects = {name: options[name] for name in OBJECTS if options.get(name) is not None}
    if "sampler" in objects and "combiner" not in objects and (combiner := objects["sampler"].default_combiner()):
        objects["combiner"] = combiner
    return objects


def names_of(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return what settings say in whose place there are objects."""
    return {name: name_of_object(given) for name, given in objects.items()}


def with_objects(config: TrainConfig, objects: Mapping[str, Any]) -> TrainConfig:
    """Return the configuration that names each object's class in its setting's place.

    Raises
    ------
    ConfigError
        A setting is given beside the object, or says that there was an object, and none is given.
    """
    for field in dataclasses.fields(config):
        value, given = getattr(config, field.name), objects.get(field.name)
        if given is not None and value not in (field.default, name_of_object(given)):
            problem = f"is {value}, and an object of {name_of_object(given)} was given for it; leave one of them out"
            raise ConfigError(field.name, problem)
        if given is None and field.name in OBJECTS and is_object(value):
            raise ConfigError(field.name, needed(field.name, value))
    return dataclasses.replace(config, **names_of(objects))


def needed(name: str, value: str) -> str:
    """Say that an object of this class is needed to use a run, and how to give it."""
    return f"is an object of {value}, which no file holds: give one like it, as in Trainer.resume(..., {name}=...)"


def make_model(config: TrainConfig, shape: tuple[int, ...], outputs: int) -> Any:
    """Make a new model for inputs of `shape`, which come flattened; `ConfigError` if it cannot take them."""
    if is_object(config.model):
        raise ConfigError("model", needed("model", config.model))
    row = nn.MODELS[config.model]
    if len(shape) != 3 and not row.tables:
        takers = ", ".join(name for name, other in nn.MODELS.items() if other.tables)
        raise ConfigError("model", f"{config.model} is for images; the inputs are {shape}; use {takers}")
    try:
        return row(shape, outputs, seed=config.seed, **{name: getattr(config, name) for name in row.settings})
    except ValueError as error:
        raise ConfigError("model", f"{config.model} cannot take inputs of shape {shape}: {error}") from error


def check_model(model: Any, inputs: Any, outputs: int) -> None:
    """Try a model on a few inputs (B, D); `ConfigError` unless it gives (B, outputs)."""
    try:
        shape = np.shape(model(inputs))
    except Exception as error:
        raise ConfigError("model", f"cannot take inputs {inputs.dtype} {inputs.shape}: {error}") from error
    if shape != (len(inputs), outputs):
        problem = f"gives outputs {shape} for inputs {inputs.shape}; needed are {(len(inputs), outputs)}"
        raise ConfigError("model", problem)


def choose_directions(config: TrainConfig, loss: Callable[..., Any], model: Any, *batch: Any) -> TrainConfig:
    """Return the configuration with units, classes or random in place of auto: what costs least for what it gives."""
    if config.local:
        return dataclasses.replace(config, directions="units")
    if config.directions != "auto":
        return config
    directions = "random" if config.given_random() else best_directions(loss, model, *batch)
    return dataclasses.replace(config, directions=directions)


def make_estimator(
    config: TrainConfig, sampler: Sampler | None = None, combiner: Combiner | None = None
) -> ForwardGradient | Local:
    """Make the estimator of a resolved configuration, before its first step; of objects where they are given."""
    if config.local:
        return Local(SiluGap(), seed=config.seed)
    rows = None if config.rows is None else ByError(config.rows, seed=config.seed)
    if config.directions in STRUCTURED:
        return ForwardGradient(STRUCTURED[config.directions](), rows=rows)
    assert config.sampler is not None
    assert config.combiner is not None
    if sampler is None:
        make = SAMPLERS[config.sampler]
        sampler = _called("sampler", config.sampler, make, config.tangents, seed=config.seed)
    if combiner is None:
        combiner = _called("combiner", config.combiner, COMBINERS[config.combiner])
    return ForwardGradient(sampler, combiner, perturbation_of(config.perturb), rows)


def _called(setting: str, name: str, make: Callable[..., Part], *args: Any, **options: Any) -> Part:
    """Make what has a name in a registry."""
    try:
        return make(*args, **options)
    except TypeError as error:
        words = ", ".join([*map(repr, args), *(f"{key}={value!r}" for key, value in options.items())])
        raise ConfigError(setting, f"{name} cannot be made: it is called with ({words}), and says: {error}") from error


def make_schedule(config: TrainConfig, steps: int) -> optim.Schedule | None:
    """Make the learning rate of a resolved configuration as a function of the step; None if an optimiser is given."""
    if is_object(config.optimizer):
        return None
    assert config.learning_rate is not None
    if config.warmup >= steps:
        raise ConfigError("warmup", f"must be below the {steps} steps of the run, got {config.warmup}")
    return optim.SCHEDULES[config.schedule].make(config.learning_rate, steps, config.warmup)


def make_optimizer(
    config: TrainConfig, schedule: optim.Schedule | None, given: optim.Optimizer | None = None
) -> optim.Optimizer:
    """Make the optimiser of a resolved configuration, or of a given one; with `average`, its state has the average."""
    if given is None:
        assert config.optimizer is not None
        row = optim.OPTIMIZERS[config.optimizer]
        optimizer = row.make(schedule, **{name: getattr(config, name) for name in row.settings})
    else:
        optimizer = given
    if config.clip is not None:
        optimizer = optim.clipped(optimizer, config.clip)
    return optimizer if config.average is None else optim.averaged(optimizer, config.average)
