"""fwdad eval, predict, plot, export: what is done with a finished run."""

from __future__ import annotations

import csv
import dataclasses
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fwdad import __version__, data, functions, nn
from fwdad.cli.options import printable, verbose
from fwdad.cli.progress import short
from fwdad.export import to_onnx
from fwdad.files import write_atomic, write_json
from fwdad.train import WEIGHTS, RunError, Weights, load_run
from fwdad.train.evaluation import correct, losses, predict
from fwdad.train.plot import plot, plot_report
from fwdad.train.report import as_text, report
from fwdad.train.saved import Saved, load_data

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
@click.option("--data", "name", help="Another file of the same kind, or a named data set.  [default: the run's own]")
@click.option("--data-dir", help="Folder of a named data set; without it the run's, or $FWDAD_DATA.")
@click.option("--report", "detailed", is_flag=True, help="Print the figures of each class; needs fwdad[sklearn].")
@click.option("--plot", "figure", metavar="FILE", type=click.Path(path_type=Path), help="Draw the report.")
@click.option("--json", "json_", metavar="FILE", type=click.Path(path_type=Path), help="Write all figures.")
@verbose
def evaluation(
    run: Path,
    weights: Weights,
    name: str | None,
    data_dir: str | None,
    detailed: bool,
    figure: Path | None,
    json_: Path | None,
) -> None:
    """Test the model of the run in the folder RUN, on its own test part or on all of another file.

    Another file is read as the run's own data was: with the statistics of its training part, columns and classes by
    their names.
    """
    saved = load_run(run, weights)
    if name is None:
        config = dataclasses.replace(saved.config, data_dir=data_dir or saved.config.data_dir)
        own = load_data(run, config, saved.facts, saved.digest)
        examples = data.Known(own.test.inputs, own.test.targets, (), f"{own.name}, its test part")
    else:
        examples = data.load_known(name, facts_of(run, saved), data_dir or saved.config.data_dir)
        if str(Path(name).resolve()) == facts_of(run, saved).origin:
            warnings.warn(
                f"{name} holds the examples that the run has learnt from, too", data.DataWarning, stacklevel=1
            )
    assert examples.targets is not None
    outputs = outputs_of(saved, examples)
    tested = figures(outputs, examples.targets)
    words = {"data": f"{examples.about}, {len(outputs)} examples", "weights": weights}
    found = {}
    if detailed or figure or json_:
        found = report(outputs, examples.targets, facts_of(run, saved))
    if json_ is not None:
        write_json(json_, words | {name.replace(" ", "_"): value for name, value in tested.items()} | found)
    if figure is not None:
        plot_report(found, facts_of(run, saved), outputs, examples.targets, figure)
    for label, text in (words | {name: short(value) for name, value in tested.items()}).items():
        click.echo(f"{label:<15}{printable(text)}")
    if detailed:
        click.echo("\n" + "\n".join(map(printable, as_text(found).splitlines())))


def facts_of(run: Path, saved: Saved) -> data.Facts:
    """Return what a run knows of its data; `RunError` if that is nothing."""
    if saved.facts is None:
        raise RunError(
            f"the run in {run} keeps nothing of its data, no statistics, columns or classes: an older fwdad wrote it, "
            "or its data had none; train it again, or use fwdad eval without --data"
        )
    return saved.facts


def outputs_of(saved: Saved, examples: data.Known) -> NDArray[Any]:
    """Return what the model gives for each example; `RunError` where that is no number."""
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = predict(saved.model, examples.inputs)
    wild = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
    if wild.size:
        raise RunError(
            f"{examples.about}: the model gives NaN or infinity for example {wild[0]}, whose values are far from those "
            "that it has learnt from"
        )
    return outputs


