"""Networks trained by the gradient, the mean and the projection, in forward mode throughout: sections 4.4 and 4.5.

Plain gradient descent at a constant rate; the epoch with the lowest validation loss counts. As in the paper the
directions move the activities, by default with noise that the batch shares, and the projection is over all layers at
once. Unlike the paper's, no derivative here comes from a backward pass: the gradient is `exact_gradient`, one direction
a unit; each layer with parameters is a block of its own, whose parameters' gradient needs nothing but the layer's
input; and where the paper moves a layer's output behind the relu we move what is before it.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fwdad import data, nn, optim
from fwdad.estimators import COMBINERS, ForwardGradient, Normal, exact_gradient
from fwdad.experiments.experiment import Cell, Experiment, Report, Row, Settings, Summary, distinct, select
from fwdad.perturbation import Activities
from fwdad.train import Learner, evaluate

EPOCHS = 200  # at most
SEEDS = (0, 1, 2)
PATIENCE = 10  # epochs without a lower validation loss
TOO_HIGH = 10.0  # the loss at which a run is given up


class NetworkTraining(Experiment):
    """What the experiments with networks have in common: a cell is one run, a row one epoch of it.

    A cell's parameters: network, data, data_dir, method, k, seed, learning_rate, batch, epochs, perturb, noise.
    """

    takes = ("data", "data_dir", "perturb", "noise")

    def rows(self, settings: Settings) -> list[dict[str, str]]:
        """Return the rows of the paper's table of learning rates that are to be run."""
        raise NotImplementedError

    def size(self, settings: Settings) -> dict[str, Any]:
        """Return the parameters that all cells share: data, batch, epochs, and what else a subclass asks for."""
        raise NotImplementedError

    def cost(self, row: dict[str, str]) -> float:
        """Estimate how long a step takes, in any unit."""
        raise NotImplementedError

    def cells(self, settings: Settings) -> list[Cell]:
        """Return a run for each of the rows and each seed."""
        cells = []
        for row in self.rows(settings):
            for seed in settings.seeds or (SEEDS[:1] if settings.quick else SEEDS):
                parameters = self.size(settings) | {
                    "network": row["model"],
                    "method": row["method"],
                    "k": int(row["k"]) if row["k"] else None,
                    "seed": seed,
                    "learning_rate": float(row["learning_rate"]),
                    "data_dir": settings.data_dir,
                    "perturb": settings.perturb,
                    "noise": settings.noise,
                }
                name = f"{row['model']}-{row['method']}-k{row['k'] or 0}-seed{seed}"
                cells.append(Cell(name, parameters, self.cost(row)))
        return cells

    def model(self, parameters: dict[str, Any], dataset: data.Dataset) -> Any:
        """Make the network of a cell with its initial values."""
        raise NotImplementedError

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return a row for each epoch."""
        dataset = data.load(parameters["data"], parameters["data_dir"])
        batches = data.Batches(len(dataset.train.targets), parameters["batch"], seed=parameters["seed"])
        optimizer = optim.sgd(parameters["learning_rate"])
        learner = Learner(self.model(parameters, dataset), loss, estimator(parameters), optimizer)
        rows = train(learner, dataset, batches, parameters["epochs"], report)
        about = {name: parameters[name] for name in ("network", "method", "k", "seed", "learning_rate")}
        return [about | row for row in rows]

    def summary(self, table: list[Row]) -> list[Summary]:
        """Show test accuracies, loss, epochs and time, by network and method."""
        lines = []
        for network, method, k in dict.fromkeys((row["network"], row["method"], row["k"]) for row in table):
            runs = [
                select(table, network=network, method=method, k=k, seed=seed)
                for seed in distinct(select(table, network=network, method=method, k=k), "seed")
            ]
            chosen = [min(run, key=lambda row: _nan_last(row["validation_loss"])) for run in runs]
            last = [run[-1] for run in runs]
            lines.append(
                [
                    f"{network}  {method}" + (f"  k = {k}" if k else ""),
                    str(runs[0][0]["learning_rate"]),
                    _mean_and_range([row["test_accuracy"] for row in chosen]),
                    _mean_and_range([row["test_accuracy"] for row in last]),
                    f"{np.mean([row['train_loss'] for row in last]):.4f}",
                    f"{np.mean([len(run) for run in runs]):.0f}",
                    f"{1e3 * np.mean([row['seconds_per_step'] for run in runs for row in run]):.2f}",
                ]
            )
        columns = [
            "network, method", "rate", "test accuracy", "after the last epoch", "train loss", "epochs", "ms per step"
        ]  # fmt: skip
        remarks = [
            "test accuracy: after the epoch with the lowest validation loss; mean over seeds, and range",
            "time: of one process, beside those on the other cores",
        ]
        return [Summary(self.name, columns, lines, remarks)]

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw validation loss and test accuracy against epochs."""
        networks = distinct(table, "network")
        figure.set_size_inches(5.5 * len(networks), 8)
        panels = figure.subplots(2, len(networks), squeeze=False)
        for column, network in enumerate(networks):
            rows = select(table, network=network)
            for method, k in dict.fromkeys((row["method"], row["k"]) for row in rows):
                style = {"mean": "--", "projection": "-", "gradient": "-"}[method]
                color = "k" if not k else f"C{[1, 2, 4, 16].index(k)}"
                for i, seed in enumerate(distinct(rows, "seed")):
                    run = select(rows, method=method, k=k, seed=seed)
                    label = None if i else method + (f", k = {k}" if k else "")
                    for line, quantity in enumerate(("validation_loss", "test_accuracy")):
                        panels[line][column].plot(
                            [row["epoch"] for row in run],
                            [row[quantity] for row in run],
                            style, color=color, lw=1, label=label,
                        )  # fmt: skip
            panels[0][column].set(title=network, yscale="log")
            panels[1][column].set(xlabel="epoch", ylim=(None, 1))
            for panel in panels[:, column]:
                panel.grid(alpha=0.3)
        panels[0][0].set_ylabel("validation loss")
        panels[1][0].set_ylabel("test accuracy")
        panels[1][0].legend(fontsize=7)


