"""fwdad train: parses, calls the trainer, prints."""

from __future__ import annotations

import math
import shlex
import signal
import warnings
from pathlib import Path
from typing import Any

import click

from fwdad.cli.options import TrainCommand, verbose
from fwdad.cli.progress import report, short
from fwdad.cli.signals import stop_on_signals
from fwdad.train import BEST, CHECKPOINT, METRICS, RunError, RunWarning, TrainConfig, Trainer
from fwdad.train.tensorboard import TensorBoard


@click.command(cls=TrainCommand)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder, new or empty.  [default: runs/DATA, -2, ...]")
@click.option("--resume", is_flag=True, help="Continue the run in --out, with its own settings, bit for bit.")
@click.option("--tensorboard", is_flag=True, help="Write event files too; needs fwdad[tensorboard].")
@verbose
@click.pass_context
def train(ctx: click.Context, /, out: Path | None, resume: bool, tensorboard: bool, **options: Any) -> None:
    """Train a network by forward gradients: no backward pass."""
    given = {name: value for name, value in options.items() if value is not None}
    observers = [report(), *([TensorBoard()] if tensorboard else [])]
    if not resume:
        trainer = Trainer.new(TrainConfig(**given), out, observers=observers)
    elif out is None:
        raise RunError("--resume needs the folder of the run to continue: add --out FOLDER")
    else:
        trainer = Trainer.resume(out, given, observers=observers)
    again = f"fwdad train --resume --out {shlex.quote(str(trainer.folder))}"
    if trainer.finished:
        click.echo(f"The run in {trainer.folder} is finished: {trainer.progress.step} steps. Nothing to do.")
        return
    with stop_on_signals(trainer.stop) as received:
        result = trainer.run()
    if result is None:
        name = signal.Signals(received[0]).name
        click.echo(f"Stopped by {name} after step {trainer.progress.step}; checkpoint saved. To resume:\n  {again}")
        ctx.exit(128 + received[0])
    best = result["best"]
    click.echo(
        f"at the end     {_tested(result)}\n"
        f"best epoch     {_tested(best)}, epoch {best['epoch']} by validation loss\n"
        f"time per step  {1e3 * result['seconds_per_step']:.3f} ms  "
        f"({result['steps']} steps, {result['seconds']:.1f} s)\n"
        f"metrics        {trainer.folder / METRICS}\n"
        f"checkpoint     {trainer.folder / CHECKPOINT}\n"
        f"best model     {trainer.folder / BEST}\n"
        f"to use it      fwdad predict {shlex.quote(str(trainer.folder))} FILE"
    )
    warn_of_nothing_learnt(trainer)


def warn_of_nothing_learnt(trainer: Trainer) -> None:
    """Warn if the training loss is over twice that of who knows nothing: equal probabilities, or the values' mean."""
    classes, loss = trainer.data.classes, trainer.progress.rows[-1].train_loss
    guessed, guess = (1.0, "the mean") if classes is None else (math.log(classes), "equal probabilities")
    if loss > 2 * guessed:
        rate = trainer.config.learning_rate
        message = (
            f"the training loss, {short(loss)}, is far above that of {guess}, {short(guessed)}: nothing was learnt"
        )
        warnings.warn(f"{message}; start a new run with a --learning-rate below {rate}", RunWarning, stacklevel=1)


def _tested(result: dict[str, Any]) -> str:
    loss, accuracy = result["test_loss"], result["test_accuracy"]
    return f"test loss {short(loss)}" if accuracy is None else f"test accuracy {accuracy:.4f} (loss {short(loss)})"
