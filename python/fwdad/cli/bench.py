"""fwdad bench: parses, measures, prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from fwdad import bench as measuring
from fwdad import kernels
from fwdad.bench import BenchError, Peaks, Record, plans, plots, races, records, tables, target
from fwdad.bench.frontier import frontier
from fwdad.bench.processes import QUICK, Effort
from fwdad.bench.racers import PROBLEMS
from fwdad.cli.options import F, integers
from fwdad.train import TrainConfig


@click.group()
def bench() -> None:
    """Measure kernels, the training step and its memory, beside other libraries.

    Every answer is checked before it is timed. Peers (torch, jax, numpy) take part where they are installed.
    """


beside = click.option("--peers", metavar="NAMES", help="torch,jax,numpy, or none.  [default: those installed]")


def common(command: F) -> F:
    """Add the options that all measurements share."""
    for option in reversed(
        [
            click.option("--threads", type=click.IntRange(1, 1024), help="Threads of everyone.  [default: all cores]"),
            click.option("--quick", is_flag=True, help="One short round: a look, not a result."),
            click.option("--json", "json_", metavar="FILE", type=click.Path(path_type=Path), help="Write the records."),
            click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw a PNG, SVG or PDF."),
        ]
    ):
        command = option(command)
    return command


@bench.command("kernels")
@beside
@common
@click.option("--only", default="", metavar="WORD", help="Those whose name contains this word.")
@click.option("--device", default="cpu", help='"cuda" or "cuda:N": CUDA kernels, beside CuPy (cuBLAS), torch and jax.')
def kernels_(only: str, device: str, quick: bool, peers: str | None, **options: Any) -> None:
    """Each kernel by itself: GFLOP/s or GB/s, and the fraction of the machine's peak."""
    _use(device)
    cases = plans.kernel_cases(plans.chosen_peers(peers, device), quick, only, device)
    _run(
        lambda threads, peaks: plans.measure(cases, QUICK if quick else Effort(), threads, peaks, _report, device),
        tables.kernel_summary,
        plots.roofline,
        device=device,
        **options,
    )


@bench.command()
@beside
@common
@click.option("--w", "widths", type=integers, default="256,1024", show_default=True, help="Widths of the network.")
@click.option("--k", "tangents", type=integers, default="1,16,64", show_default=True, help="Numbers of tangents.")
@click.option("--device", default="cpu", help='"cuda" or "cuda:N": everyone on that device.')
def step(
    widths: Sequence[int], tangents: Sequence[int], device: str, quick: bool, peers: str | None, **options: Any
) -> None:
    """Measure a training step: sample k normal directions, JVP, exact global projection, SGD update.

    Batch 64, network 784-w-w-10, float32. With k = 1 also one step of the peers' backpropagation.
    """
    _use(device)
    who = plans.chosen_peers(peers, device)
    cases = plans.step_cases(who, _positive("--w", widths), _positive("--k", tangents), device)
    _run(
        lambda threads, peaks: plans.measure(cases, QUICK if quick else Effort(), threads, peaks, _report, device),
        tables.step_summary,
        plots.steps,
        device=device,
        **options,
    )


@bench.command()
@beside
@common
@click.option("--w", "width", type=click.IntRange(1), default=1024, show_default=True, help="Width of the network.")
@click.option("--k", "tangents", type=integers, default="1,4,16,64,256", show_default=True, help="Numbers of tangents.")
def memory(width: int, tangents: Sequence[int], quick: bool, peers: str | None, **options: Any) -> None:
    """Peak memory of the step, in a process of its own for each k. Without --peers, fwdad alone."""
    who = ["fwdad", *([] if peers is None else plans.chosen_peers(peers))]
    chosen = _positive("--k", tangents)
    chosen = [chosen[0], chosen[-1]] if quick else chosen
    _run(
        lambda threads, peaks: plans.memory(who, width, chosen, threads, _report),
        tables.memory_summary,
        plots.memory,
        **options,
    )


