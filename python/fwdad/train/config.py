"""All settings of a training run, each with its default, its range and its help: the command line is made from this."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable
from typing import Any

from fwdad import estimators, functions, nn
from fwdad.data import AUGMENTATIONS, NAMES, TASKS
from fwdad.perturbation import PERTURBATIONS
from fwdad.train import defaults

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine", "step", "exponential", "plateau")


class ConfigError(ValueError):
    """A setting that cannot be: `field` names it, `problem` says what is wrong and what would be right."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field, self.problem = field, problem


def setting(
    default: Any,
    kind: type,
    help: str,
    *,
    choices: Iterable[str] = (),
    low: float = -math.inf,
    high: float = math.inf,
    resumable: bool = False,
) -> Any:
    """A field of `TrainConfig`. A tuple holds values of `kind`; a default of None means: derived, or not in use.

    low, high : the range, both ends allowed.
    resumable : whether a resumed run may change it; everything else would change the numbers.
    """
    about = {"kind": kind, "help": help, "choices": tuple(choices), "low": low, "high": high, "resumable": resumable}
    return dataclasses.field(default=default, metadata=about)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; `ConfigError` names the first that is of the wrong type, unknown or out of range.

    >>> TrainConfig(hidden=(32,), tangents=4).batch_size
    64
    """

    data: str = setting("digits", str, f"Data set: {', '.join(NAMES)}, a .csv or .npz file, or a folder of .npy files.")
    data_dir: str | None = setting(None, str, "Folder of a named data set; without it $FWDAD_DATA.", resumable=True)
    task: str = setting("classification", str, "What to predict.", choices=TASKS)
    target: str | None = setting(None, str, "Column of a .csv file to predict; by default the last.")
    augment: str = setting("none", str, "Random changes to the training images.", choices=AUGMENTATIONS)
    model: str = setting("mlp", str, "Network.", choices=nn.MODELS)
    hidden: tuple[int, ...] = setting((128, 128), int, "Widths of the mlp's hidden layers, as in: 256 256.", low=1)
    activation: str = setting("relu", str, "Activation of the mlp's hidden layers.", choices=functions.ACTIVATIONS)
    tangents: int = setting(16, int, "Directions per step, k.", low=1, high=2**16)
    sampler: str = setting("rademacher", str, "Distribution of the directions.", choices=estimators.SAMPLERS)
    combine: str = setting("projection", str, "How k derivatives become a gradient.", choices=estimators.COMBINERS)
    perturb: str = setting("activity", str, "What the directions move.", choices=PERTURBATIONS)
    epochs: int = setting(30, int, "Passes over the training data.", low=1, resumable=True)
    batch_size: int = setting(64, int, "Examples per step.", low=1)
    optimizer: str = setting("adam", str, "Optimiser.", choices=OPTIMIZERS)
    lr: float | None = setting(None, float, "Learning rate; by default what suits optimizer, perturb, combine.", low=0)
    momentum: float | None = setting(
        None, float, f"Momentum; by default {defaults.SGD_MOMENTUM} for sgd, 0 for rmsprop.", low=0
    )
    weight_decay: float = setting(0.0, float, "Weight decay (sgd, adamw).", low=0)
    label_smoothing: float = setting(0.0, float, "Share of the target spread over all classes.", low=0, high=1)
    clip: float | None = setting(None, float, "Largest norm of the gradient estimate; a longer one is scaled.", low=0)
    average: float | None = setting(
        None, float, "Decay of a moving average of the parameters, such as 0.999, that is validated and tested.", low=0
    )
    schedule: str = setting(
        "cosine",
        str,
        "Course of the learning rate. step: divided by 10 after each third. exponential: to a hundredth. "
        "plateau: divided by 10 after 5 epochs without a better validation loss.",
        choices=SCHEDULES,
    )
    warmup: int = setting(0, int, "Steps of linear rise to the learning rate.", low=0)
    seed: int = setting(0, int, "Seed of initial values, data order and directions.", low=0, high=2**64 - 1)
    threads: int | None = setting(
        None, int, "Threads; by default $FWDAD_NUM_THREADS or all cores.", low=1, high=1024, resumable=True
    )
    device: str = setting("cpu", str, 'Where to train: "cpu", "cuda" or "cuda:N".')
    patience: int | None = setting(
        None, int, "Stop after so many epochs in a row without a better validation loss.", low=1, resumable=True
    )
    target_accuracy: float | None = setting(
        None, float, "Stop after the epoch whose validation accuracy reaches this.", low=0, high=1, resumable=True
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        if self.momentum is not None and self.optimizer not in ("sgd", "rmsprop"):
            raise ConfigError("momentum", f"is a setting of sgd and rmsprop, not of {self.optimizer}; leave it out")
        for name in ("momentum", "average"):
            if (value := getattr(self, name)) is not None and value >= 1:
                raise ConfigError(name, f"must be below 1, got {value}")
        if re.fullmatch(r"cpu|cuda(:\d+)?", self.device) is None:
            raise ConfigError("device", f'must be "cpu", "cuda" or "cuda:N", got {self.device!r}')
        if self.clip == 0:
            raise ConfigError("clip", "must be above 0, got 0")
        if self.weight_decay and self.optimizer not in ("sgd", "adamw"):
            raise ConfigError("weight_decay", f"is no setting of {self.optimizer}; use --optimizer adamw")
        if self.model != "mlp":
            for field in (f for f in dataclasses.fields(self) if f.name in ("hidden", "activation")):
                if getattr(self, field.name) != field.default:
                    raise ConfigError(field.name, f"is a setting of the mlp, not of {self.model}; leave it out")
        if self.task == "regression":
            for name in ("label_smoothing", "target_accuracy"):
                if getattr(self, name):
                    raise ConfigError(name, "is for classes, not for a regression; leave it out")

    def resolved(self) -> TrainConfig:
        """This configuration with the derived defaults, learning rate and momentum, filled in."""
        lr, momentum = self.lr, self.momentum
        if lr is None:
            lr = defaults.learning_rate(self.optimizer, self.perturb, self.combine)
        if momentum is None and self.optimizer == "sgd":
            momentum = defaults.SGD_MOMENTUM
        return dataclasses.replace(self, lr=lr, momentum=momentum)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return dataclasses.asdict(self) | {"hidden": list(self.hidden)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainConfig:
        """The inverse of `to_json`; `ConfigError` for a setting that this version does not know."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(name, "is no setting of this version of fwdad")
        hidden = values.get("hidden")
        return cls(**values | ({"hidden": tuple(hidden)} if isinstance(hidden, list) else {}))


def _check(field: dataclasses.Field[Any], value: Any) -> None:
    about = field.metadata
    if value is None and field.default is None:
        return
    several = isinstance(field.default, tuple)
    if several and not (isinstance(value, tuple) and value):
        raise ConfigError(field.name, f"must be a tuple of one or more values, got {value!r}")
    for item in value if several else (value,):
        kinds = (int, float) if about["kind"] is float else about["kind"]
        if not isinstance(item, kinds) or isinstance(item, bool):
            raise ConfigError(field.name, f"must be of type {about['kind'].__name__}, got {item!r}")
        if about["choices"] and item not in about["choices"]:
            raise ConfigError(field.name, f"must be one of {', '.join(about['choices'])}, got {item!r}")
        if about["kind"] is not str and not (math.isfinite(item) and about["low"] <= item <= about["high"]):
            raise ConfigError(field.name, f"must be {_range(about['low'], about['high'])}, got {item}")


def _range(low: float, high: float) -> str:
    return f"at least {low}" if high == math.inf else f"from {low} to {high}"
