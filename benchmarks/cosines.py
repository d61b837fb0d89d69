"""How close one estimate comes to the gradient of its batch, by what the directions move, combiner and k.

    python benchmarks/cosines.py [--batches 100] [--json FILE]

The network of fc-mnist, 784-256-256-10, after 400 steps of gradient descent on MNIST ($FWDAD_DATA); normal directions.
The figure is the cosine to the exact gradient over all weights, a mean over batches of 64 that training has not seen.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from fwdad import data, estimators, optim
from fwdad.experiments.fc_mnist import initial
from fwdad.experiments.networks import loss
from fwdad.perturbation import Activities, Weights

SIZES, BATCH, STEPS, RATE = (784, 256, 256, 10), 64, 400, 0.0260507  # the paper's rate for the gradient
TANGENTS = (1, 16, 64)
PERTURBATIONS = {
    "weight": Weights(),
    "activity, noise by batch": Activities("batch"),
    "activity, noise by example": Activities("example"),
}
COMBINERS = {"mean": estimators.Mean, "projection": estimators.Projection}


def trained(train: data.Split) -> Any:
    """The network after gradient descent; the gradient is computed forward."""
    model, optimizer = initial(SIZES, 0), optim.sgd(RATE)
    state = optimizer.init(model)
    batches = data.Batches(len(train.targets), BATCH, seed=0)
    for step in range(STEPS):
        chosen = batches.indices(step)
        _, g = estimators.exact_gradient(loss, model, train.inputs[chosen], train.targets[chosen])
        model, state = optimizer.step(g, state, model)
    return model


def main() -> None:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    mnist = data.load("mnist", os.environ.get("FWDAD_DATA"))
    model = trained(mnist.train)
    x, y = (a[: options.batches * BATCH] for a in (mnist.validation.inputs, mnist.validation.targets))
    batches = list(zip(np.split(x, options.batches), np.split(y, options.batches), strict=True))
    references = [estimators.exact_gradient(loss, model, *batch)[1] for batch in batches]
    rows = []
    for name, perturbation in PERTURBATIONS.items():
        for combiner, make in COMBINERS.items():
            for k in TANGENTS:
                fg = estimators.ForwardGradient(estimators.Normal(k, seed=0), make(), perturbation)
                reports = [
                    fg.diagnose(loss, model, *batch, reference=reference)[2]
                    for batch, reference in zip(batches, references, strict=True)
                ]
                cosine = float(np.mean([report.cosine for report in reports]))
                rows.append({"case": f"{name}, {combiner}", "k": k, "cosine": cosine})
                print(f"{rows[-1]['case']:40} k = {k:2}  {cosine:.4f}")
    if options.json:
        options.json.write_text(json.dumps({"records": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
