"""Gradient guess by gradient target, on MNIST: what is guessed matters more than how many guesses there are.

A target is the loss whose gradient is wanted: the network's own (global), or for each layer that of a linear classifier
on its output (local), which does not depend on later layers. A guess is what the gradient is projected on: normal
noise, the gradient of the layer's local loss, or both. The paper does this with blocks of a ResNet18 on CIFAR-10; here
the blocks are the layers of 784-256-256-10, moved in activity space, noise by example. Its optimiser is kept, at a
tenth of its learning rate: without batch normalisation local gradients as guesses diverge at more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import data, nn, optim, tree
from fwdad.estimators import ForwardGradient, LocalClassifier, Mixed, Normal, Sampler, exact_gradient
from fwdad.experiments.experiment import Cell, Experiment, Report, Row, Settings, Summary, distinct, select
from fwdad.experiments.fc_mnist import BATCH, initial
from fwdad.experiments.networks import loss
from fwdad.train import Learner, evaluate

GUESSES = ("1 normal", "16 normal", "local gradient", "local gradient and 16 normal", "the gradient")
TARGETS = ("global", "local")
HIDDEN = 256
COMPARED = 10  # batches an epoch whose estimates are compared with the target's gradient


class Guesses(Experiment):
    """Test accuracy and cosine by guess and target."""

    name = "guesses"
    source = "arXiv 2306.06968, section 4"
    about = "gradient guess by gradient target for an MLP on MNIST: test accuracy and cosine to the target's gradient"
    costs = "full (10 epochs, 3 seeds): about an hour on 2 cores; --quick (2 epochs, 1 seed): 4 minutes"
    takes = ("data", "data_dir")

    def cells(self, settings: Settings) -> list[Cell]:
        """Return a run for each target, guess and seed."""
        cells = []
        for target in TARGETS:
            for guess in GUESSES:
                if target == "local" and guess.startswith("local"):
                    continue  # the guess would be the target: that is "the gradient"
                for seed in settings.seeds or ((0,) if settings.quick else (0, 1, 2)):
                    parameters = {
                        "target": target,
                        "guess": guess,
                        "seed": seed,
                        "epochs": 2 if settings.quick else 10,
                        "data": settings.data or "mnist",
                        "data_dir": settings.data_dir,
                    }
                    cells.append(Cell(f"{target}-{guess}-{seed}", parameters, 5.0 if guess == "the gradient" else 1.0))
        return cells

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return a row for each epoch."""
        dataset = data.load(parameters["data"], parameters["data_dir"])
        target, guess, seed, epochs = (parameters[name] for name in ("target", "guess", "seed", "epochs"))
        sizes = (dataset.train.inputs.shape[1], HIDDEN, HIDDEN, dataset.outputs)
        layers = initial(sizes, seed).layers
        # Each is trained by itself: the whole network, or each layer with a classifier on it.
        last = len(layers) - 1
        models: list[Any] = [nn.Sequential(layers)]
        if target == "local":
            heads = [initial((size, dataset.outputs), seed + 1 + i).layers for i, size in enumerate(sizes[1:-1])]
            models = [nn.Sequential([layer, *(heads[i] if i < last else [])]) for i, layer in enumerate(layers)]
        optimizer = optim.sgd(0.005, momentum=0.9, weight_decay=5e-4)
        learners = [
            Learner(model, loss, estimator(guess, seed, i, dataset.outputs), optimizer)
            for i, model in enumerate(models)
        ]
        batches = data.Batches(len(dataset.train.targets), BATCH, seed=seed)
        rows, steps = [], batches.steps_per_epoch
        for epoch in range(epochs):
            cosines = []
            for step in range(epoch * steps, (epoch + 1) * steps):
                chosen = batches.indices(step)
                x, y = dataset.train.inputs[chosen], dataset.train.targets[chosen]
                for learner in learners:
                    model = learner.model
                    _, g = learner.step(step, x, y)
                    if step % (steps // COMPARED) == 0:
                        cosines.append(cosine(g, exact(loss, model, x, y)[1]))
                    if target == "local":
                        x = model.layers[0](x)
                report(step / (epochs * steps))
            models = [learner.model for learner in learners]
            whole = nn.Sequential([model.layers[0] for model in models]) if target == "local" else models[0]
            validation, test = evaluate(whole, dataset.validation), evaluate(whole, dataset.test)
            row = {"target": target, "guess": guess, "seed": seed, "epoch": epoch + 1}
            row |= {"cosine": float(np.mean(cosines)), "validation_loss": validation[0], "test_accuracy": test[1]}
            rows.append(row)
        return rows

    def summary(self, table: list[Row]) -> list[Summary]:
        """Show test accuracy and cosine after the last epoch."""
        summaries = []
        last = select(table, epoch=max(row["epoch"] for row in table))
        for column, title in (("test_accuracy", "test accuracy"), ("cosine", "mean cosine to the target's gradient")):
            lines = []
            for guess in distinct(last, "guess"):
                groups = [select(last, guess=guess, target=target) for target in TARGETS]
                lines.append(
                    [guess, *(f"{np.mean([row[column] for row in group]):.4f}" if group else "" for group in groups)]
                )
            columns = ["guess", *(f"{target} target" for target in TARGETS)]
            summaries.append(Summary(f"{title}, epoch {last[0]['epoch']}, mean over seeds", columns, lines))
        return summaries

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw test accuracy against epochs, a panel for each target."""
        figure.set_size_inches(11, 4.5)
        for axes, target in zip(figure.subplots(1, 2, sharey=True), TARGETS, strict=True):
            for i, guess in enumerate(GUESSES):
                runs = select(table, target=target, guess=guess)
                epochs = distinct(runs, "epoch")
                means = [np.mean([row["test_accuracy"] for row in select(runs, epoch=epoch)]) for epoch in epochs]
                axes.plot(epochs, means, "o-", ms=3, color=f"C{i}", label=guess if runs else None)
            axes.set(title=f"{target} target", xlabel="epoch", ylabel="test accuracy")
            axes.grid(alpha=0.3)
        figure.axes[0].legend(fontsize=8)


def estimator(guess: str, seed: int, number: int, classes: int) -> Any:
    """Make ``(loss, model, *batch) -> value, gradient``, the projection on a guess; `number` tells estimators apart."""
    if guess == "the gradient":
        return exact
    noise = Normal(1 if guess == "1 normal" else 16, seed=1000 * seed + number)
    local = LocalClassifier(classes, seed=seed)
    samplers: dict[str, Sampler] = {
        "1 normal": noise,
        "16 normal": noise,
        "local gradient": local,
        "local gradient and 16 normal": Mixed(local, noise),
    }
    return ForwardGradient(samplers[guess], perturb="activity")


def exact(*args: Any) -> Any:
    """Compute the gradient itself, forward."""
    return exact_gradient(*args, perturb="activity", chunk_size=128)


def cosine(a: Any, b: Any) -> float:
    """Compute the cosine of the angle between two trees."""
    pairs = list(zip(tree.leaves(a), tree.leaves(b), strict=True))
    products = [sum(float(np.vdot(x, y)) for x, y in some) for some in (pairs, [(x, x) for x, _ in pairs])]
    length = np.sqrt(products[1] * sum(float(np.vdot(y, y)) for _, y in pairs))
    return products[0] / length if length > 0 else float("nan")
