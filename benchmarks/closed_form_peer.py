"""The closed-form experiment beside a plain loop over tangents in torch.func: how many times as fast is it?

    python benchmarks/closed_form_peer.py [RESULTS.csv]

Both descend the same functions by the same estimates in float64, on one core. Ours is the experiment itself: all
methods and seeds of one (function, n, k) are rows of one pass. The peer is what one would write first: for each run
and step one `torch.func.jvp` a tangent, then the mean, or the projection by solving with the Gram matrix; the true
gradient by `torch.func.grad`. Their estimates are compared before anything is timed. Times are per run and step, the
best of several, interleaved. With the results.csv of a full run, they are weighted by the steps that its runs took.
"""

from __future__ import annotations

import csv
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import fwdad
from fwdad.estimators import COMBINERS
from fwdad.experiments import EXPERIMENTS, Settings
from fwdad.experiments.landscapes import LANDSCAPES, derivatives, exact_gradient
from fwdad.perturbation import Directions

SIZES = (1, 4, 16, 64, 256, 1024)
OUR_STEPS, PEER_STEPS, ROUNDS = 100, 10, 3

FUNCTIONS = {
    "sphere": lambda x: torch.sum(x * x),
    "rosenbrock": lambda x: torch.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
    "styblinski-tang": lambda x: 0.5 * torch.sum(x**4 - 16 * x**2 + 5 * x),
}


def peer_estimate(f, x, v, method):
    """An estimate at x (n,) from tangents v (k, n), one JVP a tangent."""
    if method == "gradient":
        return torch.func.grad(f)(x)
    d = torch.stack([torch.func.jvp(f, (x,), (tangent,))[1] for tangent in v])
    if method == "mean":
        return d @ v / len(v)
    gram = v @ v.T
    # With k > n the Gram matrix is singular, and a solver that minds it is needed.
    c = torch.linalg.solve(gram, d) if len(v) <= len(x) else torch.linalg.pinv(gram, hermitian=True) @ d
    return v.T @ c


def peer_seconds(function, n, k, method, rate):
    """Seconds per step of one run."""
    f = FUNCTIONS[function]
    x = torch.tensor(LANDSCAPES[function].begin(n))
    start = time.process_time()
    for _ in range(PEER_STEPS):
        v = torch.randn(k or 1, n, dtype=torch.float64)
        x = x - rate * peer_estimate(f, x, v, method)
        f(x)
    return (time.process_time() - start) / PEER_STEPS


def our_seconds(parameters):
    """Seconds per step of one run, of those that are rows of one pass."""
    rows = EXPERIMENTS["closed-form"].run(parameters | {"steps": OUR_STEPS}, lambda part: None)
    return sum(row["seconds"] for row in rows) / sum(row["steps"] for row in rows)


def verify(function, n, k):
    """Raise unless both give the same estimates for the same tangents."""
    random = np.random.default_rng(0)
    x, v = random.standard_normal(n), random.standard_normal((k, n))
    landscape = LANDSCAPES[function]
    _, d = derivatives(landscape, x[None], v[:, None])
    ours = {m: COMBINERS[m]().gradient(d, Directions([v[:, None]], per_row=True))[0][0] for m in ("mean", "projection")}
    ours["gradient"] = exact_gradient(landscape, x[None])[1][0]
    for method, g in ours.items():
        theirs = peer_estimate(FUNCTIONS[function], torch.tensor(x), torch.tensor(v), method).numpy()
        error = np.linalg.norm(theirs - g) / max(np.linalg.norm(g), 1e-300)
        if not (error <= 1e-6 or (n == 1 and function == "rosenbrock")):
            raise SystemExit(f"{function}, n = {n}, k = {k}: the estimates by {method} differ by {error:.2e}")


def main() -> None:
    torch.set_num_threads(1)
    fwdad.kernels.set_num_threads(1)
    steps: dict[tuple[str, int, int | None], int] = {}
    if len(sys.argv) > 1:
        with Path(sys.argv[1]).open(newline="") as file:
            for row in csv.DictReader(file):
                key = row["function"], int(row["n"]), int(row["k"]) if row["k"] else None
                steps[key] = steps.get(key, 0) + int(row["steps"])
    table = Table(title="microseconds per run and step: torch.func loop / ours = ratio")
    for column in ("function", "n", "gradient", *(f"k = {k}" for k in (1, 2, 4, 16))):
        table.add_column(column, justify="right")
    lines: dict[tuple[str, int], list[str]] = {}
    spent = {function: [0.0, 0.0] for function in FUNCTIONS}
    for cell in EXPERIMENTS["closed-form"].cells(Settings()):
        function, n, k = (cell.parameters[name] for name in ("function", "n", "k"))
        if n not in SIZES:
            continue
        verify(function, n, min(n, k or 1))
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(our_seconds(cell.parameters))
            rates = cell.parameters["rates"]
            theirs.append(np.mean([peer_seconds(function, n, k, method, rate) for method, rate in rates.items()]))
        a, b = min(theirs), min(ours)
        lines.setdefault((function, n), []).append(f"{1e6 * a:.0f} / {1e6 * b:.1f} = {a / b:.0f}")
        weight = steps.get((function, n, k), 0 if steps else 1)
        spent[function][0] += weight * a
        spent[function][1] += weight * b
    for (function, n), cells in lines.items():
        table.add_row(function, str(n), *cells)
    console = Console(width=150)
    console.print(table)
    weighted = "weighted by the steps taken" if steps else "all runs alike"
    for function, (a, b) in [*spent.items(), ("all", np.sum(list(spent.values()), axis=0))]:
        console.print(f"{function}: {a / b:.1f} times as fast ({weighted}: {a:.1f} s / {b:.1f} s)", highlight=False)
    versions = f"fwdad {fwdad.__version__}, torch {torch.__version__}, numpy {np.__version__}"
    console.print(f"{platform.platform()}, one core; {versions}", highlight=False)


if __name__ == "__main__":
    main()