def estimator(parameters: dict[str, Any]) -> Any:
    """Make ``(loss, model, *batch) -> value, gradient``, exact or estimated."""
    if parameters["method"] == "gradient":
        units = Activities("batch")  # one for all steps: it checks the loss once
        return lambda loss, model, *batch: exact_gradient(loss, model, *batch, perturb=units, chunk_size=128)
    combiner = COMBINERS[parameters["method"]]()
    sampler = Normal(parameters["k"], seed=parameters["seed"])
    perturb = parameters["perturb"]
    return ForwardGradient(sampler, combiner, Activities(parameters["noise"]) if perturb == "activity" else perturb)


def loss(model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Compute the cross-entropy of each example, (B,)."""
    return nn.cross_entropy(model(x), y)


def train(learner: Learner, dataset: data.Dataset, batches: data.Batches, epochs: int, report: Report) -> list[Row]:
    """Return a row for each epoch; end after `PATIENCE` epochs without a lower validation loss, or at `TOO_HIGH`."""
    rows: list[Row] = []
    while len(rows) < epochs:
        begin, total, seconds = len(rows) * batches.steps_per_epoch, 0.0, 0.0
        for step in range(begin, begin + batches.steps_per_epoch):
            start = time.perf_counter()
            chosen = batches.indices(step)
            value, _ = learner.step(step, dataset.train.inputs[chosen], dataset.train.targets[chosen])
            seconds += time.perf_counter() - start
            total += value * len(chosen)
            report(step / (epochs * batches.steps_per_epoch))
            if not value < TOO_HIGH:
                break
        validation, test = evaluate(learner.model, dataset.validation), evaluate(learner.model, dataset.test)
        rows.append(
            {
                "epoch": len(rows) + 1,
                "steps": step + 1,
                "train_loss": total / len(dataset.train.targets) if value < TOO_HIGH else value,
                "validation_loss": validation[0],
                "validation_accuracy": validation[1],
                "test_loss": test[0],
                "test_accuracy": test[1],
                "seconds_per_step": seconds / (step + 1 - begin),
            }
        )
        losses = [_nan_last(row["validation_loss"]) for row in rows]
        if not value < TOO_HIGH or not losses[-1] < TOO_HIGH or len(rows) - 1 - int(np.argmin(losses)) >= PATIENCE:
            break
    return rows


def _nan_last(value: float) -> float:
    return value if np.isfinite(value) else np.inf


def _mean_and_range(values: list[float]) -> str:
    extent = f"  ({min(values):.4f} to {max(values):.4f})" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{extent}"
