"""Fully connected networks on MNIST, trained by the gradient, the mean and the projection, in forward mode throughout.

784-w-w-10, relu, plain gradient descent at a constant rate, initial values uniform in +-1/sqrt(inputs). As in the paper
the directions move the activities, by default with noise that the batch shares, and the projection is over all layers
at once. Unlike the paper's, no derivative here comes from a backward pass: the gradient is `exact_gradient`, one
direction a unit, and where the paper moves a layer's output behind the relu we move what is before it.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fwdad import data, nn, optim, tree
from fwdad.estimators import COMBINERS, ForwardGradient, Normal, exact_gradient
from fwdad.experiments.experiment import (
    Cell,
    Experiment,
    Report,
    Row,
    Settings,
    Summary,
    distinct,
    paper_table,
    select,
)
from fwdad.train import evaluate

BATCH = 64
PATIENCE = 10  # epochs without a lower validation loss
TOO_HIGH = 10.0  # the loss at which a run is given up


class FcMnist(Experiment):
    name = "fc-mnist"
    source = "arXiv 2410.17764, section 4.4"
    about = "test accuracy of 784-w-w-10, w = 256, 1024, 4096, by gradient, mean and projection with the paper's rates"
    costs = (
        "full (up to 200 epochs, 3 seeds): on 2 cores two hours for w = 256, days for 1024, weeks for 4096, most of it "
        "the exact gradient; --quick (w = 256, 10 epochs, 1 seed): 3 minutes"
    )
    takes = ("data", "data_dir", "perturb", "noise")

    def cells(self, settings: Settings) -> list[Cell]:
        cells = []
        for row in paper_table("network_learning_rates"):
            kind, _, width = row["model"].partition("-")
            if kind != "fc" or (settings.quick and width != "256"):
                continue
            for seed in settings.seeds or ((0,) if settings.quick else (0, 1, 2)):
                parameters: dict[str, Any] = {
                    "width": int(width),
                    "method": row["method"],
                    "k": int(row["k"]) if row["k"] else None,
                    "seed": seed,
                    "learning_rate": float(row["learning_rate"]),
                    "epochs": 10 if settings.quick else 200,
                    "data": settings.data,
                    "data_dir": settings.data_dir,
                    "perturb": settings.perturb,
                    "noise": settings.noise,
                }
                name = f"{row['model']}-{row['method']}-k{row['k'] or 0}-seed{seed}"
                cells.append(Cell(name, parameters, int(width) * (10 + int(row["k"] or width))))
        return cells

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        dataset = data.load(parameters["data"], parameters["data_dir"])
        sizes = (dataset.train.inputs.shape[1], parameters["width"], parameters["width"], dataset.outputs)
        estimate = estimator(parameters)
        rows = train(
            initial(sizes, parameters["seed"]),
            estimate,
            optim.sgd(parameters["learning_rate"]),
            dataset,
            parameters["epochs"],
            parameters["seed"],
            report,
        )
        about = {name: parameters[name] for name in ("width", "method", "k", "seed", "learning_rate")}
        return [about | row for row in rows]

    def summary(self, table: list[Row]) -> list[Summary]:
        lines = []
        for width, method, k in dict.fromkeys((row["width"], row["method"], row["k"]) for row in table):
            runs = [
                select(table, width=width, method=method, k=k, seed=seed)
                for seed in distinct(select(table, width=width, method=method, k=k), "seed")
            ]
            chosen = [min(run, key=lambda row: _nan_last(row["validation_loss"])) for run in runs]
            last = [run[-1] for run in runs]
            lines.append(
                [
                    f"{width}  {method}" + (f"  k = {k}" if k else ""),
                    str(runs[0][0]["learning_rate"]),
                    _mean_and_range([row["test_accuracy"] for row in chosen]),
                    _mean_and_range([row["test_accuracy"] for row in last]),
                    f"{np.mean([row['train_loss'] for row in last]):.4f}",
                    f"{np.mean([len(run) for run in runs]):.0f}",
                    f"{1e3 * np.mean([row['seconds_per_step'] for run in runs for row in run]):.2f}",
                ]
            )
        columns = [
            "width, method", "rate", "test accuracy", "after the last epoch", "train loss", "epochs", "ms per step"
        ]  # fmt: skip
        remarks = [
            "test accuracy: after the epoch with the lowest validation loss; mean over seeds, and range",
            "time: of one process, beside those on the other cores",
        ]
        return [Summary("fully connected networks", columns, lines, remarks)]

    def draw(self, table: list[Row], figure: Any) -> None:
        widths = distinct(table, "width")
        figure.set_size_inches(5.5 * len(widths), 8)
        panels = figure.subplots(2, len(widths), squeeze=False)
        for column, width in enumerate(widths):
            rows = select(table, width=width)
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
            panels[0][column].set(title=f"width {width}", yscale="log")
            panels[1][column].set(xlabel="epoch", ylim=(None, 1))
            for panel in panels[:, column]:
                panel.grid(alpha=0.3)
        panels[0][0].set_ylabel("validation loss")
        panels[1][0].set_ylabel("test accuracy")
        panels[1][0].legend(fontsize=7)


def initial(sizes: tuple[int, ...], seed: int) -> nn.MLP:
    """An MLP whose weights and biases are uniform in ``+-1/sqrt(inputs)``, as the paper's framework draws them."""
    model = nn.MLP(sizes, "relu")
    random = np.random.default_rng(seed)
    leaves, structure = tree.flatten(model)
    drawn = []
    for leaf, inputs in zip(leaves, np.repeat(sizes[:-1], 2), strict=True):
        bound = 1 / np.sqrt(inputs)
        drawn.append(random.uniform(-bound, bound, leaf.shape).astype(leaf.dtype))
    return tree.unflatten(structure, drawn)  # type: ignore[no-any-return]


