"""ResNet18 and the vision transformer on MNIST and CIFAR-10, trained by the mean and the projection.

Every layer with parameters is moved, so that a direction has 86,026 (ResNet18, MNIST) to 931,850 (ViT, CIFAR-10)
entries. The true gradient, which takes as many directions as there are units, is therefore left out. Batch statistics
do not move (`fwdad.nn.BatchNorm`); initial values are those of `fwdad.nn`; images are not augmented.
"""

from __future__ import annotations

from typing import Any

from fwdad import data, nn
from fwdad.experiments.experiment import Settings, paper_table
from fwdad.experiments.networks import EPOCHS, NetworkTraining

BATCHES = {"mnist": 64, "cifar10": 128}
QUICK_METHODS = (("mean", "1"), ("mean", "16"), ("projection", "2"), ("projection", "16"))
QUICK_EPOCHS = 2
# Of a full run on 2 cores, by network and data set: seconds per step are in docs/reproduce.md.
DAYS = {("resnet18", "mnist"): 4, ("resnet18", "cifar10"): 4, ("vit", "mnist"): 29, ("vit", "cifar10"): 32}


class ImageNetwork(NetworkTraining):
    """One network of `fwdad.nn.MODELS` on one data set: a key of `DAYS`."""

    source = "arXiv 2410.17764, section 4.5"

    def __init__(self, network: str, data: str) -> None:
        self.network, self.data = network, data
        self.name = f"{network}-{data}"
        self.about = f"test accuracy of {network} on {data}, by mean and projection with the paper's rates"
        self.costs = (
            f"full (200 epochs, 3 seeds): up to {DAYS[network, data]} days on 2 cores; "
            "--quick (a small network, 2 epochs, 1 seed): 2 to 4 minutes"
        )

    def rows(self, settings: Settings) -> list[dict[str, str]]:
        """Return the rows of this network and data set; four of them in a quick run."""
        rows = [
            row
            for row in paper_table("network_learning_rates")
            if (row["model"], row["dataset"]) == (self.network, self.data) and row["method"] != "gradient"
        ]
        return [row for row in rows if (row["method"], row["k"]) in QUICK_METHODS] if settings.quick else rows

    def size(self, settings: Settings) -> dict[str, Any]:
        """Return data, batch size and epochs, and whether the network is a small one."""
        return {
            "data": settings.data or self.data,
            "batch": BATCHES[self.data],
            "epochs": QUICK_EPOCHS if settings.quick else EPOCHS,
            "small": settings.quick,
        }

    def cost(self, row: dict[str, str]) -> float:
        """Count directions, and three for what does not depend on k."""
        return 3 + float(row["k"])

    def model(self, parameters: dict[str, Any], dataset: data.Dataset) -> Any:
        """Make the network with the initial values of `fwdad.nn`."""
        network, shape = parameters["network"], dataset.shape
        options = small(network, shape[-1]) if parameters["small"] else {}
        return nn.MODELS[network](shape, dataset.outputs, seed=parameters["seed"], **options)


def small(network: str, side: int) -> dict[str, Any]:
    """Return options for a network a quarter as wide; the ViT has two layers and cuts an image into 4 x 4."""
    if network == "resnet18":
        return {"widths": (16, 32, 64, 128)}
    return {"patch": side // 4, "depth": 2, "width": 64, "hidden": 128}