def figures(outputs: NDArray[Any], targets: NDArray[Any]) -> dict[str, float]:
    """Return the figures of a test: loss, and accuracy or R2; an example of an unknown class has no loss."""
    known = targets >= 0 if targets.ndim == 1 else np.ones(len(targets), bool)
    found = {"test loss": float(np.mean(losses(outputs[known].astype(np.float64), targets[known])))}
    if targets.ndim == 2:
        variance = float(np.mean(np.var(targets, axis=0, dtype=np.float64)))
        return found | ({"test R2": 1 - found["test loss"] / variance} if variance else {})
    found["test accuracy"] = correct(outputs, targets) / len(targets)
    if outputs.shape[1] > 5:
        found["top-5"] = nn.top_accuracy(outputs, targets)
    return found


@click.command("predict")
@folder_argument
@click.argument("file")
@weights_option
@click.option("--data-dir", help="Folder of a named data set; without it the run's, or $FWDAD_DATA.")
@click.option("--proba", is_flag=True, help="Add the probability of each class.")
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="File to write.  [default: standard output]"
)
@verbose
def prediction(run: Path, file: str, weights: Weights, data_dir: str | None, proba: bool, out: Path | None) -> None:
    """Predict the class or the values of each example in FILE, as CSV.

    FILE is of the kind that the run in the folder RUN has learnt from, and is read as that was; it needs no targets.
    """
    saved = load_run(run, weights)
    facts = facts_of(run, saved)
    if proba and facts.classes is None:
        raise RunError(f"the run in {run} is a regression; it predicts values, which have no probabilities")
    examples = data.load_known(file, facts, data_dir or saved.config.data_dir, targets=False)
    outputs = outputs_of(saved, examples)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(predictions(outputs, facts, examples.files, proba))
    if out is None:
        click.echo("\n".join(map(printable, text.getvalue().splitlines())))
    else:
        write_atomic(out, text.getvalue().encode())
        click.echo(f"{out}: {len(outputs)} predictions")


def predictions(outputs: NDArray[Any], facts: data.Facts, files: Sequence[str], proba: bool) -> Iterator[list[str]]:
    """Yield the header, and a line for each example: its file, if it has one, class or values, and probabilities."""
    if facts.classes is None:
        names = ["prediction"] if facts.outputs == 1 else [f"prediction_{i}" for i in range(facts.outputs)]
        cells = [[f"{value:.9g}" for value in row] for row in facts.in_units(outputs).tolist()]
    else:
        names = ["prediction", *(facts.classes if proba else ())]
        cells = [[facts.classes[best]] for best in np.argmax(outputs, axis=1)]
        if proba:
            shares = functions.softmax(outputs.astype(np.float64)).tolist()
            cells = [[*cell, *(f"{value:.9g}" for value in row)] for cell, row in zip(cells, shares, strict=True)]
    yield ["file", *names] if files else names
    yield from ([name, *cell] for name, cell in zip(files, cells, strict=True)) if files else cells


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
def export(run: Path, file: Path, weights: Weights) -> None:
    """Write the model of the run in the folder RUN for other programs. Needs: pip install 'fwdad[onnx]'."""
    saved = load_run(run, weights)
    facts = saved.facts
    made = to_onnx(
        saved.model, saved.shape, {"fwdad": __version__, "data": saved.config.data, "weights": weights}, facts
    )
    write_atomic(file, made.SerializeToString())
    if facts is None:
        sizes = ", ".join(map(str, saved.shape))
        click.echo(
            f"{file}: input (batch, {sizes}) float32, normalised as in training (the run keeps nothing of its "
            f"data); output (batch, {saved.outputs})"
        )
        return
    if any(column.words for column in facts.columns):
        taken = f"an input (batch, 1) for each column: {', '.join(column.name for column in facts.columns)}"
    else:
        taken = f"input (batch, {', '.join(map(str, facts.shape))}) {facts.dtype}, as in the data's files"
    what = "values" if facts.classes is None else f"probabilities of {', '.join(facts.classes)}"
    click.echo(printable(f"{file}: {taken}; output (batch, {facts.outputs}), {what}"))
