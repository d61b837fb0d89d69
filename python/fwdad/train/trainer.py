"""The trainer: steps, epochs, checkpoints. It never prints; an `Observer` hears what happens."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fwdad
from fwdad import data, estimators, kernels, nn, optim, tree
from fwdad.train import checkpoint
from fwdad.train.checkpoint import CheckpointError
from fwdad.train.config import ConfigError, TrainConfig
from fwdad.train.files import (
    BEST,
    CHECKPOINT,
    CONFIG,
    METRICS,
    RESULT,
    RunError,
    claim,
    first_free,
    read_json,
    write_json,
)  # fmt: skip
from fwdad.train.metrics import EpochMetrics, correct, evaluate, write_metrics
from fwdad.train.observer import Observer
from fwdad.train.parts import learned, losses, make_model, make_optimizer, make_schedule, with_learned
from fwdad.train.saved import load_model, read_config


class TrainingDiverged(ArithmeticError):
    """A loss or a parameter is no longer a finite number; the last checkpoint is from before."""


@dataclasses.dataclass
class Progress:
    """How far a run is: all of its state that is not an array.

    step : steps taken. sampler_step : calls of the estimator, from which its directions follow.
    loss_sum, correct, seen : over the examples of the current epoch so far.
    rows : the metrics of the epochs behind us.
    seconds, step_seconds : time spent so far, in all and in steps alone, over all resumes.
    """

    step: int = 0
    sampler_step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    rows: list[EpochMetrics] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    step_seconds: float = 0.0


class Trainer:
    """Trains a network by forward gradients and keeps a run folder. Made by `Trainer.new` or `Trainer.resume`.

    config, folder : what to do, and where the files go; nothing is written before `run`.
    observers : hear of every step and epoch, in this order.
    checkpoint_seconds : at least this long between checkpoints within an epoch (each epoch's end has its own).
    """

    def __init__(
        self, config: TrainConfig, folder: Path, observers: Sequence[Observer] = (), checkpoint_seconds: float = 30.0
    ) -> None:
        self.config = config = config.resolved()
        self.folder = folder
        self.observers = list(observers)
        self.checkpoint_seconds = checkpoint_seconds
        self.progress = Progress()
        self.data = data.load(config.data, config.data_dir, config.task, config.target)
        examples = len(self.data.train.targets)
        self.batches = data.Batches(examples, config.batch_size, config.seed)
        try:
            self.augment = data.Augmenter(config.augment, examples, self.data.shape, config.seed)
        except ValueError as error:
            raise ConfigError("augment", f"cannot be {config.augment}: {error}") from error
        self.model: Any = make_model(config, self.data.shape, self.data.outputs).to(config.device)
        sampler = estimators.SAMPLERS[config.sampler](config.tangents, seed=config.seed)
        self.estimator = fwdad.ForwardGradient(sampler, estimators.COMBINERS[config.combine](), config.perturb)
        self.schedule = make_schedule(config, self.steps)
        self.optimizer = make_optimizer(config, self.schedule)
        self.optimizer_state = self.optimizer.init(learned(self.model))
        self.batch_loss = float("nan")  # of the step just taken
        self._digest = self.data.digest()
        self._stop = False
        self._began = self._saved_at = time.perf_counter()

    # ---- beginning

    @classmethod
    def new(cls, config: TrainConfig, out: Path | None = None, **options: Any) -> Trainer:
        """A run from the start in the folder ``out``; by default the first free of runs/<data>, runs/<data>-2, ...

        Raises `ConfigError`, `fwdad.data.DataError` or `RunError`, and then has written nothing.
        """
        trainer = cls(config, out or Path(), **options)
        if out is None:
            trainer.folder = first_free(Path("runs") / trainer.data.name)
        claim(trainer.folder)
        return trainer

    @classmethod
    def resume(cls, out: Path, changes: dict[str, Any] | None = None, **options: Any) -> Trainer:
        """The run in the folder ``out``, from its last checkpoint on, bit for bit.

        changes : settings given anew; those that would change the numbers must equal the run's own.
        Raises `ConfigError`, `CheckpointError`, `RunError` or `fwdad.data.DataError`; the folder is then as before.
        """
        if not out.is_dir():
            raise RunError(f"there is no run folder {out} to resume")
        path = out / CHECKPOINT
        arrays, state = checkpoint.load(path)
        try:
            old = TrainConfig.from_json(state["config"])
            progress = Progress(**state["progress"])
            progress.rows = [EpochMetrics(*row) for row in progress.rows]
            digest = state["data"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} holds a state that this version of fwdad cannot read: {error}") from error
        check_same_run(old, out)
        trainer = cls(changed(old, changes or {}), out, **options)
        trainer.progress = progress
        for row in progress.rows:
            trainer._observe_loss(row.validation_loss)
        if digest != trainer._digest:
            raise RunError(f"the run in {out} was trained on other {old.data} data than there is now; check data_dir")
        if trainer.steps < progress.step:
            raise ConfigError("epochs", f"cannot be {trainer.config.epochs}: the run has already gone further")
        trees = checkpoint.restore({"model": trainer.model, "optimizer": trainer.optimizer_state}, arrays, path)
        trainer.model, trainer.optimizer_state = trees["model"], trees["optimizer"]
        trainer.estimator.step = progress.sampler_step
        return trainer

    # ---- running

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.config.epochs * self.batches.steps_per_epoch

    @property
    def trained(self) -> bool:
        """Whether no step is left: all epochs are done, the target is reached, or patience is at its end."""
        if self.progress.step >= self.steps:
            return True
        rows, target, patience = self.progress.rows, self.config.target_accuracy, self.config.patience
        if not rows or self.progress.seen:
            return False
        reached = target is not None and (rows[-1].validation_accuracy or 0.0) >= target
        return reached or (patience is not None and len(rows) - best_row(rows).epoch >= patience)

    @property
    def evaluated(self) -> Any:
        """The model that is validated and tested: with `average`, the one with the averaged parameters."""
        average = self.config.average
        return self.model if average is None else with_learned(self.model, self.optimizer_state["average"])

    @property
    def finished(self) -> bool:
        """Whether the run is trained and result.json is its result."""
        result = self.folder / RESULT
        return self.trained and result.is_file() and read_json(result).get("steps") == self.progress.step

    def stop(self) -> None:
        """Ask `run` to end after the step it is in; may be called from a signal handler."""
        self._stop = True

    def run(self) -> dict[str, Any] | None:
        """Train to the end and return what result.json holds; None if `stop` came first (then a checkpoint was saved).

        Raises `TrainingDiverged` at the first NaN or infinity. Sets the kernels' thread count for the whole process.
        """
        if self.config.threads is not None:
            kernels.set_num_threads(self.config.threads)
        self._began = time.perf_counter() - self.progress.seconds
        write_json(self.folder / CONFIG, self.config.to_json())
        write_metrics(self.folder / METRICS, self.progress.rows)
        self._save()
        result = None
        for observer in self.observers:
            observer.began(self)
        try:
            result = self._run()
        finally:
            for observer in self.observers:
                observer.ended(self, result)
        return result

    def _run(self) -> dict[str, Any] | None:
        # An overflow is reported once, by the checks for finite numbers, and not also as NumPy's warnings.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while not self.trained:
                self._step()
                for observer in self.observers:
                    observer.stepped(self)
                if self.batches.position(self.progress.step)[1] == 0:
                    self._end_epoch()
                elif self._stop or time.perf_counter() - self._saved_at >= self.checkpoint_seconds:
                    self._save()
                if self._stop and not self.trained:
                    return None
            final, best = self.evaluated, load_model(self.folder, "best").to(self.config.device)
            tested = [evaluate(model, self.data.test, self.config.device) for model in (final, best)]
        for loss, _ in tested:
            self._check_finite("test loss", loss)
        self.progress.seconds = time.perf_counter() - self._began
        result = self._result(*tested)
        write_json(self.folder / RESULT, result)
        return result

    def _step(self) -> None:
        start = time.perf_counter()
        progress, train = self.progress, self.data.train
        rows = self.batches.indices(progress.step)
        inputs = self.augment(train.inputs[rows], rows, self.batches.position(progress.step)[0])
        hits = 0

        def loss(model: Any, inputs: Any, targets: Any) -> Any:
            nonlocal hits  # a by-product of the one forward pass
            outputs = model(inputs)
            hits = correct(outputs, targets)
            return losses(outputs, targets, self.config.label_smoothing)

        batch = (kernels.to_device(array, self.config.device) for array in (inputs, train.targets[rows]))
        with nn.training(progress.step, seed=self.config.seed) as run:
            value, gradient = self.estimator(loss, self.model, *batch)
        self._check_finite("loss", value)
        parameters, state = self.optimizer.step(learned(gradient), self.optimizer_state, learned(self.model))
        model = run.updated(with_learned(self.model, parameters))
        # In C order, as a checkpoint gives arrays back: another memory order could mean another order of additions.
        model, state = (tree.map(_c_order, t) for t in (model, state))
        for name, array in tree.named_leaves(model).items():
            self._check_finite(f"parameter {name}", array)
        self.model, self.optimizer_state = model, state
        progress.step += 1
        progress.sampler_step = self.estimator.step
        progress.loss_sum += value * len(rows)
        progress.correct += hits
        progress.seen += len(rows)
        progress.step_seconds += time.perf_counter() - start
        self.batch_loss = value

    def _end_epoch(self) -> None:
        progress = self.progress
        loss, accuracy = evaluate(self.evaluated, self.data.validation, self.config.device)
        self._check_finite("validation loss", loss)
        row = EpochMetrics(
            epoch=progress.step // self.batches.steps_per_epoch,
            step=progress.step,
            learning_rate=self.schedule(progress.step - 1),
            train_loss=progress.loss_sum / progress.seen,
            train_accuracy=None if self.data.classes is None else progress.correct / progress.seen,
            validation_loss=loss,
            validation_accuracy=accuracy,
        )
        progress.rows.append(row)
        progress.loss_sum, progress.correct, progress.seen = 0.0, 0, 0
        self._observe_loss(loss)
        # The best model first: after a kill between the two, the epoch's end is done again, to the same files.
        if best_row(progress.rows) is row:
            checkpoint.save(self.folder / BEST, {"model": self.evaluated}, self._about() | {"epoch": row.epoch})
        self._save()
        write_metrics(self.folder / METRICS, progress.rows)
        for observer in self.observers:
            observer.epoch_ended(self, row)

    def _observe_loss(self, validation_loss: float) -> None:
        if isinstance(self.schedule, optim.Plateau):
            self.schedule.observe(validation_loss)

    def _check_finite(self, what: str, value: Any) -> None:
        if not np.all(np.isfinite(value)):
            shown = f"{value}" if isinstance(value, float) else "not finite"
            raise TrainingDiverged(
                f"{what} is {shown} at step {self.progress.step}: start a new run with a lower --lr "
                f"(it was {self.config.lr}) or a --warmup; the last checkpoint in {self.folder} is from before"
            )

    def _save(self) -> None:
        self.progress.seconds = time.perf_counter() - self._began
        state = self._about() | {"data": self._digest, "progress": dataclasses.asdict(self.progress)}
        checkpoint.save(self.folder / CHECKPOINT, {"model": self.model, "optimizer": self.optimizer_state}, state)
        self._saved_at = time.perf_counter()

    def _about(self) -> dict[str, Any]:
        """What it takes to make the model again."""
        about = {"fwdad": fwdad.__version__, "config": self.config.to_json()}
        return about | {"shape": list(self.data.shape), "outputs": self.data.outputs}

    def _result(self, final: tuple[float, float | None], best: tuple[float, float | None]) -> dict[str, Any]:
        progress, row = self.progress, best_row(self.progress.rows)
        accuracies = [row.validation_accuracy for row in progress.rows if row.validation_accuracy is not None]
        return {
            "test_accuracy": final[1],
            "test_loss": final[0],
            "best_validation_accuracy": max(accuracies, default=None),
            "best": {
                "epoch": row.epoch,
                "validation_loss": row.validation_loss,
                "test_accuracy": best[1],
                "test_loss": best[0],
            },
            "epochs": len(progress.rows),
            "steps": progress.step,
            "parameters": self.model.parameters,
            "seconds": progress.seconds,
            "seconds_per_step": progress.step_seconds / progress.step,
            "threads": kernels.get_num_threads(),
            "isa": kernels.info()["isa"],
            "versions": {
                "fwdad": fwdad.__version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
        }


def _c_order(array: Any) -> Any:
    if kernels.is_device_array(array):
        return array if array.flags.c_contiguous else array.copy(order="C")
    return np.asarray(array, order="C")


def best_row(rows: Sequence[EpochMetrics]) -> EpochMetrics:
    """The first of the epochs with the lowest validation loss."""
    return min(rows, key=lambda row: row.validation_loss)


def changed(old: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    """The configuration of a resumed run; `ConfigError` where a change would make it another run."""
    for field in dataclasses.fields(TrainConfig):
        name, value = field.name, getattr(old, field.name)
        if name not in changes or changes[name] == value:
            continue
        if not field.metadata["resumable"]:
            problem = f"is {value} in the run to resume, not {changes[name]}; leave it out, or start a new run"
            raise ConfigError(name, problem)
        if name == "epochs" and old.schedule not in ("constant", "plateau"):
            problem = f"cannot change on resume: the {old.schedule} schedule was laid out for {value}; start a new run"
            raise ConfigError(name, problem)
    return dataclasses.replace(old, **changes)


def check_same_run(saved: TrainConfig, folder: Path) -> None:
    """`CheckpointError` unless the checkpoint's configuration is that of the folder's config.json."""
    written = read_config(folder)
    for field in dataclasses.fields(TrainConfig):
        ours, theirs = getattr(written, field.name), getattr(saved, field.name)
        if ours != theirs and not field.metadata["resumable"]:
            raise CheckpointError(
                f"{folder / CHECKPOINT} is of another run: its {field.name} is {theirs}, but {ours} in {CONFIG}"
            )
