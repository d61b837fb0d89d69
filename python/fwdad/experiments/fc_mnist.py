"""Fully connected networks on MNIST: 784-w-w-10, relu, initial values uniform in +-1/sqrt(inputs)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import data, nn, tree
from fwdad.experiments.experiment import Settings, paper_table
from fwdad.experiments.networks import EPOCHS, NetworkTraining

BATCH = 64


class FcMnist(NetworkTraining):
    """Networks of three widths by gradient, mean and projection."""

    name = "fc-mnist"
    source = "arXiv 2410.17764, section 4.4"
    about = "test accuracy of 784-w-w-10, w = 256, 1024, 4096, by gradient, mean and projection with the paper's rates"
    costs = (
        "full (up to 200 epochs, 3 seeds): on 2 cores two hours for w = 256, days for 1024, weeks for 4096, most of it "
        "the exact gradient; --quick (w = 256, 10 epochs, 1 seed): 3 minutes"
    )

    def rows(self, settings: Settings) -> list[dict[str, str]]:
        """Return the rows of the fully connected networks; of the smallest in a quick run."""
        networks = ("fc-256",) if settings.quick else ("fc-256", "fc-1024", "fc-4096")
        return [row for row in paper_table("network_learning_rates") if row["model"] in networks]

    def size(self, settings: Settings) -> dict[str, Any]:
        """Return data, batch size and epochs."""
        return {"data": settings.data or "mnist", "batch": BATCH, "epochs": 10 if settings.quick else EPOCHS}

    def cost(self, row: dict[str, str]) -> float:
        """Count directions times width."""
        width = _width(row["model"])
        return width * (10 + int(row["k"] or width))

    def model(self, parameters: dict[str, Any], dataset: data.Dataset) -> nn.MLP:
        """Make the network with the paper's initial values."""
        width = _width(parameters["network"])
        return initial((dataset.train.inputs.shape[1], width, width, dataset.outputs), parameters["seed"])


def _width(network: str) -> int:
    return int(network.removeprefix("fc-"))


def initial(sizes: tuple[int, ...], seed: int) -> nn.MLP:
    """Make an MLP whose weights and biases are uniform in ``+-1/sqrt(inputs)``, as the paper's framework draws them."""
    model = nn.MLP(sizes, activation="relu")
    random = np.random.default_rng(seed)
    leaves, structure = tree.flatten(model)
    drawn = []
    for leaf, inputs in zip(leaves, np.repeat(sizes[:-1], 2), strict=True):
        bound = 1 / np.sqrt(inputs)
        drawn.append(random.uniform(-bound, bound, leaf.shape).astype(leaf.dtype))
    return tree.unflatten(structure, drawn)  # type: ignore[no-any-return]
