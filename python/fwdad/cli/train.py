"""fwdad train: parses, calls the trainer, prints."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Any

import click

from fwdad.cli.options import TrainCommand, verbose
from fwdad.cli.progress import report
from fwdad.cli.signals import stop_on_signals
from fwdad.train import BEST, CHECKPOINT, METRICS, RunError, TrainConfig, Trainer
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
        f"to resume      {again}"
    )


def _tested(result: dict[str, Any]) -> str:
    loss, accuracy = result["test_loss"], result["test_accuracy"]
    return f"test loss {loss:.4f}" if accuracy is None else f"test accuracy {accuracy:.4f} (loss {loss:.4f})"
