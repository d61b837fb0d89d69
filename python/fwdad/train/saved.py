"""The settings and the trained model of a run, read from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from fwdad import schema
from fwdad.errors import RunError
from fwdad.files import read_json
from fwdad.train import checkpoint
from fwdad.train.build import make_model
from fwdad.train.checkpoint import CheckpointError
from fwdad.train.config import ConfigError, TrainConfig
from fwdad.train.folder import BEST, CHECKPOINT, CONFIG
from fwdad.train.header import About, BestHeader, CheckpointHeader

WEIGHTS = ("final", "best")


class Saved(NamedTuple):
    """The model of a run, and what it takes to use it: the shape of one input, the number of outputs, the settings."""

    model: Any
    shape: tuple[int, ...]
    outputs: int
    config: TrainConfig


def load_run(folder: Path, weights: str = "final") -> Saved:
    """Load the trained model of the run in a folder.

    Parameters
    ----------
    weights
        ``"best"``, of the epoch with the lowest validation loss, or ``"final"``, of the last checkpoint.

    Raises
    ------
    RunError
        There is no such folder.
    CheckpointError
        There is no such model, it is damaged, or it holds NaN or infinity.
    ValueError
        `weights` is something else.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be {' or '.join(WEIGHTS)}; got {weights!r}")
    if not folder.is_dir():
        raise RunError(f"there is no run folder {folder}")
    path = folder / (BEST if weights == "best" else CHECKPOINT)
    arrays, state = checkpoint.load(path)
    try:
        about: About = schema.read(BestHeader if weights == "best" else CheckpointHeader, state)
        config = TrainConfig.from_json(about.config)
        model = make_model(config, about.shape, about.outputs)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} holds a model that this version of fwdad cannot make: {error}") from error
    chosen = {name: array for name, array in arrays.items() if name.startswith("model.")}
    if weights == "final":  # of parameters, their average, if there is one
        averages = "optimizer.average."
        chosen |= {f"model.{k.removeprefix(averages)}": a for k, a in arrays.items() if k.startswith(averages)}
    checkpoint.check_finite(chosen, path)
    restored = checkpoint.restore({"model": model}, chosen, path)["model"]
    return Saved(restored, about.shape, about.outputs, config)


def load_model(folder: Path, weights: str = "final") -> Any:
    """Load the trained model of the run in a folder, as `load_run` does: call it on inputs (B, D) for its outputs."""
    return load_run(folder, weights).model


def read_config(folder: Path) -> TrainConfig:
    """Read the settings in a run folder's config.json; `RunError` if it cannot be read."""
    try:
        return TrainConfig.from_json(read_json(folder / CONFIG))
    except ConfigError as error:
        raise RunError(f"{folder / CONFIG}: {error}") from error
