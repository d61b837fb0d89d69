"""All settings of a training run, each with its default, range and help; the command line is made from them."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

from fwdad import estimators, functions, nn, optim
from fwdad.data import AUGMENTATIONS, NAMES, TASKS, Augmentation, Task
from fwdad.perturbation import DEFAULT, PERTURBATIONS, PerturbationName
from fwdad.registry import Name

Directions = Literal["auto", "units", "classes", "random"]
DIRECTIONS = get_args(Directions)
RANDOM: dict[str, Any] = {"tangents": 16, "sampler": "rademacher", "combiner": "projection"}
"""The settings of random directions, and what they are where none is given."""

LARGEST: dict[type, float] = {int: 2**64 - 1, float: sys.float_info.max}
"""The largest values of settings without a smaller bound."""

ROWS: dict[str, Mapping[str, Any]] = {"model": nn.MODELS, "optimizer": optim.OPTIMIZERS}
"""The registries whose rows say, by `settings`, which settings of a run they take."""


OBJECTS = ("data", "model", "sampler", "combiner", "optimizer")
"""The settings in whose place a `Trainer` takes an object."""


class ConfigError(ValueError):
    """A setting cannot be as it is: `field` names it, `problem` says what is wrong and what would be right."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field, self.problem = field, problem


def name_of_object(given: object) -> str:
    """Return what a setting says in whose place an object was given: its class, as in ``<mine.Net>``."""
    return f"<{type(given).__module__}.{type(given).__qualname__}>"


def is_object(value: Any) -> bool:
    """Whether a setting says that an object was given in its place."""
    return isinstance(value, str) and value.startswith("<") and value.endswith(">")


