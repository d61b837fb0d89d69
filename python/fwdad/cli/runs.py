"""fwdad eval, plot, export: what is done with a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from fwdad import __version__, data, nn
from fwdad.cli.options import printable, verbose
from fwdad.export import to_onnx
from fwdad.files import write_atomic
from fwdad.train import WEIGHTS, RunError, load_run
from fwdad.train.evaluation import evaluate, predict
from fwdad.train.plot import plot

folder_argument = click.argument("run", type=click.Path(path_type=Path))
weights_option = click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default="final",
    help="Of the last checkpoint, or of the best epoch.  [default: final]",
)


@click.command("eval")
@folder_argument
@weights_option
@click.option("--data", "name", help="Another data set of the same kind, by name or path.  [default: the run's]")
@click.option("--data-dir", help="Folder of a named data set; without it the run's, or $FWDAD_DATA.")
@verbose
def evaluation(run: Path, weights: str, name: str | None, data_dir: str | None) -> None:
    """Test the model of the run in the folder RUN."""
    saved = load_run(run, weights)
    config = saved.config
    dataset = data.load(name or config.data, data_dir or config.data_dir, config.task, config.target)
    if (dataset.shape, dataset.outputs) != (saved.shape, saved.outputs):
        raise RunError(
            f"the model of {run} takes inputs {saved.shape} to {saved.outputs} outputs, but {dataset.name} has inputs "
            f"{dataset.shape} and needs {dataset.outputs}"
        )
    test = dataset.test
    loss, accuracy = evaluate(saved.model, test)
    click.echo(f"data           {printable(dataset.name)}, {len(test.targets)} test examples\nweights        {weights}")
    click.echo(f"test loss      {loss:.4f}")
    if accuracy is None:
        variance = np.mean(np.var(test.targets, axis=0, dtype=np.float64))
        click.echo(f"test R2        {1 - loss / variance:.4f}")
        return
    click.echo(f"test accuracy  {accuracy:.4f}")
    if saved.outputs > 5:
        click.echo(f"top-5          {nn.top_accuracy(predict(saved.model, test.inputs), test.targets):.4f}")


@click.command("plot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default="curves.png", help="File to write.  [default: curves.png]"
)
@verbose
def curves(runs: tuple[Path, ...], out: Path) -> None:
    """Draw loss and accuracy by epoch of the runs in the folders RUNS. Needs: pip install 'fwdad[plot]'."""
    plot(runs, out)
    click.echo(out)


@click.command()
@folder_argument
@click.option("--onnx", "file", required=True, type=click.Path(path_type=Path), help="File to write.")
@weights_option
@verbose
def export(run: Path, file: Path, weights: str) -> None:
    """Write the model of the run in the folder RUN for other programs. Needs: pip install 'fwdad[onnx]'."""
    saved = load_run(run, weights)
    about: dict[str, Any] = {"fwdad": __version__, "data": saved.config.data, "weights": weights}
    made = to_onnx(saved.model, saved.shape, about)
    write_atomic(file, made.SerializeToString())
    sizes = ", ".join(map(str, saved.shape))
    click.echo(f"{file}: input (batch, {sizes}) float32, normalised; output (batch, {saved.outputs})")
