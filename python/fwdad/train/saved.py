"""The settings and the trained model of a run, read from its folder."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import numpy as np

from fwdad import data, schema
from fwdad.errors import RunError
from fwdad.files import read_json
from fwdad.train import checkpoint
from fwdad.train.build import make_model, needed
from fwdad.train.checkpoint import Arrays, CheckpointError
from fwdad.train.config import ConfigError, TrainConfig, is_object
from fwdad.train.folder import BEST, CHECKPOINT, CONFIG
from fwdad.train.header import About, BestHeader, CheckpointHeader

Weights = Literal["final", "best"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)
Header = TypeVar("Header", bound=About)


class Saved(NamedTuple):
    """The model of a run, and what it takes to use it.

    Parameters
    ----------
    shape, outputs
        Of one input, and how many numbers the model gives.
    digest
        Of the data that it was trained on.
    facts
        What the run knows of that data; None if it was written by a version that kept nothing, or trained on a data set
        without facts.
    """

    model: Any
    shape: tuple[int, ...]
    outputs: int
    config: TrainConfig
    digest: str
    facts: data.Facts | None


def load_run(folder: str | os.PathLike[str], weights: Weights = "final", model: Any = None) -> Saved:
    """Load the trained model of the run in a folder.

    Parameters
    ----------
    weights
        ``"best"``, of the epoch with the lowest validation loss, or ``"final"``, of the last checkpoint.
    model
        One like the trained one, where the run was given an object; its arrays decide on which device the model is.

    Raises
    ------
    RunError
        There is no such folder, or a model is needed.
    CheckpointError
        There is no such model, it is damaged, or it holds NaN or infinity.
    ValueError
        `weights` is something else.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be {' or '.join(WEIGHTS)}; got {weights!r}")
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"there is no run folder {folder}")
    path = folder / (BEST if weights == "best" else CHECKPOINT)
    kind = BestHeader if weights == "best" else CheckpointHeader
    arrays, about = load_checkpoint(path, kind)
    config = config_of(path, about)
    check_same_run(folder, path, config)
    if isinstance(about, BestHeader) and (folder / CHECKPOINT).exists():
        check_best(path, about, load_checkpoint(folder / CHECKPOINT, CheckpointHeader)[1])
    if model is None and is_object(config.model):
        raise RunError(f"the model of {folder} {needed('model', config.model)}, or load_model(..., model=...)")
    try:
        model = model or make_model(config, about.shape, about.outputs)
    except ValueError as error:
        raise CheckpointError(f"{path} holds a model that this version of fwdad cannot make: {error}") from error
    chosen = {name: array for name, array in arrays.items() if name.startswith("model.")}
    if weights == "final":  # of parameters, their average, if there is one
        averages = "optimizer.average."
        chosen |= {f"model.{k.removeprefix(averages)}": a for k, a in arrays.items() if k.startswith(averages)}
    check_finite(path, chosen)
    restored = checkpoint.restore({"model": model}, chosen, path)["model"]
    if about.facts is not None and (about.facts.input_shape, about.facts.outputs) != (about.shape, about.outputs):
        raise CheckpointError(f"{path} is damaged: what it says of the data does not fit its model; start a new run")
    return Saved(restored, about.shape, about.outputs, config, about.data, about.facts)


def load_model(folder: str | os.PathLike[str], weights: Weights = "final", model: Any = None) -> Any:
    """Load the trained model of the run in a folder, as `load_run` does: call it on inputs (B, D) for its outputs."""
    return load_run(folder, weights, model).model


def load_data(folder: Path, config: TrainConfig, facts: data.Facts | None, digest: str) -> data.Dataset:
    """Load the data of the run in a folder again: from where it was, else from where its settings say, seen from here.

    Raises
    ------
    RunError
        It is no longer what the run was trained on.
    """
    origin = config.data if facts is None or not Path(facts.origin).exists() else facts.origin
    found = data.load(origin, config.data_dir, config.task, config.target)
    known = facts is None or (found.facts is not None and facts.agrees(found.facts))
    if not known or found.digest() != digest:
        raise RunError(f"the run in {folder} was trained on other {config.data} data than there is now; check data_dir")
    return found


def load_checkpoint(path: Path, kind: type[Header]) -> tuple[Arrays, Header]:
    """Read a file's arrays, and its header as one of this kind; `CheckpointError` if that is not what it holds."""
    arrays, state = checkpoint.load(path)
    try:
        return arrays, schema.read(kind, state, partial=True)
    except ValueError as error:
        raise CheckpointError(f"{path} holds a state that this version of fwdad cannot read: {error}") from error


def config_of(path: Path, about: About) -> TrainConfig:
    """Return the settings in a header; `CheckpointError` for those that this version cannot use."""
    try:
        return TrainConfig.from_json(about.config)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} holds settings that this version of fwdad cannot use: {error}") from error


def check_finite(path: Path, arrays: Arrays) -> None:
    """Raise `CheckpointError` for a model that holds NaN or infinity; training ends before it saves one."""
    for name, array in arrays.items():
        if name.startswith("model.") and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckpointError(f"the model in {path} is of no use: {name} holds NaN or infinity; start a new run")


def check_same_run(folder: Path, path: Path, config: TrainConfig) -> None:
    """Raise `CheckpointError` unless the settings of the file at `path` are those of the folder's config.json.

    A run that was killed right after its first checkpoint has no config.json.
    """
    if not (folder / CONFIG).exists():
        return
    written = read_config(folder)
    for field in dataclasses.fields(TrainConfig):
        ours, theirs = getattr(written, field.name), getattr(config, field.name)
        if ours != theirs and not field.metadata["resumable"]:
            raise CheckpointError(f"{path} is of another run: its {field.name} is {theirs}, but {ours} in {CONFIG}")


def check_best(path: Path, best: BestHeader, header: CheckpointHeader) -> None:
    """Raise `CheckpointError` unless best.safetensors is the best model of the checkpoint's run so far.

    After a kill between the two it may already be that of the epoch whose end the checkpoint has not seen.
    """
    next_epoch = len(header.progress.rows) + 1
    if best.digest != header.best and (best.data, best.epoch) != (header.data, next_epoch):
        raise CheckpointError(f"{path} is not the best model of this run: put that one back, or start a new run")


def read_config(folder: Path) -> TrainConfig:
    """Read the settings in a run folder's config.json; `RunError` if it cannot be read."""
    try:
        return TrainConfig.from_json(read_json(folder / CONFIG))
    except ConfigError as error:
        raise RunError(f"{folder / CONFIG}: {error}") from error
