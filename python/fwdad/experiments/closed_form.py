"""Descents on closed-form functions by the gradient, the mean and the projection of k directional derivatives.

All runs of one function, n and k are rows of one pass: methods times seeds. The runs of one seed see the same
directions whatever their method. The true gradient is computed forward too, and has no seed.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fwdad.estimators import Normal
from fwdad.experiments import experiment
from fwdad.experiments.experiment import Cell, Experiment, Report, Row, Settings, Summary, distinct, select
from fwdad.experiments.landscapes import LANDSCAPES, Descent, Landscape, by_estimates, descend, exact_gradient

SEEDS = (0, 1, 2, 3, 4)
FLOOR = 1e-14  # what is drawn of values at the minimum
DRAWN_AT_ONCE = 2**16  # entries a seed: directions of many steps come from one call of the generator


class ClosedForm(Experiment):
    """Best and last value of each descent, by function, method, k and n."""

    name = "closed-form"
    source = "arXiv 2410.17764, section 4.2"
    about = "sphere, Rosenbrock, Styblinski-Tang, n to 2^10: best and last value by gradient, mean and projection"
    costs = "full: 3 minutes on 2 cores; --quick (five n to 2^8, two seeds, Rosenbrock 2,500 steps): seconds"

    def cells(self, settings: Settings) -> list[Cell]:
        """Return a cell for each function, n and k of the paper's table."""
        rates: dict[tuple[str, int, int | None], dict[str, float]] = {}
        for row in experiment.paper_table("closed_form_learning_rates"):
            k = int(row["k"]) if row["k"] else None
            rates.setdefault((row["function"], int(row["n"]), k), {})[row["method"]] = float(row["learning_rate"])
        seeds = settings.seeds or (SEEDS[:2] if settings.quick else SEEDS)
        cells = []
        for (function, n, k), by_method in rates.items():
            if settings.quick and n not in (1, 4, 16, 64, 256):
                continue
            steps = min(LANDSCAPES[function].steps, 2_500 if settings.quick else 25_000)
            parameters = {"function": function, "n": n, "k": k, "rates": by_method, "seeds": list(seeds)}
            cost = steps * (4000 + n * (k or 1) * len(by_method) * len(seeds))
            cells.append(Cell(f"{function}-n{n}-k{k or 0}", parameters | {"steps": steps}, cost))
        return cells

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return a row for each method and seed; all descend in one pass."""
        function, n, k, steps = (parameters[name] for name in ("function", "n", "k", "steps"))
        landscape, rates = LANDSCAPES[function], parameters["rates"]
        start = time.process_time()
        if k is None:
            runs = [("gradient", None)]
            result = by_gradient(landscape, n, rates["gradient"], steps, report)
        else:
            seeds = parameters["seeds"]
            runs = [(method, seed) for method in rates for seed in seeds]
            result = by_estimates(landscape, n, rates, len(seeds), Draws(seeds, k, n), steps, report)
        # Rows share passes: each has its part of the processor time by its number of steps.
        per_step = (time.process_time() - start) / max(1, int(result.steps.sum()))
        return [
            {
                "function": function,
                "n": n,
                "method": method,
                "k": k,
                "seed": seed,
                "learning_rate": rates[method],
                "best": float(result.best[i]),
                "last": float(result.last[i]),
                "steps": int(result.steps[i]),
                "seconds": per_step * int(result.steps[i]),
            }
            for i, (method, seed) in enumerate(runs)
        ]

    def summary(self, table: list[Row]) -> list[Summary]:
        """Show the mean best value by n and method, a table for each function."""
        summaries = []
        for function in distinct(table, "function"):
            rows = select(table, function=function)
            methods = sorted({(row["method"], row["k"] or 0) for row in rows})
            lines = []
            for n in sorted(distinct(rows, "n")):
                values = (select(rows, n=n, method=method, k=k or None) for method, k in methods)
                lines.append([str(n), *(_mean(group, "best") for group in values)])
            columns = ["n", *(method if not k else f"{method} {k}" for method, k in methods)]
            seconds = sum(row["seconds"] for row in rows)
            steps = sum(row["steps"] for row in rows)
            stopped = sum(not np.isfinite(row["last"]) for row in rows)
            remarks = [f"{len(rows)} runs, {steps:,} steps, {seconds:.0f} s of one core; {stopped} runs diverged"]
            title = f"{function}: best value, mean over seeds (minimum {LANDSCAPES[function].minimum:g} n)"
            summaries.append(Summary(title, columns, lines, remarks))
        return summaries

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw what is left above the minimum against n."""
        functions = distinct(table, "function")
        figure.set_size_inches(5 * len(functions), 4.5)
        for axes, function in zip(figure.subplots(1, len(functions), squeeze=False)[0], functions, strict=True):
            rows = select(table, function=function)
            for method, k in sorted({(row["method"], row["k"] or 0) for row in rows}):
                group = select(rows, method=method, k=k or None)
                ns = sorted(distinct(group, "n"))
                # What is left above the minimum, per dimension, so that one axis serves all n.
                minimum = LANDSCAPES[function].minimum
                left = [[max(row["best"] / n - minimum, FLOOR) for row in select(group, n=n)] for n in ns]
                style = {"mean": "o--", "projection": "s-", "gradient": "-"}[method]
                color = "k" if not k else f"C{[1, 2, 4, 16].index(k)}"
                label = method if not k else f"{method}, k = {k}"
                axes.plot(ns, [np.mean(some) for some in left], style, color=color, ms=3, lw=1, label=label)
                if k:
                    axes.fill_between(
                        ns, [min(some) for some in left], [max(some) for some in left], color=color, alpha=0.15, lw=0
                    )
            axes.set(title=function, xlabel="dimension n", yscale="log")
            axes.set_xscale("log", base=2)
            axes.grid(alpha=0.3)
        figure.axes[0].set_ylabel("(best value - minimum) / n, mean and range over seeds")
        figure.axes[-1].legend(fontsize=7)


def by_gradient(landscape: Landscape, n: int, rate: float, steps: int, report: Report) -> Descent:
    """Descend once by the exact gradient."""
    return descend(
        landscape.begin(n)[None],
        np.array([rate]),
        lambda x, rows, step: exact_gradient(landscape, x),
        landscape.value,
        steps,
        report,
    )


class Draws:
    """The directions of several seeds, step by step: (k, seeds, n) float64, a function of seed and step alone."""

    def __init__(self, seeds: list[int], k: int, n: int) -> None:
        self.samplers = [Normal(k, seed=seed) for seed in seeds]
        self.k, self.n = k, n
        self.steps = max(1, DRAWN_AT_ONCE // (k * n))
        self._block, self._values = -1, np.empty((self.steps, k, len(seeds), n))

    def __call__(self, step: int) -> np.ndarray:
        """Return the directions of a step."""
        block, within = divmod(step, self.steps)
        if block != self._block:
            for s, sampler in enumerate(self.samplers):
                drawn = sampler.draw(0, (self.steps, self.n), np.float64, block).dense()
                self._values[:, :, s] = np.moveaxis(drawn, 1, 0)
            self._block = block
        return np.asarray(self._values[within])


def _mean(group: list[Row], column: str) -> str:
    return f"{np.mean([row[column] for row in group]):.4g}" if group else ""
