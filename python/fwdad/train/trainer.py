"""The trainer: steps, epochs, checkpoints. It never prints; an `Observer` hears what happens."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fwdad.data
from fwdad import kernels, schema, tree
from fwdad.data import Augmenter, Batches, Dataset, from_arrays
from fwdad.errors import RunError, RunWarning
from fwdad.estimators import Combiner, Sampler
from fwdad.files import clear_leftovers, lock, read_json, write_json
from fwdad.optim import SCHEDULES, Optimizer
from fwdad.train import checkpoint
from fwdad.train.build import (
    check_model,
    choose_directions,
    make_estimator,
    make_model,
    make_optimizer,
    make_schedule,
    names_of,
    objects_of,
    with_objects,
)
from fwdad.train.checkpoint import CheckpointError
from fwdad.train.config import ConfigError, TrainConfig, is_object
from fwdad.train.evaluation import beside, correct, evaluate, losses
from fwdad.train.folder import BEST, CHECKPOINT, CONFIG, METRICS, RESULT, claim, is_free, make_first_free
from fwdad.train.header import BestHeader, BestResult, CheckpointHeader, Result
from fwdad.train.metrics import EpochMetrics, write_metrics
from fwdad.train.observer import Observer
from fwdad.train.progress import Progress
from fwdad.train.saved import (
    check_best,
    check_finite,
    check_same_run,
    config_of,
    load_checkpoint,
    load_data,
    load_model,
)
from fwdad.train.step import Learner


class TrainingDiverged(ArithmeticError):
    """A loss or a parameter is no longer a finite number; the last checkpoint is from before."""


class CountedLoss:
    """The loss of each example; of the last call with `examples` it counts the right ones, a by-product of the pass."""

    def __init__(self, smoothing: float) -> None:
        self.smoothing, self.examples, self.correct = smoothing, 0, 0

    def __call__(self, model: Any, inputs: Any, targets: Any) -> Any:
        """Return the losses, (B,)."""
        outputs = model(inputs)
        if len(targets) == self.examples:  # else some rows only, drawn by their errors
            self.correct = correct(outputs, targets)
        return losses(outputs, targets, self.smoothing)


class Trainer:
    """Trains a network by forward gradients and keeps a run folder. `Trainer.new` and `Trainer.resume` make one.

    Parameters
    ----------
    config
        What to do.
    folder
        Where the files go; nothing is written before `run`.
    dataset
        The data, if it is loaded already.
    observers
        Hear of every step and epoch, in this order.
    checkpoint_seconds
        At least this long between checkpoints within an epoch; each epoch's end has its own.
    data, model, sampler, combiner, optimizer
        Objects in place of what the settings of the same names say. Arrays (inputs, targets) are split and standardised
        as a file's are. A model takes inputs (B, D) float32; an optimiser has its own learning rate. The configuration
        names the objects' classes; `resume` needs objects like them, since no file holds them.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from fwdad import estimators, nn
    >>> x = np.random.default_rng(0).standard_normal((100, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parts = {"data": (x, np.where(x[:, 0] > 0, 1, 0)), "model": nn.MLP((2, 2)), "sampler": estimators.Normal(8)}
    ...     trainer = Trainer.new(TrainConfig(epochs=2), Path(folder, "run"), **parts)
    ...     trainer.run()["steps"], trainer.config.sampler
    (4, '<fwdad.estimators.samplers.Normal>')
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        observers: Sequence[Observer] = (),
        checkpoint_seconds: float = 30.0,
        *,
        data: Dataset | tuple[Any, Any] | None = None,
        model: Any = None,
        sampler: Sampler | None = None,
        combiner: Combiner | None = None,
        optimizer: Optimizer | None = None,
    ) -> None:
        if config.data_dir is not None:
            config = dataclasses.replace(config, data_dir=os.path.abspath(config.data_dir))
        if isinstance(data, tuple):
            data = from_arrays(*data, task=config.task)
        self.folder = folder
        self.observers = list(observers)
        self.checkpoint_seconds = checkpoint_seconds
        self.progress = Progress()
        self.data = data or fwdad.data.load(config.data, config.data_dir, config.task, config.target)
        examples = len(self.data.train.targets)
        self.batches = Batches(examples, config.batch_size, seed=config.seed)
        try:
            self.augment = Augmenter(config.augment, examples, self.data.shape, seed=config.seed)
        except ValueError as error:
            raise ConfigError("augment", f"cannot be {config.augment}: {error}") from error
        model = model or make_model(config, self.data.shape, self.data.outputs)
        if hasattr(model, "fitted"):  # as `fwdad.nn.models.ForwardForward` has: to the range of the inputs
            model = model.fitted(self.data.train.inputs)
        model = tree.map(lambda leaf: kernels.to_device(leaf, config.device), model)
        self.loss = CountedLoss(config.label_smoothing)
        few = beside(model, *(array[:2] for array in self.data.train))
        if is_object(config.model):
            check_model(model, few[0], self.data.outputs)
        self.config = config = choose_directions(config, self.loss, model, *few).resolved()
        self.schedule = make_schedule(config, self.steps)
        optimizer = make_optimizer(config, self.schedule, optimizer)
        self.estimator = make_estimator(config, sampler, combiner)
        self.learner = Learner(model, self.loss, self.estimator, optimizer, seed=config.seed)
        self.batch_loss = float("nan")  # that the step just taken began from
        self._digest = self.data.digest()
        self._best: str | None = None  # the digest of best.safetensors
        self._lock: Any = None  # of the folder, from `new` or `resume` to the end of `run`
        self._stop = False
        self._began = self._saved_at = time.perf_counter()

    # ---- beginning

    @classmethod
    def new(cls, config: TrainConfig, out: str | os.PathLike[str] | None = None, **options: Any) -> Trainer:
        """Prepare a run in the folder `out`; by default the first free of runs/<data>, runs/<data>-2, ...

        Raises
        ------
        ConfigError, fwdad.data.DataError, RunError
            The settings, the data or the folder cannot be used; nothing was written.
        """
        objects = objects_of(options)
        trainer = cls(with_objects(config, objects), Path(out or ""), **(options | objects))
        if not out:
            trainer.folder = make_first_free(Path("runs") / trainer.data.name)
        trainer._lock = claim(trainer.folder)
        return trainer

    @classmethod
    def resume(cls, out: str | os.PathLike[str], changes: dict[str, Any] | None = None, **options: Any) -> Trainer:
        """Prepare to continue the run in the folder `out` from its last checkpoint, bit for bit.

        Warns with `RunWarning` where another machine or version of NumPy may change the last bits.

        Parameters
        ----------
        changes
            Settings given anew; those that would change the numbers must equal the run's own.
        options
            As of a `Trainer`, with an object like each that the run was begun with.

        Raises
        ------
        ConfigError, CheckpointError, RunError, fwdad.data.DataError
            The run cannot be continued, or another process is at it; the folder is as it was.
        """
        out = Path(out)
        if not out.is_dir():
            raise RunError(f"there is no run folder {out} to resume")
        taken = lock(out)
        try:
            trainer = cls._resumed(out, changes or {}, **options)
        except BaseException:
            taken.release()
            raise
        trainer._lock = taken
        return trainer

    @classmethod
    def _resumed(cls, out: Path, changes: dict[str, Any], **options: Any) -> Trainer:
        path = out / CHECKPOINT
        if not path.exists() and is_free(out):
            raise CheckpointError(f"there is no checkpoint {path}: start the run again in {out}, without --resume")
        arrays, header = load_checkpoint(path, CheckpointHeader)
        check_finite(path, arrays)
        old = config_of(path, header)
        check_same_run(out, path, old)
        if header.progress.rows:
            best = load_checkpoint(out / BEST, BestHeader)[1]
            check_same_run(out, out / BEST, config_of(out / BEST, best))
            check_best(out / BEST, best, header)
        objects = objects_of(options)
        config = with_objects(changed(old, changes | names_of(objects)), objects)
        if "data" not in objects:
            options["data"] = load_data(out, config, header.facts, header.data)
        trainer = cls(config, out, **(options | objects))
        if trainer._digest != header.data:
            raise RunError(f"the run in {out} was trained on other data than was given to it now")
        progress = trainer.progress = header.progress
        trainer._best = header.best
        for row in progress.rows:
            trainer._observe_loss(row.validation_loss)
        if trainer.steps < progress.step:
            raise ConfigError("epochs", f"cannot be {trainer.config.epochs}: the run has already gone further")
        learner = trainer.learner
        known = {name.removeprefix("sampler."): arrays.pop(name) for name in [*arrays] if name.startswith("sampler.")}
        trainer.estimator.restore(known)
        trees = checkpoint.restore({"model": learner.model, "optimizer": learner.state}, arrays, path)
        learner.model, learner.state = trees["model"], trees["optimizer"]
        trainer.estimator.step = progress.step
        warn_of_other_bits(header, out)
        return trainer

    # ---- running

    @property
    def model(self) -> Any:
        """The model as it is now."""
        return self.learner.model

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
        return reached or (patience is not None and len(rows) - self.progress.best.epoch >= patience)

    @property
    def evaluated(self) -> Any:
        """The model that is validated and tested: with `average`, the one with the averaged parameters."""
        average = self.config.average
        return self.model if average is None else tree.with_learned(self.model, self.learner.state["average"])

    @property
    def finished(self) -> bool:
        """Whether the run is trained and result.json is its result."""
        path = self.folder / RESULT
        if not self.trained or not path.is_file():
            return False
        try:
            return schema.read(Result, read_json(path)).steps == self.progress.step
        except ValueError as error:
            raise RunError(f"{path} is damaged ({error}); remove it, and --resume writes it again") from error

    def stop(self) -> None:
        """Ask `run` to end after the step it is in; may be called from a signal handler."""
        self._stop = True

    def run(self) -> dict[str, Any] | None:
        """Train to the end and return what result.json holds; None if `stop` came first and a checkpoint was saved.

        Sets the kernels' thread count for the whole process.

        Raises
        ------
        TrainingDiverged
            A loss or a parameter became NaN or infinite.
        """
        if self.config.threads is not None:
            kernels.set_num_threads(self.config.threads)
        self._lock = self._lock or lock(self.folder)
        try:
            return self._observed_run()
        finally:
            self._lock.release()
            self._lock = None

    def _observed_run(self) -> dict[str, Any] | None:
        self._began = time.perf_counter() - self.progress.seconds
        clear_leftovers(self.folder)
        self._save()  # first: a folder without a checkpoint holds no run
        write_json(self.folder / CONFIG, self.config.to_json())
        write_metrics(self.folder / METRICS, self.progress.rows)
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
        final, best = self.evaluated, load_model(self.folder, "best", model=self.model)
        tested = [evaluate(model, self.data.test) for model in (final, best)]
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
        self.loss.examples = len(rows)
        loss, _ = self.learner.step(progress.step, inputs, train.targets[rows])
        self._check_finite("loss", loss)
        for name, array in tree.named_leaves(self.model).items():
            self._check_finite(f"parameter {name}", array)
        progress.step += 1
        progress.loss_sum += loss * len(rows)
        progress.correct += self.loss.correct
        progress.seen += len(rows)
        progress.step_seconds += time.perf_counter() - start
        self.batch_loss = loss

    def _end_epoch(self) -> None:
        progress = self.progress
        loss, accuracy = evaluate(self.evaluated, self.data.validation)
        self._check_finite("validation loss", loss)
        row = EpochMetrics(
            epoch=progress.step // self.batches.steps_per_epoch,
            step=progress.step,
            learning_rate=None if self.schedule is None else self.schedule(progress.step - 1),
            train_loss=progress.loss_sum / progress.seen,
            train_accuracy=None if self.data.classes is None else progress.correct / progress.seen,
            validation_loss=loss,
            validation_accuracy=accuracy,
        )
        progress.rows.append(row)
        progress.loss_sum, progress.correct, progress.seen = 0.0, 0, 0
        self._observe_loss(loss)
        # The best model first: after a kill between the two, the epoch's end is done again, to the same files.
        if progress.best is row:
            about = self._about() | {"epoch": row.epoch}
            self._best = checkpoint.save(self.folder / BEST, {"model": self.evaluated}, about)
        self._save()
        write_metrics(self.folder / METRICS, progress.rows)
        for observer in self.observers:
            observer.epoch_ended(self, row)

    def _observe_loss(self, validation_loss: float) -> None:
        if self.schedule is not None and hasattr(self.schedule, "observe"):  # as `fwdad.optim.Plateau` has
            self.schedule.observe(validation_loss)

    def _check_finite(self, what: str, value: Any) -> None:
        if not np.all(np.isfinite(value)):
            shown = f"{value}" if isinstance(value, float) else "not finite"
            raise TrainingDiverged(
                f"{what} is {shown} at step {self.progress.step}: start a new run with a lower --learning-rate (it was "
                f"{self.config.learning_rate}) or a --warmup; the last checkpoint in {self.folder} is from before"
            )

    def _save(self) -> None:
        self.progress.seconds = time.perf_counter() - self._began
        state = self._about() | {"progress": dataclasses.asdict(self.progress), "best": self._best, **_bits_depend_on()}
        trees = {"model": self.model, "optimizer": self.learner.state, "sampler": self.estimator.state()}
        checkpoint.save(self.folder / CHECKPOINT, trees, state)
        self._saved_at = time.perf_counter()

    def _about(self) -> dict[str, Any]:
        """Return what it takes to make the model again, and what is known of the data."""
        facts = self.data.facts
        return {
            "fwdad": fwdad.__version__,
            "config": self.config.to_json(),
            "data": self._digest,
            "facts": None if facts is None else dataclasses.asdict(facts),
            "shape": list(self.data.shape),
            "outputs": self.data.outputs,
        }

    def _result(self, final: tuple[float, float | None], best: tuple[float, float | None]) -> dict[str, Any]:
        progress, row = self.progress, self.progress.best
        accuracies = [row.validation_accuracy for row in progress.rows if row.validation_accuracy is not None]
        result = Result(
            test_accuracy=final[1],
            test_loss=final[0],
            best_validation_accuracy=max(accuracies, default=None),
            best=BestResult(row.epoch, row.validation_loss, best[1], best[0]),
            epochs=len(progress.rows),
            steps=progress.step,
            parameters=self.model.parameters,
            seconds=progress.seconds,
            seconds_per_step=progress.step_seconds / progress.step,
            threads=kernels.get_num_threads(),
            isa=kernels.info()["isa"],
            versions={"fwdad": fwdad.__version__, "python": platform.python_version(), "numpy": np.__version__},
        )
        return dataclasses.asdict(result)


def changed(old: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    """Return the configuration of a resumed run; `ConfigError` where a change would make it another run."""
    for field in dataclasses.fields(TrainConfig):
        name, value = field.name, getattr(old, field.name)
        if name not in changes or changes[name] == value or (name, changes[name]) == ("directions", "auto"):
            continue
        if not field.metadata["resumable"]:
            problem = f"is {value} in the run to resume, not {changes[name]}; leave it out, or start a new run"
            raise ConfigError(name, problem)
        if name == "epochs" and SCHEDULES[old.schedule].spans_run:
            problem = f"cannot change on resume: the {old.schedule} schedule was laid out for {value}; start a new run"
            raise ConfigError(name, problem)
    return dataclasses.replace(old, **changes)


def _bits_depend_on() -> dict[str, str]:
    return {"isa": kernels.info()["isa"], "numpy": np.__version__}


def warn_of_other_bits(header: CheckpointHeader, folder: Path) -> None:
    """Warn where the run goes on with another instruction set, or another major version of NumPy."""
    here = _bits_depend_on()
    for what, was, now in (
        ("the instruction set", header.isa, here["isa"]),
        ("NumPy", header.numpy.split(".")[0], here["numpy"].split(".")[0]),
    ):
        if was != now:
            message = f"the run in {folder} was on {what} {was} and goes on with {now}: its last bits may differ"
            warnings.warn(message, RunWarning, stacklevel=4)
