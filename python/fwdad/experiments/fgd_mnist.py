"""Forward gradient descent with one direction on MNIST: loss against steps and against time.

Logistic regression, 784-10, and an MLP, 784-1024-1024-10. One direction moves all weights, v ~ N(0, I), g = d v; plain
gradient descent at ``2e-4 exp(-1e-4 i)``, batches of 64. Beside it the exact gradient, computed forward by the layers'
activities, where the paper has backpropagation.
"""

from __future__ import annotations

import functools
import math
import time
from typing import Any

import numpy as np

from fwdad import data, optim
from fwdad.estimators import ForwardGradient, Mean, Normal, exact_gradient
from fwdad.experiments.experiment import Cell, Experiment, Report, Row, Settings, Summary, distinct, select
from fwdad.experiments.fc_mnist import BATCH, initial
from fwdad.experiments.networks import loss
from fwdad.train import Learner, evaluate

MODELS: dict[str, tuple[int, ...]] = {"logistic regression": (), "mlp": (1024, 1024)}
ROWS_A_RUN = 100


class FgdMnist(Experiment):
    """Loss by steps and seconds, of two models by gradient and forward gradient."""

    name = "fgd-mnist"
    source = "arXiv 2202.08587, section 5"
    about = "one-direction forward gradient descent on MNIST, logistic regression and MLP: loss against steps and time"
    costs = "full (20,000 steps): an hour on 2 cores, most of it the MLP's exact gradient; --quick (300): 2 minutes"
    takes = ("data", "data_dir")

    def cells(self, settings: Settings) -> list[Cell]:
        """Return a run for each model, method and seed."""
        steps = 300 if settings.quick else 20_000
        cells = []
        for model, cost in (("logistic regression", 1.0), ("mlp", 20.0)):
            for method, factor in (("gradient", 5.0), ("forward gradient", 1.0)):
                for seed in settings.seeds or (0,):
                    parameters = {
                        "model": model,
                        "method": method,
                        "seed": seed,
                        "steps": steps,
                        "data": settings.data or "mnist",
                        "data_dir": settings.data_dir,
                    }
                    name = f"{model}-{method}-{seed}".replace(" ", "-")
                    cells.append(Cell(name, parameters, cost * factor))
        return cells

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return losses about a hundred times in a run, with time."""
        dataset = data.load(parameters["data"], parameters["data_dir"])
        hidden, seed, steps = MODELS[parameters["model"]], parameters["seed"], parameters["steps"]
        estimator: Any = functools.partial(exact_gradient, perturb="activity")
        if parameters["method"] != "gradient":
            estimator = ForwardGradient(Normal(1, seed=seed), Mean(), perturb="weight")
        learner = Learner(
            initial((dataset.train.inputs.shape[1], *hidden, dataset.outputs), seed),
            loss,
            estimator,
            optim.sgd(lambda step: 2e-4 * math.exp(-1e-4 * step)),
        )
        batches = data.Batches(len(dataset.train.targets), BATCH, seed=seed)
        every, rows, seconds, losses = max(1, steps // ROWS_A_RUN), [], 0.0, []
        for step in range(steps):
            start = time.perf_counter()
            chosen = batches.indices(step)
            value, _ = learner.step(step, dataset.train.inputs[chosen], dataset.train.targets[chosen])
            seconds += time.perf_counter() - start
            losses.append(value)
            report(step / steps)
            if (step + 1) % every == 0:
                validation = evaluate(learner.model, dataset.validation)
                row = {"model": parameters["model"], "method": parameters["method"], "seed": seed, "step": step + 1}
                row |= {"seconds": seconds, "train_loss": float(np.mean(losses)), "validation_loss": validation[0]}
                rows.append(row | {"validation_accuracy": validation[1]})
                losses = []
        return rows

    def summary(self, table: list[Row]) -> list[Summary]:
        """Show losses, accuracy and time per step at the end."""
        lines = []
        for model, method in dict.fromkeys((row["model"], row["method"]) for row in table):
            rows = select(table, model=model, method=method)
            last = [select(rows, seed=seed)[-1] for seed in distinct(rows, "seed")]
            means = [float(np.mean([row[name] for row in last])) for name in ("train_loss", "validation_accuracy")]
            per_step = 1e3 * float(np.mean([row["seconds"] / row["step"] for row in last]))
            lines.append([f"{model}, {method}", f"{means[0]:.4f}", f"{means[1]:.4f}", f"{per_step:.2f}"])
        columns = ["model, method", "train loss", "validation accuracy", "ms per step"]
        return [Summary(f"after {table[-1]['step']:,} steps, mean over seeds", columns, lines)]

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw validation loss against steps and seconds."""
        figure.set_size_inches(11, 8)
        panels = figure.subplots(2, 2)
        for line, model in enumerate(MODELS):
            for method, color in (("gradient", "k"), ("forward gradient", "C0")):
                for i, seed in enumerate(distinct(table, "seed")):
                    rows = select(table, model=model, method=method, seed=seed)
                    for axes, quantity in zip(panels[line], ("step", "seconds"), strict=True):
                        axes.plot(
                            [row[quantity] for row in rows],
                            [row["validation_loss"] for row in rows],
                            color=color, lw=1, label=None if i else method,
                        )  # fmt: skip
                        axes.set(xlabel=quantity, ylabel=f"validation loss, {model}")
                        axes.grid(alpha=0.3)
        panels[0][0].legend()
