"""Spiking networks by the Forward-Forward algorithm: each layer by its own goodness, exactly, from one tangent.

784-500-500 leaky integrate-and-fire units, 10 steps of a constant current; for N-MNIST and SHD 2312-500-500 and
700-500-500 units, 10 steps of counts of events. Neuron and loss have the paper's settings, but no layer is recurrent,
as those for events are in the paper. Its batches of 4096 are batches of 64 here, its 301 epochs and more are 40, and
its constant rate of 8e-4, or 1e-3 for events, is one that falls from 1e-3 to 0 in a straight line. Where the paper
draws one wrong label for each example, the exact gradient takes the mean over all, each with the probability of its
draw. For all data but MNIST the second layer is a `fwdad.nn.NormalisedLIF`, whose gradient is exact as well, but sums
the slopes of the 10 steps from the last one on. Variants of the network:

    as described       both layers learn
    as the scripts run the public scripts show the second layer the spikes of the negative examples for both, so that
                       its gap is zero: it is not trained
    one layer          the first, alone

and of the gradient, beside two layers of relu units with the same objective, which see a series as one long row:

    one label drawn    from one wrong label for each example
    k = 1, 4, 16       forward gradients of so many random directions of the activities, projection; one label drawn
"""

from __future__ import annotations

import time
from typing import Any, Literal, NamedTuple

import numpy as np

from fwdad import data, functions, nn, optim
from fwdad.estimators import ForwardGradient, Local, Normal, SiluGap
from fwdad.experiments.experiment import Cell, Experiment, Report, Row, Settings, Summary, distinct, select
from fwdad.train import Learner, evaluate

BATCH, HIDDEN = 64, 500


class Neurons(NamedTuple):
    """A network's settings, those of `fwdad.nn.models.FFSNN`, and alpha of its objective."""

    beta: float
    theta: float
    learn: tuple[bool, ...]
    surrogate: functions.SurrogateName
    normalised: bool
    alpha: float


# fmt: off
NEURONS = {
    #                        beta  theta  learn         surrogate       normalised  alpha
    "mnist":         Neurons(0.99, 1.5,   (),           "fast-sigmoid", False,      6.0),
    "fashion-mnist": Neurons(0.99, 1.0,   (True,),      "arctan",       True,       6.0),
    "kmnist":        Neurons(0.99, 1.2,   (True, True), "arctan",       True,       4.0),
    "n-mnist":       Neurons(0.9,  1.0,   (True, True), "arctan",       True,       6.0),
    "shd":           Neurons(0.9,  5.0,   (True, True), "arctan",       True,       4.0),
}
# fmt: on
"""The paper's settings, by data set; others have MNIST's."""
RATE, EPOCHS = 1e-3, 40


