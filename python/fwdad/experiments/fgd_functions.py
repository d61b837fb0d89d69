"""Forward gradient descent with one direction on functions of two variables, beside descent by the gradient.

Starting points and learning rates are ours, since the paper's text does not fix them all; with these rates both methods
settle. The gradient is computed forward as well, with two directions a step. Times are those of one run by
itself, so that steps of the two methods compare.
"""

from __future__ import annotations

import functools
import time
from typing import Any, ClassVar

import numpy as np

from fwdad.estimators import ForwardGradient, Mean, Normal, exact_gradient
from fwdad.experiments.experiment import Cell, Experiment, Report, Row, Settings, Summary, distinct, select

ROWS_A_RUN = 200


def beale(p: Any) -> Any:
    """Compute ``(1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2``, 0 at (3, 1/2)."""
    x, y = p[0], p[1]
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y * y) ** 2 + (2.625 - x + x * y * y * y) ** 2


def rosenbrock(p: Any) -> Any:
    """Compute ``100 (y - x^2)^2 + (1 - x)^2``, 0 at (1, 1)."""
    x, y = p[0], p[1]
    return 100 * (y - x * x) ** 2 + (1 - x) ** 2


class FgdOnFunction(Experiment):
    """Trajectories on one function; a subclass names it."""

    source = "arXiv 2202.08587, section 5"
    costs = "full (1,000 steps, 10 seeds): seconds; --quick (200 steps, 2 seeds): less"
    start: ClassVar[tuple[float, float]]
    minimum: ClassVar[tuple[float, float]]
    rate: ClassVar[float]
    window: ClassVar[tuple[float, float, float, float]]  # x and y of the figure

    @staticmethod
    def function(p: Any) -> Any:
        """Compute the value at p = (x, y)."""
        raise NotImplementedError

    def cells(self, settings: Settings) -> list[Cell]:
        """Return one descent by the gradient, and one by the forward gradient for each seed."""
        seeds = settings.seeds or tuple(range(2 if settings.quick else 10))
        steps = 200 if settings.quick else 1000
        runs = [("gradient", None), *(("forward gradient", seed) for seed in seeds)]
        return [
            Cell(f"{method.replace(' ', '-')}-{seed}", {"method": method, "seed": seed, "steps": steps})
            for method, seed in runs
        ]

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return points of one descent, with time."""
        method, seed, steps = parameters["method"], parameters["seed"], parameters["steps"]
        function = self.function
        forward = ForwardGradient(Normal(1, seed=seed or 0), Mean(), perturb="weight")
        estimate: Any = functools.partial(exact_gradient, perturb="weight") if method == "gradient" else forward
        p = np.array(self.start)
        estimate(function, p)  # what is only done once is not timed
        forward.step = 0
        rows, seconds = [], 0.0
        for step in range(steps + 1):
            start = time.perf_counter()
            value, g = estimate(function, p)
            new = p - self.rate * g
            seconds += time.perf_counter() - start
            if step % max(1, steps // ROWS_A_RUN) == 0:
                where = {"step": step, "seconds": seconds, "value": value, "x": float(p[0]), "y": float(p[1])}
                rows.append({"method": method, "seed": seed} | where)
                report(step / steps)
            p = new
        return rows

    def summary(self, table: list[Row]) -> list[Summary]:
        """Show last value, distance to the minimum and time per step, by method."""
        lines = []
        for method in distinct(table, "method"):
            rows = select(table, method=method)
            last = [select(rows, seed=seed)[-1] for seed in distinct(rows, "seed")]
            values = [row["value"] for row in last]
            away = [np.hypot(row["x"] - self.minimum[0], row["y"] - self.minimum[1]) for row in last]
            micro = [1e6 * row["seconds"] / (row["step"] + 1) for row in last]
            lines.append(
                [
                    method,
                    str(len(last)),
                    *(f"{np.median(x):.3g}  ({min(x):.3g} to {max(x):.3g})" for x in (values, away)),
                    f"{np.median(micro):.0f}",
                ]
            )
        columns = ["method", "runs", "last value, median", "distance to the minimum", "microseconds per step"]
        return [Summary(f"{self.name}: from {self.start}, learning rate {self.rate:g}", columns, lines)]

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw value against steps and time, and the trajectories."""
        figure.set_size_inches(15, 4.5)
        by_step, by_time, plane = figure.subplots(1, 3)
        for method, color in (("forward gradient", "C0"), ("gradient", "k")):
            for i, seed in enumerate(distinct(select(table, method=method), "seed")):
                rows = select(table, method=method, seed=seed)
                label = method if i == 0 else None
                values = [row["value"] for row in rows]
                by_step.plot([row["step"] for row in rows], values, color=color, lw=0.8, label=label)
                by_time.plot([1e3 * row["seconds"] for row in rows], values, color=color, lw=0.8)
                plane.plot([row["x"] for row in rows], [row["y"] for row in rows], color=color, lw=0.8)
        for axes, xlabel in ((by_step, "step"), (by_time, "milliseconds")):
            axes.set(xlabel=xlabel, ylabel="value", yscale="log")
            axes.grid(alpha=0.3)
        by_step.legend()
        left, right, low, high = self.window
        x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
        values = np.log10(self.function((x, y)) + 1e-9)
        plane.contour(x, y, values, levels=15, cmap="Greys", linewidths=0.6)
        plane.plot(*self.minimum, "r*")
        plane.set(xlim=(left, right), ylim=(low, high), xlabel="x", ylabel="y")


class FgdBeale(FgdOnFunction):
    """The Beale function."""

    name = "fgd-beale"
    about = "one-direction forward gradient descent on Beale: value against steps and time, trajectories"
    function = staticmethod(beale)
    start, minimum, rate, window = (1.0, -1.0), (3.0, 0.5), 0.01, (-0.5, 4.0, -2.0, 1.5)


class FgdRosenbrock(FgdOnFunction):
    """The Rosenbrock function."""

    name = "fgd-rosenbrock"
    about = "one-direction forward gradient descent on Rosenbrock: value against steps and time, trajectories"
    function = staticmethod(rosenbrock)
    start, minimum, rate, window = (-1.0, 0.0), (1.0, 1.0), 5e-4, (-2.0, 2.0, -1.0, 2.5)
