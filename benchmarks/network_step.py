"""Time per step of the networks of fc-mnist, by width, k and perturbation.

    python benchmarks/network_step.py

A step is what the experiment does: one estimate on a batch of 64 and one step of plain gradient descent, 784-w-w-10 in
float32, normal directions, global projection. Data is random: time does not depend on it. All cases take turns;
times are the processor's, of one thread: the median, and in brackets the best, of several rounds after a warm-up.
"""

from __future__ import annotations

import platform
import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import fwdad
from fwdad import kernels, optim
from fwdad.experiments.fc_mnist import initial
from fwdad.experiments.networks import estimator, loss
from fwdad.train import Learner

WIDTHS, TANGENTS = (256, 1024), (1, 16, 64)
MODES = {
    "weight": {"perturb": "weight", "noise": "batch"},
    "activity, noise by batch": {"perturb": "activity", "noise": "batch"},
    "activity, noise by example": {"perturb": "activity", "noise": "example"},
}
ROUNDS = 7


def stepper(width: int, mode: dict[str, str], method: str, k: int | None) -> Any:
    """Return a function that takes one step."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((64, 784)).astype(np.float32), random.integers(0, 10, 64)
    estimate = estimator({"method": method, "k": k, "seed": 0, **mode})
    learner = Learner(initial((784, width, width, 10), 0), loss, estimate, optim.sgd(1e-3))
    return lambda: learner.step(0, x, y)


def main() -> None:
    """Print the table."""
    kernels.set_num_threads(1)
    cases = {(mode, w, k): stepper(w, MODES[mode], "projection", k) for mode in MODES for w in WIDTHS for k in TANGENTS}
    cases |= {("exact gradient", w, None): stepper(w, {}, "gradient", None) for w in WIDTHS}
    times: dict[Any, list[float]] = {case: [] for case in cases}
    for _ in range(1 + ROUNDS):
        for case, step in cases.items():
            start = time.process_time()
            step()
            times[case].append(1e3 * (time.process_time() - start))
    table = Table(title="milliseconds per step: median (best)")
    columns = [(w, k) for w in WIDTHS for k in TANGENTS]
    for name in ("", *(f"w = {w}, k = {k}" for w, k in columns)):
        table.add_column(name, justify="right")
    for mode in MODES:
        measured = [times[mode, w, k][1:] for w, k in columns]
        table.add_row(mode, *(f"{np.median(t):.2f} ({min(t):.2f})" for t in measured))
    console = Console(width=150)
    console.print(table)
    for w in WIDTHS:
        t = times["exact gradient", w, None][1:]
        console.print(f"exact gradient by activities, w = {w}: {np.median(t):.1f} ({min(t):.1f}) ms", highlight=False)
    about = f"{platform.platform()}, one thread, {kernels.info()['isa']}"
    console.print(f"{about}; fwdad {fwdad.__version__}, numpy {np.__version__}", highlight=False)


if __name__ == "__main__":
    main()
