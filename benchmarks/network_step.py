"""Time per step of the networks of fc-mnist, by width, k and perturbation.

    python benchmarks/network_step.py [--rounds 7] [--json FILE]

A step is what the experiment does: one estimate on a batch of 64 and one step of plain gradient descent, 784-w-w-10 in
float32, normal directions, global projection. Data is random: time does not depend on it. All cases take turns;
times are the processor's, of one thread: the median and the best of several rounds after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
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


def stepper(width: int, mode: dict[str, str], method: str, k: int | None) -> Any:
    """Return a function that takes one step."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((64, 784)).astype(np.float32), random.integers(0, 10, 64)
    estimate = estimator({"method": method, "k": k, "seed": 0, **mode})
    learner = Learner(initial((784, width, width, 10), 0), loss, estimate, optim.sgd(1e-3))
    return lambda: learner.step(0, x, y)


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    kernels.set_num_threads(1)
    cases = {(mode, w, k): stepper(w, MODES[mode], "projection", k) for mode in MODES for w in WIDTHS for k in TANGENTS}
    cases |= {("exact gradient", w, None): stepper(w, {}, "gradient", None) for w in WIDTHS}
    times: dict[Any, list[float]] = {case: [] for case in cases}
    for _ in range(1 + options.rounds):
        for case, step in cases.items():
            start = time.process_time()
            step()
            times[case].append(1e3 * (time.process_time() - start))
    table = Table("what moves", "w, k", "ms per step, median", "best")
    rows = []
    for (mode, w, k), (_, *measured) in times.items():
        size = f"w = {w}" if k is None else f"w = {w}, k = {k}"
        rows.append({"case": mode, "size": size, "ms": float(np.median(measured))})
        table.add_row(mode, size, f"{rows[-1]['ms']:.2f}", f"{min(measured):.2f}")
    console = Console(width=150)
    console.print(table)
    about = f"{platform.platform()}, one thread, {kernels.info()['isa']}"
    console.print(f"{about}; fwdad {fwdad.__version__}, numpy {np.__version__}", highlight=False)
    if options.json:
        options.json.write_text(json.dumps({"records": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