class FfSnn(Experiment):
    """Test accuracy of the variants of the network."""

    name = "ff-snn"
    source = "arXiv 2502.20411"
    about = "spiking networks by the Forward-Forward algorithm, exact without a backward pass: accuracy"
    costs = (
        "full on MNIST (40 epochs, 3 variants, 1 seed): an hour on 2 cores beside other work; other data take longer; "
        "--quick: 1 epoch"
    )
    takes = ("data", "data_dir")
    variants: tuple[str, ...] = ("as described", "as the scripts run", "one layer")

    def cells(self, settings: Settings) -> list[Cell]:
        """Return a run for each variant and seed."""
        name = settings.data or "mnist"
        shared = NEURONS.get(name, NEURONS["mnist"])._asdict() | {"data": name, "data_dir": settings.data_dir}
        return [
            Cell(
                f"{variant}-seed{seed}",
                shared | {"variant": variant, "seed": seed, "epochs": 1 if settings.quick else EPOCHS},
            )
            for seed in settings.seeds or (0,)
            for variant in self.variants
        ]

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return a row for each epoch."""
        dataset = data.load(parameters["data"], parameters["data_dir"])
        train, epochs, seed = dataset.train, parameters["epochs"], parameters["seed"]
        batches = data.Batches(len(train.targets), BATCH, seed=seed)
        rate = optim.linear(RATE, epochs * batches.steps_per_epoch)
        learner = Learner(network(parameters, dataset), loss, local(parameters), optim.adam(rate))
        rows: list[Row] = []
        for epoch in range(epochs):
            start, total = time.perf_counter(), 0.0
            for step in range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch):
                chosen = batches.indices(step)
                total += learner.step(step, train.inputs[chosen], train.targets[chosen])[0]
                report(step / (epochs * batches.steps_per_epoch))
            seconds = time.perf_counter() - start
            accuracies = [evaluate(learner.model, split)[1] for split in (dataset.validation, dataset.test)]
            row = {"variant": parameters["variant"], "seed": seed, "epoch": epoch + 1, "seconds": seconds}
            row |= {"train_loss": total / batches.steps_per_epoch}
            rows.append(row | {"validation_accuracy": accuracies[0], "test_accuracy": accuracies[1]})
        return rows

    def summary(self, table: list[Row]) -> list[Summary]:
        """Show test accuracies at the best validation epoch, and at the best test epoch beside it."""
        lines = []
        for variant in distinct(table, "variant"):
            rows = select(table, variant=variant)
            runs = [select(rows, seed=seed) for seed in distinct(rows, "seed")]
            chosen = [max(run, key=lambda row: row["validation_accuracy"])["test_accuracy"] for run in runs]
            highest = [max(row["test_accuracy"] for row in run) for run in runs]
            seconds = np.mean([row["seconds"] for row in rows])
            lines.append([variant, *map(_percent, (chosen, highest)), f"{seconds:.0f}"])
        columns = ["variant", "test accuracy", "at the best test epoch", "seconds an epoch"]
        remarks = [
            "test accuracy: after the epoch with the highest validation accuracy; mean over seeds, and range",
            "at the best test epoch: as the authors' scripts report it; chosen on the test data, no fair estimate",
        ]
        return [Summary(f"{self.name}, {table[-1]['epoch']} epochs", columns, lines, remarks)]

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw validation accuracy against epochs."""
        axes = figure.subplots()
        for i, variant in enumerate(distinct(table, "variant")):
            rows = select(table, variant=variant)
            for j, seed in enumerate(distinct(rows, "seed")):
                run = select(rows, seed=seed)
                values = [100 * row["validation_accuracy"] for row in run]
                axes.plot([row["epoch"] for row in run], values, color=f"C{i}", lw=1, label=None if j else variant)
        axes.set(xlabel="epoch", ylabel="validation accuracy, %")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)


class FfSnnGradients(FfSnn):
    """Test accuracy of the variants of the gradient."""

    name = "ff-snn-gradients"
    about = "the same by other gradients: of one drawn label, estimated from k directions; and relu units"
    costs = "full: 40 epochs, 5 variants, 1 seed, not timed yet; --quick: 1 epoch"
    variants = ("one label drawn", "k = 1", "k = 4", "k = 16", "relu")


def network(parameters: dict[str, Any], dataset: data.Dataset) -> Any:
    """Make the network of a cell."""
    hidden = (HIDDEN,) if parameters["variant"] == "one layer" else (HIDDEN, HIDDEN)
    options: dict[str, Any] = {"hidden": hidden, "seed": parameters["seed"]}
    if parameters["variant"] == "relu":
        model: Any = nn.models.FFMLP(dataset.shape, dataset.outputs, **options)
    else:
        options |= {name: parameters[name] for name in Neurons._fields if name != "alpha"}
        model = nn.models.FFSNN(dataset.shape, dataset.outputs, **options)
    return model.fitted(dataset.train.inputs)


def local(parameters: dict[str, Any]) -> Local:
    """Make the estimator of a cell."""
    variant, seed = parameters["variant"], parameters["seed"]
    negatives: Literal["all", "drawn"] = "drawn" if variant == "one label drawn" else "all"
    make = None
    if variant.startswith("k = "):
        k = int(variant.removeprefix("k = "))
        make = lambda number: ForwardGradient(Normal(k, seed=100 * seed + number))  # noqa: E731  a factory
        negatives = "drawn"
    layers = 1 if variant == "as the scripts run" else None
    return Local(SiluGap(parameters["alpha"]), make, negatives=negatives, layers=layers, seed=seed)


def loss(model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Compute the cross-entropy of each example's goodness by class, (B,), to be looked at."""
    return nn.cross_entropy(model(x), y)


def _percent(values: list[float]) -> str:
    extent = f"  ({100 * min(values):.2f} to {100 * max(values):.2f})" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.2f} %{extent}"