def setting(
    default: Any,
    kind: type,
    help: str,
    *,
    choices: Collection[str] = (),
    of: str | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    resumable: bool = False,
) -> Any:
    """Make a field of `TrainConfig`.

    Parameters
    ----------
    default
        None if it is derived, or not in use. If it is a tuple, the setting holds one or more values of `kind`.
    choices
        The names to choose from: a registry itself, so that what a user adds to it counts.
    of
        The setting, a key of `ROWS`, whose choice decides whether this one can be given.
    low, high
        The range, both ends allowed.
    resumable
        Whether a resumed run may change it; everything else would change the numbers.
    """
    about = {"kind": kind, "help": help, "choices": choices, "of": of, "low": low, "high": high, "resumable": resumable}
    return dataclasses.field(default=default, metadata=about)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; the fields and their help are those of ``fwdad train --help``.

    Raises
    ------
    ConfigError
        A setting is of the wrong type, unknown, out of range, or not one of the chosen model or optimiser.

    Examples
    --------
    >>> TrainConfig(hidden=(32,), tangents=4).batch_size
    64
    """

    data: str = setting(
        "digits",
        str,
        f"Data set: {', '.join(NAMES)}, a .csv, .tsv, .parquet or .npz file, or a folder of images or .npy files.",
    )
    data_dir: str | None = setting(None, str, "Folder of a named data set; without it $FWDAD_DATA.", resumable=True)
    task: Task = setting("classification", str, "What to predict.", choices=TASKS)
    target: str | None = setting(None, str, "Column of a table to predict; by default the last.")
    augment: Augmentation = setting("none", str, "Random changes to the training images.", choices=AUGMENTATIONS)
    model: nn.ModelName | Name = setting("mlp", str, "Network.", choices=nn.MODELS)
    hidden: tuple[int, ...] = setting((128, 128), int, "Widths of hidden layers, as in: 256 256.", of="model", low=1)
    activation: functions.ActivationName = setting(
        "relu", str, "Activation of hidden layers.", choices=functions.ACTIVATIONS, of="model"
    )
    beta: float = setting(0.99, float, "Leak of spiking units.", of="model", low=0, high=1)
    theta: float = setting(1.5, float, "Threshold of spiking units.", of="model", low=0)
    directions: Directions = setting(
        "auto",
        str,
        "units: every unit, so that the gradient is exact. classes: one an output in early layers, every unit in the "
        "last three. random: as tangents, sampler and combiner say. auto: random where one of these is given, else "
        "what costs least for what it gives.",
        choices=DIRECTIONS,
    )
    rows: float | None = setting(
        None,
        float,
        "Share of a batch's examples, drawn by their errors, that are pushed; by default all.",
        low=0,
        high=1,
    )
    tangents: int | None = setting(
        None, int, f"Random directions per step, k; by default {RANDOM['tangents']}.", low=1, high=2**16
    )
    sampler: estimators.SamplerName | Name | None = setting(
        None, str, f"Distribution of random directions; by default {RANDOM['sampler']}.", choices=estimators.SAMPLERS
    )
    combiner: estimators.CombinerName | Name | None = setting(
        None,
        str,
        f"How their derivatives become a gradient; by default {RANDOM['combiner']}.",
        choices=estimators.COMBINERS,
    )
    perturb: PerturbationName | Name = setting(DEFAULT, str, "What the directions move.", choices=PERTURBATIONS)
    epochs: int = setting(30, int, "Passes over the training data.", low=1, resumable=True)
    batch_size: int = setting(64, int, "Examples per step.", low=1)
    optimizer: optim.OptimizerName | Name | None = setting(
        None, str, "Optimiser; by default sgd for classes, but adam along random directions.", choices=optim.OPTIMIZERS
    )
    learning_rate: float | None = setting(
        None, float, "Learning rate; by default what suits optimizer, perturb and combiner.", low=0
    )
    momentum: float | None = setting(None, float, "Momentum; by default what suits optimizer.", of="optimizer", low=0)
    weight_decay: float = setting(0.0, float, "Weight decay.", of="optimizer", low=0)
    label_smoothing: float = setting(0.0, float, "Share of the target spread over all classes.", low=0, high=1)
    clip: float | None = setting(None, float, "Largest norm of the gradient estimate; a longer one is scaled.", low=0)
    average: float | None = setting(
        None, float, "Decay of a moving average of the parameters, such as 0.999, that is validated and tested.", low=0
    )
    schedule: optim.ScheduleName | Name = setting(
        "cosine",
        str,
        "Course of the learning rate. step: divided by 10 after each third. exponential: to a hundredth. "
        "plateau: divided by 10 after 5 epochs without a better validation loss.",
        choices=optim.SCHEDULES,
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
        """Check every setting, then those that depend on others."""
        fields = dataclasses.fields(self)
        for field in fields:
            _check(field, getattr(self, field.name))
        for field in fields:
            of = field.metadata["of"]
            chosen = getattr(self, of) if of else None
            if chosen is not None and getattr(self, field.name) != field.default and chosen not in takers(field):
                problem = f"is a setting of {' and '.join(takers(field))}, not of {chosen}; leave it out"
                raise ConfigError(field.name, problem)
        if is_object(self.sampler) and self.tangents is not None:
            raise ConfigError("tangents", "is a setting of named samplers, and a sampler was given; leave it out")
        if is_object(self.optimizer):
            for name in ("learning_rate", "warmup"):
                if getattr(self, name):
                    raise ConfigError(
                        name, "is a setting of named optimisers, and an optimiser was given; leave it out"
                    )
        for name in ("momentum", "average"):
            if (value := getattr(self, name)) is not None and value >= 1:
                raise ConfigError(name, f"must be below 1, got {value}")
        if re.fullmatch(r"cpu|cuda(:\d+)?", self.device) is None:
            raise ConfigError("device", f'must be "cpu", "cuda" or "cuda:N", got {self.device!r}')
        if self.directions in estimators.STRUCTURED and (given := self.given_random()):
            problem = f"is a setting of random directions, and directions are {self.directions}; leave it out"
            raise ConfigError(given[0], problem)
        for name in ("rows", "clip", "theta"):
            if getattr(self, name) == 0:
                raise ConfigError(name, "must be above 0, got 0")
        if self.local:
            self._check_local()
        if self.task == "regression":
            for name in ("label_smoothing", "target_accuracy"):
                if getattr(self, name):
                    raise ConfigError(name, "is for classes, not for a regression; leave it out")

    def _check_local(self) -> None:
        if self.task == "regression":
            raise ConfigError("task", f"cannot be regression: {self.model} shows its layers a class")
        for name in (*self.given_random(), "rows", "label_smoothing", "directions"):
            if getattr(self, name) not in (None, 0.0, "auto", "units"):
                problem = f"is of no use to {self.model}, whose layers have objectives of their own; leave it out"
                raise ConfigError(name, problem)

    @property
    def local(self) -> bool:
        """Whether each layer of the model has an objective of its own."""
        return self.model in nn.MODELS and nn.MODELS[self.model].local

    def given_random(self) -> list[str]:
        """Return the settings of random directions that were given."""
        return [name for name in RANDOM if getattr(self, name) is not None] + ["perturb"] * (self.perturb != DEFAULT)

    def resolved(self) -> TrainConfig:
        """Return this configuration with the defaults that depend on the optimiser and the directions filled in."""
        if self.directions not in estimators.STRUCTURED:
            derived = {name: value for name, value in RANDOM.items() if getattr(self, name) is None}
            if is_object(self.sampler):
                del derived["tangents"]  # it has its own
            self = dataclasses.replace(self, **derived)
        if self.optimizer is None:
            structured = self.directions in estimators.STRUCTURED and not self.local
            steady = self.task == "classification" and structured
            self = dataclasses.replace(self, optimizer="sgd" if steady else "adam")
        assert self.optimizer is not None
        if is_object(self.optimizer):
            return dataclasses.replace(self, schedule="constant")  # it has its own
        row = optim.OPTIMIZERS[self.optimizer]
        rate = self.learning_rate
        if rate is None:
            rate = row.learning_rate(self.perturb, self.combiner or "units")
        if rate is None:
            problem = f"has no default for {self.optimizer} with perturb {self.perturb} and combiner {self.combiner}"
            raise ConfigError("learning_rate", f"{problem}; give one")
        derived = {name: value for name, value in row.settings.items() if getattr(self, name) is None}
        return dataclasses.replace(self, learning_rate=rate, **derived)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return dataclasses.asdict(self) | {"hidden": list(self.hidden)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainConfig:
        """Invert `to_json`; `ConfigError` for a setting that this version does not know."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(name, "is no setting of this version of fwdad")
        hidden = values.get("hidden")
        return cls(**values | ({"hidden": tuple(hidden)} if isinstance(hidden, list) else {}))


def takers(field: dataclasses.Field[Any]) -> list[str]:
    """Return the models, or optimisers, that take a setting."""
    return [name for name, row in ROWS[field.metadata["of"]].items() if field.name in row.settings]


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
        if about["choices"] and item not in about["choices"] and not (field.name in OBJECTS and is_object(item)):
            raise ConfigError(field.name, f"must be one of {', '.join(about['choices'])}, got {item!r}")
        if about["kind"] is not str and not about["low"] <= item <= min(about["high"], LARGEST[about["kind"]]):
            shown = item if abs(item) < 2**64 else f"{item:.3g}" if isinstance(item, float) else "a larger number"
            raise ConfigError(field.name, f"must be {_range(about['low'], about['high'])}, got {shown}")


def _range(low: float, high: float) -> str:
    return f"at least {low}" if high == math.inf else f"from {low} to {high}"
