"""A step along every unit's direction, on all rows and on some of them, beside backpropagation in PyTorch and JAX.

    python benchmarks/units_step.py [--rounds 31] [--json FILE]

A step is the gradient on a batch of 64 and one step of SGD with momentum 0.9 in float32, one thread: 784-w-w-10, and
`fwdad.nn.models.ConvNet`, two convolutions of 16 and 32 channels and a linear layer. Data is random: time does not
depend on it. Before anything is timed, the gradient of units has to be PyTorch's in float64 to
1e-6 of its largest entry, and the mean of 400 draws of rows as near to it as chance allows. All cases take turns; times
are the processor's: medians, and medians of the ratios to PyTorch's step of the same turn. Backpropagation would be
faster on fewer rows, too: the sampling of rows is no merit of forward mode.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import fwdad
from fwdad import estimators, kernels, nn, optim, tree
from fwdad.nn.models import ConvNet
from fwdad.train import Learner

RATE = 1e-3
Model = nn.MLP | ConvNet
MODELS: dict[str, tuple[Callable[[], Model], int]] = {  # and how many of 64 rows are drawn
    "w = 256": (lambda: nn.MLP((784, 256, 256, 10), seed=0), 16),
    "w = 1024": (lambda: nn.MLP((784, 1024, 1024, 10), seed=0), 16),
    "convolutions": (lambda: ConvNet((1, 28, 28), 10, seed=0), 24),
}


def loss(model: Model, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the loss of each example."""
    return nn.cross_entropy(model(x), y)


def layers_of(model: Model) -> list[Any]:
    """Return the layers with weights, in order."""
    return [*model.convs, model.fc] if isinstance(model, ConvNet) else list(model.layers)


def torch_network(model: Model, dtype: torch.dtype) -> torch.nn.Sequential:
    """Return the same network in PyTorch."""
    layers: list[torch.nn.Module] = [torch.nn.Unflatten(1, (1, 28, 28))] if isinstance(model, ConvNet) else []
    for layer in layers_of(model):
        weight: Any
        if layer.weight.ndim == 4:
            weight = torch.nn.Conv2d(*layer.weight.shape[2:], 3, stride=2, padding=1, dtype=dtype)
        else:
            layers += [torch.nn.Flatten()]
            weight = torch.nn.Linear(*layer.weight.shape, dtype=dtype)
        with torch.no_grad():
            weight.weight.copy_(
                torch.from_numpy(layer.weight.T.swapaxes(-1, -2) if layer.weight.ndim == 4 else layer.weight.T)
            )
            weight.bias.copy_(torch.from_numpy(layer.bias))
        layers += [weight, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_step(model: Model, x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """Return PyTorch's step of backpropagation, with one kernel for all parameters where that is faster (foreach)."""
    network = torch_network(model, torch.float32)
    optimizer = torch.optim.SGD(network.parameters(), RATE, momentum=0.9, foreach=True)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()

    return step


def jax_step(model: Model, x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """Return JAX's compiled step of backpropagation."""
    import jax
    from jax import numpy as jnp

    def mean_loss(parameters: list[tuple[jax.Array, jax.Array]]) -> jax.Array:
        z = jnp.asarray(x).reshape(len(x), 28, 28, 1) if parameters[0][0].ndim == 4 else jnp.asarray(x)
        for number, (weight, bias) in enumerate(parameters):
            z = jax.nn.relu(z) if number else z
            if weight.ndim == 4:
                axes = ("NHWC", "HWIO", "NHWC")
                z = jax.lax.conv_general_dilated(z, weight, (2, 2), [(1, 1)] * 2, dimension_numbers=axes) + bias
            else:
                z = (jnp.moveaxis(z, -1, 1) if z.ndim == 4 else z).reshape(len(z), -1) @ weight + bias
        return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(y)), y])

    @jax.jit
    def step(parameters, velocity):  # type: ignore[no-untyped-def]
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, jax.grad(mean_loss)(parameters))
        return jax.tree.map(lambda p, v: p - RATE * v, parameters, velocity), velocity

    parameters = [(jnp.asarray(layer.weight), jnp.asarray(layer.bias)) for layer in layers_of(model)]
    state = [(parameters, jax.tree.map(jnp.zeros_like, parameters))]

    def run() -> None:
        state[0] = jax.block_until_ready(step(*state[0]))

    return run