def estimator(parameters: dict[str, Any]) -> Any:
    """``(loss, model, *batch) -> value, gradient``, exact or estimated."""
    if parameters["method"] == "gradient":
        return lambda loss, model, *batch: exact_gradient(loss, model, *batch, perturb="activity", chunk=128)
    combiner = COMBINERS[parameters["method"]]()
    sampler = Normal(parameters["k"], parameters["seed"])
    return ForwardGradient(sampler, combiner, parameters["perturb"], parameters["noise"])


def loss(model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Cross-entropy per example, (B,)."""
    return nn.cross_entropy(model(x), y)


def train(
    model: Any,
    estimate: Any,
    optimizer: optim.Optimizer,
    dataset: data.Dataset,
    epochs: int,
    seed: int,
    report: Report,
) -> list[Row]:
    """One row an epoch; ends after `PATIENCE` epochs without a lower validation loss, or at a loss of `TOO_HIGH`."""
    batches = data.Batches(len(dataset.train.targets), BATCH, seed)
    state = optimizer.init(model)
    rows: list[Row] = []
    while len(rows) < epochs:
        begin, total, seconds = len(rows) * batches.steps_per_epoch, 0.0, 0.0
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a run that diverges ends
            for step in range(begin, begin + batches.steps_per_epoch):
                start = time.perf_counter()
                chosen = batches.indices(step)
                value, gradient = estimate(loss, model, dataset.train.inputs[chosen], dataset.train.targets[chosen])
                updates, state = optimizer.update(gradient, state, model)
                model = optim.apply_updates(model, updates)
                seconds += time.perf_counter() - start
                total += value * len(chosen)
                report(step / (epochs * batches.steps_per_epoch))
                if not value < TOO_HIGH:
                    break
            validation, test = evaluate(model, dataset.validation), evaluate(model, dataset.test)
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
    spread = f"  ({min(values):.4f} to {max(values):.4f})" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"
