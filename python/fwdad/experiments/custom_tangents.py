"""Directions at a fixed angle to a first one: how well estimates do when directions are far from at right angles.

Approximation quality: a gradient of ones in n = 64 dimensions, each sample with directions of its own. Optimisation:
Styblinski-Tang at n = 64 by the mean and the projection, with the paper's rates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.estimators import COMBINERS, FixedAngle
from fwdad.experiments import experiment
from fwdad.experiments.experiment import Cell, Experiment, Report, Row, Settings, Summary, distinct, select
from fwdad.experiments.landscapes import LANDSCAPES, by_estimates, derivatives

N = 64
ANGLES = (15, 30, 45, 60, 75, 90)
TANGENTS = (4, 16, 64)
METHODS = ("mean", "projection")
FUNCTION = "styblinski-tang"


class CustomTangents(Experiment):
    """Quality of estimates and descents by them, by angle, method and k."""

    name = "custom-tangents"
    source = "arXiv 2410.17764, section 4.3"
    about = "directions at 15 to 90 degrees to a first one, n = 64: cosine and norm ratio; descents on Styblinski-Tang"
    costs = "full (1,000 samples, 5 seeds): 25 seconds; --quick (100 samples, 1 seed): 10 seconds"

    def cells(self, settings: Settings) -> list[Cell]:
        """Return a cell for the quality at each k and angle, and one for the descents where the paper has a rate."""
        seeds = list(settings.seeds or ((0,) if settings.quick else (0, 1, 2, 3, 4)))
        samples = 100 if settings.quick else 1000
        rates: dict[int, dict[tuple[str, str], float]] = {}
        for row in experiment.paper_table("custom_tangents_learning_rates"):
            rate = float(row["learning_rate"])
            rates.setdefault(int(row["k"]), {})[row["method"], row["angle_degrees"]] = rate
        cells = []
        for k in TANGENTS:
            for angle in ANGLES:
                about = {"k": k, "angle": angle}
                quality = about | {"part": "quality", "samples": samples, "seeds": seeds[:1]}
                cells.append(Cell(f"quality-k{k}-angle{angle}", quality, samples * k))
                if k in rates:
                    # The paper gives the projection one rate, for its estimate does not depend on the angle.
                    by_method = {"mean": rates[k]["mean", str(angle)], "projection": rates[k]["projection", ""]}
                    steps = LANDSCAPES[FUNCTION].steps  # of a quick run, too: after 200, the projection looks worse
                    descent = about | {"part": "descent", "rates": by_method, "seeds": seeds, "steps": steps}
                    cells.append(Cell(f"descent-k{k}-angle{angle}", descent, 10 * steps * k))
        return cells

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return the rows of either part; columns of the other part are None."""
        about = {"part": parameters["part"], "angle": parameters["angle"], "k": parameters["k"]}
        measure = quality if parameters["part"] == "quality" else descents
        nothing = dict.fromkeys(("cosine", "cosine_error", "norm_ratio", "norm_ratio_error", "best", "last", "steps"))
        return [about | nothing | row for row in measure(parameters, report)]

    def summary(self, table: list[Row]) -> list[Summary]:
        """Show mean cosines and mean best values by angle."""
        summaries = []
        for part, column, title in (
            ("quality", "cosine", "mean cosine to the gradient, n = 64"),
            ("descent", "best", "Styblinski-Tang, n = 64: best value, mean over seeds (minimum -2506.6)"),
        ):
            rows = select(table, part=part)
            cases = [(method, k) for method in METHODS for k in distinct(rows, "k")]
            lines = []
            for angle in distinct(rows, "angle"):
                groups = [select(rows, angle=angle, method=method, k=k) for method, k in cases]
                lines.append([str(angle), *(f"{np.mean([row[column] for row in group]):.5g}" for group in groups)])
            summaries.append(Summary(title, ["angle", *(f"{method}, k = {k}" for method, k in cases)], lines))
        return summaries

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw cosine, norm ratio and best value against the angle."""
        figure.set_size_inches(15, 4.5)
        panels = figure.subplots(1, 3)
        for axes, part, quantity, title in zip(
            panels,
            ("quality", "quality", "descent"),
            ("cosine", "norm_ratio", "best"),
            ("cosine to the gradient", "norm / norm of the gradient", f"{FUNCTION}, best value"),
            strict=True,
        ):
            rows = select(table, part=part)
            for method in METHODS:
                for k in distinct(rows, "k"):
                    groups = [select(rows, method=method, k=k, angle=angle) for angle in ANGLES]
                    values = [np.mean([row[quantity] for row in group]) for group in groups]
                    style = "o--" if method == "mean" else "s-"
                    color = f"C{TANGENTS.index(k)}"
                    axes.plot(ANGLES, values, style, color=color, ms=4, lw=1, label=f"{method}, k = {k}")
            axes.set(title=title, xlabel="angle to the first direction, degrees", xticks=ANGLES)
            axes.grid(alpha=0.3)
        panels[1].set_yscale("log")
        panels[0].legend(fontsize=8)


def quality(parameters: dict[str, Any], report: Report) -> list[Row]:
    """Return cosine and norm ratio over samples, each a row with directions of its own."""
    samples, k = parameters["samples"], parameters["k"]
    sampler = FixedAngle(k, seed=parameters["seeds"][0], angle=parameters["angle"])
    rows: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
    block = 100
    for i in range(samples // block):
        x = np.zeros((block, N))
        directions = sampler.directions([x], step=i, per_row=True)
        _, d = derivatives(LANDSCAPES["sphere"]._replace(terms=lambda x: x), x, directions.parts[0])
        for method, estimates in rows.items():
            estimates.extend(COMBINERS[method]().gradient(d, directions)[0])
        report((i + 1) * block / samples)
    result = []
    for method, estimates in rows.items():
        g = np.array(estimates)
        lengths = np.linalg.norm(g, axis=1)
        about: Row = {"method": method, "seed": parameters["seeds"][0]}
        for name, x in (("cosine", g.sum(axis=1) / lengths / np.sqrt(N)), ("norm_ratio", lengths / np.sqrt(N))):
            about |= {name: float(x.mean()), f"{name}_error": float(x.std(ddof=1) / np.sqrt(samples))}
        result.append(about)
    return result


def descents(parameters: dict[str, Any], report: Report) -> list[Row]:
    """Return best and last value for each method and seed; all are rows of one pass."""
    landscape, seeds, rates = LANDSCAPES[FUNCTION], parameters["seeds"], parameters["rates"]
    samplers = [FixedAngle(parameters["k"], parameters["angle"], seed=seed) for seed in seeds]
    template = np.zeros(N)

    def draw(step: int) -> np.ndarray:
        return np.stack([sampler.directions([template], step).dense() for sampler in samplers], axis=1)

    result = by_estimates(landscape, N, rates, len(seeds), draw, parameters["steps"], report)
    runs = [(method, seed) for method in rates for seed in seeds]
    return [
        {
            "method": method,
            "seed": seed,
            "best": float(result.best[i]),
            "last": float(result.last[i]),
            "steps": int(result.steps[i]),
        }
        for i, (method, seed) in enumerate(runs)
    ]