@bench.command("time-to-accuracy")
@beside
@common
@click.option("--data", "problem", type=click.Choice(list(PROBLEMS)), default="mnist", show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs of each competitor.")
@click.option("--trials", type=click.IntRange(1), help="Search settings anew, by so many trials for each gradient.")
def time_to_accuracy(
    problem: str, seeds: int, trials: int | None, quick: bool, peers: str | None, threads: int | None, **options: Any
) -> None:
    """Train to test accuracies beside the peers' backpropagation: seconds of the processor, evaluation excluded.

    MNIST: 784-256-256-10 to 95, 97, 98%; Fashion-MNIST: a convnet to 90%; digits: a look in seconds. All begin with the
    same weights and see the same batches of 64, one thread by default; SGD with momentum and a schedule, whose settings
    are searched for each accuracy. fwdad-random is what `fwdad train` did by default before it took units.
    """
    who = ["fwdad", "fwdad-rows", "fwdad-random", *(f"{n}-backprop" for n in plans.chosen_peers(peers) if n != "numpy")]

    def measure(threads: int, peaks: Peaks) -> list[Record]:
        settings = races.SEARCHED[problem] if trials is None else races.search(problem, trials, threads, _report)
        return races.race(problem, who, settings, 1 if quick else seeds, threads, _report)

    _run(measure, tables.race_summary, plots.race, threads=threads or 1, **options)


@bench.command("frontier")
@common
@click.option("--data", default="mnist", show_default=True, help="Data set, as of fwdad train.")
@click.option("--model", default="mlp", show_default=True, help="Network, as of fwdad train.")
@click.option("--hidden", type=integers, help="Widths of an mlp.  [default: 256,256]")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True, help="Examples per step.")
@click.option("--steps", type=click.IntRange(1), default=400, show_default=True, help="Steps of each trajectory.")
@click.option("--k", "tangents", type=integers, default="4,16,64", show_default=True, help="Numbers of tangents.")
def frontier_(
    steps: int,
    tangents: Sequence[int],
    hidden: Sequence[int] | None,
    quick: bool,
    threads: int | None,
    **options: Any,
) -> None:
    """Compare kinds of direction: time of a step, memory, and cos^2 to the gradient on a trajectory of its own.

    Every unit, every unit on a quarter of the rows, and random directions of activities and weights, whose estimates
    are projections. All train the same network by SGD with momentum, and take turns, on one thread by default.
    """
    about = {name: options.pop(name) for name in ("data", "model", "batch_size")}
    if hidden is not None or about["model"] == "mlp":
        about["hidden"] = tuple(hidden or (256, 256))
    config = TrainConfig(**about)
    _run(
        lambda threads, peaks: frontier(config, 20 if quick else steps, _positive("--k", tangents), _report),
        tables.frontier_summary,
        plots.frontier,
        threads=threads or 1,
        **options,
    )


@bench.command()
@click.option("--data-dir", required=True, metavar="DIR", type=click.Path(path_type=Path), help="`data` of ADBench.")
@click.option("--only", default="ba1_,ba10_,hand5,gmm_d2_K5,lstm", metavar="WORDS", show_default=True, help="Of files.")
@click.option("--out-dir", metavar="DIR", type=click.Path(path_type=Path), help="Write output files in ADBench's form.")
@click.option("--peers", metavar="NAMES", help="jax,torch,autograd, or none.  [default: those installed]")
@click.option("--quick", is_flag=True, help="One short run: a look, not a result.")
@click.option("--json", "json_", metavar="FILE", type=click.Path(path_type=Path), help="Write the records.")
def adbench(
    data_dir: Path, only: str, out_dir: Path | None, peers: str | None, quick: bool, json_: Path | None
) -> None:
    """Jacobians and gradients of ADBench's problems, from its files and by its rules, on one core.

    A run repeats the work until it takes half a second; the time is that of the shortest of ten. Bundle adjustment is
    beside a Jacobian in C++ that was written by hand and is compiled here.
    """
    names = measuring.adbench.chosen_peers(peers)

    def measure(threads: int, peaks: Peaks) -> list[Record]:
        with measuring.adbench.one_core():
            return measuring.adbench.run(data_dir, only.split(","), names, _report, out_dir, quick)

    _run(measure, lambda found: [], plots.steps, threads=1, json_=json_, plot=None)


@bench.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
def compare(before: Path, after: Path) -> None:
    """Compare the figures that two --json files have in common; a ratio above 1 is an improvement."""
    changes = records.compare(records.read_records(before), records.read_records(after))
    if not changes:
        raise BenchError(f"{before} and {after} have no figure in common")
    click.echo(tables.change_table(changes))


def _run(
    measure: Callable[[int, Peaks], list[Record]],
    summary: Callable[[Sequence[Record]], list[str]],
    draw: Callable[[Sequence[Record], Peaks, Path], None],
    threads: int | None,
    json_: Path | None,
    plot: Path | None,
    device: str = "cpu",
) -> None:
    """Check where the results go, measure the machine, then what was asked for; print, write, draw."""
    for path in (json_, plot):
        if path is not None:
            records.check_writable(path)
    if plot is not None:
        plots.check_possible(plot)
    if threads is not None:
        kernels.set_num_threads(threads)
    peaks = measuring.measure_peaks() if device == "cpu" else measuring.measure_device_peaks()
    machine = measuring.describe(device)
    click.echo(tables.heading(machine, peaks) + "\n")
    found = measure(kernels.get_num_threads(), peaks)
    click.echo("\n".join([tables.table(found), "", *summary(found)]))
    if json_ is not None:
        records.write_records(json_, machine, measuring.as_json(peaks), found)
    if plot is not None:
        draw(found, peaks, plot)


def _use(device: str) -> None:
    """Compute on a device from now on."""
    try:
        target.use(device)
    except ValueError as error:
        raise BenchError(f"--device: {error}") from error


def _positive(option: str, values: Sequence[int]) -> list[int]:
    if min(values) < 1:
        raise BenchError(f"{option}: expected integers of at least 1, given {min(values)}")
    return sorted(set(values))


def _report(line: str) -> None:
    click.echo(f"... {line}", err=True)
