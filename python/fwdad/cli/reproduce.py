"""fwdad reproduce: runs a paper's experiment, shows its table, writes CSV and figure."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from fwdad.cli.options import verbose
from fwdad.cli.signals import stop_on_signals
from fwdad.experiments import EXPERIMENTS, Experiment, Run, Settings, Summary
from fwdad.perturbation import DEFAULT, NOISES, PERTURBATIONS

PLAIN_WIDTH = 220  # of tables that go to a file or a pipe


def seeds(value: str) -> tuple[int, ...]:
    """Read ``--seeds``: integers and ranges, as in ``0,1,2`` or ``0-4``.

    Examples
    --------
    >>> seeds("0-2,7")
    (0, 1, 2, 7)
    """
    found: list[int] = []
    for word in re.split(r"[\s,]+", value.strip()):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if match is None:
            raise click.BadParameter(f"{value!r} is not a list of seeds such as 0,1,2 or 0-4")
        first, last = int(match[1]), int(match[2] or match[1])
        found.extend(range(first, last + 1))
    if not found or len(set(found)) < len(found):
        raise click.BadParameter(f"{value!r} must name at least one seed, and each once")
    return tuple(found)


@click.command()
@click.argument("name", required=False, type=click.Choice(list(EXPERIMENTS)), metavar="[NAME]")
@click.option("--list", "listing", is_flag=True, help="Show all experiments: what each measures, costs and takes.")
@click.option("--quick", is_flag=True, help="A reduced run that keeps the shape of every curve.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/NAME or NAME-quick]")
@click.option("--seeds", type=seeds, metavar="LIST", help="Independent repetitions, as 0,1,2 or 0-4; default: paper's.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes.  [default: one a core]")
@click.option("--data", help="Data set.  [default: the paper's]")
@click.option("--data-dir", help="Folder of the data set's files; without it $FWDAD_DATA.")
@click.option("--perturb", type=click.Choice(PERTURBATIONS), help=f"What the directions move.  [default: {DEFAULT}]")
@click.option("--noise", type=click.Choice(NOISES), help="Which noise an example has.  [default: batch, the paper's]")
@verbose
@click.pass_context
def reproduce(
    ctx: click.Context, /, name: str | None, listing: bool, out: Path | None, jobs: int | None, **options: Any
) -> None:
    """Run the experiment NAME of a paper: a table, results.csv and figure.png. The same command resumes it."""
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    if listing:
        show_list(console)
        return
    if name is None:
        raise click.UsageError("which experiment? Give its NAME; --list shows all")
    experiment = EXPERIMENTS[name]
    run = Run(experiment, chosen(experiment, options), out or Path("runs") / default_folder(name, options), jobs)
    ready = len(run.cells) - len(run.missing)
    if ready:
        click.echo(f"{ready} of {len(run.cells)} parts are finished in {run.folder} and are not run again.")
    with stop_on_signals(run.stop) as received:
        finished = execute(run, console)
    if not finished:
        again = shlex.join(["fwdad", *sys.argv[1:]])
        click.echo(f"Stopped by {signal.Signals(received[0]).name}; finished parts are kept. To go on:\n  {again}")
        ctx.exit(128 + received[0])
    table = run.table()
    for summary in experiment.summary(table):
        show(console, summary)
    click.echo(f"table   {run.write_table(table)}")
    try:
        click.echo(f"figure  {run.write_figure(table)}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        click.echo("figure  not drawn: matplotlib is missing. Run pip install 'fwdad[plot]', then the same command")


def chosen(experiment: Experiment, options: dict[str, Any]) -> Settings:
    """Return the settings; UsageError for one that the experiment does not have."""
    given = {name: value for name, value in options.items() if value is not None}
    for option in given:
        if option not in ("quick", "seeds", *experiment.takes):
            raise click.UsageError(f"{experiment.name} has no --{option.replace('_', '-')}")
    return Settings(**given)


def default_folder(name: str, options: dict[str, Any]) -> str:
    """Return a name that tells runs with different settings apart.

    Examples
    --------
    >>> default_folder("fc-mnist", {"quick": True, "noise": "example", "seeds": None})
    'fc-mnist-quick-example'
    """
    words = [str(options[key]) for key in ("data", "perturb", "noise") if options.get(key)]
    if options.get("seeds"):
        words.append("seeds-" + "-".join(map(str, options["seeds"])))
    return "-".join([name, *(["quick"] if options["quick"] else []), *words])


def execute(run: Run, console: Console) -> bool:
    """Run with a progress bar on a terminal, or a line for every tenth of the work elsewhere."""
    if not console.is_terminal:
        tenths = -1

        def line(part: float) -> None:
            nonlocal tenths
            if int(10 * part) > tenths:
                tenths = int(10 * part)
                click.echo(f"{10 * tenths}% done")

        return run.execute(line)
    columns = (TextColumn(run.experiment.name), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=1.0)
        return run.execute(lambda part: bar.update(task, completed=part))


def show_list(console: Console) -> None:
    """Print all experiments."""
    for experiment in EXPERIMENTS.values():
        console.print(f"[bold]{experiment.name}[/bold]  ({experiment.source})", highlight=False)
        console.print(f"    {experiment.about}", highlight=False)
        console.print(f"    {experiment.costs}", highlight=False)
        options = ("quick", "seeds", *experiment.takes)
        console.print(f"    takes {', '.join('--' + name.replace('_', '-') for name in options)}", highlight=False)


def show(console: Console, summary: Summary) -> None:
    """Print a table for people."""
    table = Table(title=summary.title, title_justify="left")
    for i, column in enumerate(summary.columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for line in summary.lines:
        table.add_row(*line)
    console.print(table, highlight=False)
    for remark in summary.remarks:
        console.print(remark, highlight=False)