def check(model: Model, x: np.ndarray, y: np.ndarray, share: float) -> dict[str, float]:
    """Compare the estimates with PyTorch's gradient in float64; RuntimeError where they are not what they claim."""
    network = torch_network(model, torch.float64)
    outputs = network(torch.from_numpy(x.astype(np.float64)))
    torch.nn.functional.cross_entropy(outputs, torch.from_numpy(y)).backward()
    truth = [p.grad.numpy().transpose(2, 3, 1, 0) if p.ndim == 4 else p.grad.numpy().T for p in network.parameters()]

    def flat(gradient: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.ravel(part) for part in gradient]).astype(np.float64)

    double = tree.map(lambda leaf: leaf.astype(np.float64), model)
    _, exact = fwdad.ForwardGradient(estimators.Units())(loss, double, x.astype(np.float64), y)
    error = float(np.max(np.abs(flat(tree.leaves(exact)) - flat(truth))) / np.max(np.abs(flat(truth))))
    sampled = fwdad.ForwardGradient(estimators.Units(), rows=estimators.ByError(share))
    draws = [flat(tree.leaves(sampled(loss, model, x, y)[1])) for _ in range(400)]
    norm = float(np.linalg.norm(flat(truth)))
    mean = float(np.linalg.norm(np.mean(draws, axis=0) - flat(truth))) / norm
    spread = float(np.mean([np.linalg.norm(draw - flat(truth)) ** 2 for draw in draws])) / norm**2
    # The mean of n independent unbiased draws is off by the root of spread / n, give or take; twice that is not chance.
    if not (error < 1e-6 and mean < 2 * (spread / len(draws)) ** 0.5):
        raise RuntimeError(f"not the gradient: units are off by {error:.1e}, the mean of rows by {mean:.1e}")
    return {"error": error, "mean of 400": mean, "spread": spread}


def main() -> None:
    """Check, measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    kernels.set_num_threads(1)
    torch.set_num_threads(1)
    console, rows = Console(width=150), []
    for size, (make, drawn) in MODELS.items():
        random = np.random.default_rng(0)
        x, y = random.standard_normal((64, 784)).astype(np.float32), random.integers(0, 10, 64)
        model = make()
        console.print(f"{size}: {check(model, x, y, drawn / 64)}", highlight=False)
        cases: dict[str, Callable[[], object]] = {"PyTorch, backpropagation": torch_step(model, x, y)}
        cases["JAX, backpropagation"] = jax_step(model, x, y)
        for case, some in {"fwdad, every unit": False, "fwdad, every unit, on drawn rows": True}.items():
            chosen = estimators.ByError(drawn / 64) if some else None
            estimate = fwdad.ForwardGradient(estimators.Units(), rows=chosen)
            learner = Learner(model, loss, estimate, optim.sgd(RATE, momentum=0.9))
            cases[case] = functools.partial(learner.step, 0, x, y)
        times: dict[str, list[float]] = {case: [] for case in cases}
        for _ in range(5 + options.rounds):
            for case, step in cases.items():
                start = time.process_time()
                step()
                times[case].append(1e3 * (time.process_time() - start))
        base = np.array(times["PyTorch, backpropagation"][5:])
        for case, measured in times.items():
            ratio = float(np.median(np.array(measured[5:]) / base))
            rows.append({"case": case, "size": size, "ms": float(np.median(measured[5:])), "ratio": ratio})
    table = Table("step", "network", "ms", "times PyTorch's")
    for row in rows:
        table.add_row(row["case"], row["size"], f"{row['ms']:.2f}", f"{row['ratio']:.2f}")
    console.print(table)
    if options.json:
        options.json.write_text(json.dumps({"records": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
