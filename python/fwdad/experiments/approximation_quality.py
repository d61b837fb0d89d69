"""How close forward gradients come to the gradient, for k random directions in n dimensions.

The gradient is that of ``f(x) = sum x``, all ones; a pass of f gives the derivatives d = V 1, and estimates are formed
as vectors and compared with it. Nothing is replaced by its distribution. What makes the full size affordable:

- directions 1 to k of one draw of 1,024 serve as the draw for k. Samples are independent, values of k are not.
- all k share one Gram matrix G = V V^T and one Cholesky factor G = L L^T, since the factor of a leading block is the
  leading block of the factor. With ``e = L^-1 d``, the projection on the first k has coefficients ``L_k^-T e_k``.
- n directions span the space with probability one, so for k > n the projection is that on the first n.
- all estimates of a sample are one matrix product with V.
- G is in float32 where k is at most n/2 and so its condition number below 34, else in float64.

In every cell the first sample's projections are also computed by the `Projection` combiner on streamed directions,
and the cell fails unless both agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import kernels, transforms
from fwdad.estimators import Normal, Projection, theory
from fwdad.experiments.experiment import Cell, Experiment, Report, Row, Settings, Summary, distinct, select
from fwdad.perturbation import Directions

METHODS = ("projection", "mean", "sum")
Z95 = 1.959964  # the normal distribution's 97.5% quantile
AGREEMENT = 1e-3  # of a projection's cosine by both ways; the directions are float32 and their span ill-conditioned


class ApproximationQuality(Experiment):
    """Cosine and norm ratio of each estimate, by n and k."""

    name = "approximation-quality"
    source = "arXiv 2410.17764, section 4.1"
    about = "cosine to the gradient and norm ratio of projection, mean and sum: n to 2^16, k to 2^10, beside theory"
    costs = "full: about 10 minutes on 2 cores, 1 GB; --quick (n to 2^10, k to 2^6, 100 samples): seconds"

    def cells(self, settings: Settings) -> list[Cell]:
        """Return blocks of samples for each n and seed."""
        sizes = [2**i for i in range(11 if settings.quick else 17)]
        k = 2**6 if settings.quick else 2**10
        cells = []
        for seed in settings.seeds or (0,):
            for n in sizes:
                samples = 100 if settings.quick or n > 2**14 else 1000
                block = 25 if n >= 2**13 else 100
                for first in range(0, samples, block):
                    parameters = {"n": n, "k": k, "seed": seed, "first": first, "samples": block}
                    cells.append(Cell(f"n{n}-seed{seed}-{first}", parameters, block * (n + k)))
        return cells

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return moments over the samples of a block, for each estimate and k."""
        n, samples = parameters["n"], parameters["samples"]
        ks = [2**i for i in range(parameters["k"].bit_length())]
        sampler = Normal(parameters["k"], seed=parameters["seed"])
        cosines, ratios = [], []
        for i in range(samples):
            # Each n has a parameter number, and so draws, of its own.
            stream = sampler.draw(n.bit_length(), (n,), np.float32, parameters["first"] + i)
            cosine, ratio = sample(stream.dense(), ks)
            if i == 0:
                check(stream, ks, cosine[0])
            cosines.append(cosine)
            ratios.append(ratio)
            report((i + 1) / samples)
        # Moments are all that is kept of a cell; `table` puts those of all cells together.
        rows = []
        for m, (method, tangents) in enumerate(ESTIMATES):
            for j, k in enumerate(ks):
                about = {"n": n, "k": k, "method": method, "tangents": tangents, "samples": samples}
                rows.append(about | _sums("cosine", cosines, m, j) | _sums("norm_ratio", ratios, m, j))
        return rows

    def table(self, rows: list[Row]) -> list[Row]:
        """Put the moments of all blocks together, beside theory."""
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            groups.setdefault((row["n"], row["k"], row["method"], row["tangents"]), []).append(row)
        table = []
        for (n, k, method, tangents), group in groups.items():
            samples = sum(row["samples"] for row in group)
            merged: Row = {"n": n, "k": k, "method": method, "tangents": tangents, "samples": samples}
            for quantity in ("cosine", "norm_ratio"):
                merged |= _merge(quantity, group, samples)
            table.append(merged | _theory(n, k, method, tangents))
        return table

    def summary(self, table: list[Row]) -> list[Summary]:
        """Show measured and expected cosine of projection and mean, and where they differ."""
        summaries = []
        for method in ("projection", "mean"):
            rows = select(table, method=method, tangents="as drawn")
            ks = distinct(rows, "k")
            lines = [
                [str(n), *(_shown(row) for row in sorted(select(rows, n=n), key=lambda row: row["k"]))]
                for n in distinct(rows, "n")
            ]
            off = [row for row in rows if not agrees(row)]
            worst = max(rows, key=lambda row: _deviation(row))
            remarks = [
                f"{len(rows) - len(off)} of {len(rows)} within 1% or 3 standard errors of theory; "
                f"the largest deviation is {_deviation(worst):.2%} of theory, at n = {worst['n']}, k = {worst['k']} "
                f"({abs(worst['cosine'] - worst['cosine_theory']) / (worst['cosine_error'] or np.inf):.1f} standard "
                "errors)",
                *(f"not within: n = {row['n']}, k = {row['k']}: {_shown(row)}" for row in off),
            ]
            columns = ["n", *(f"k = {k}" for k in ks)]
            summaries.append(Summary(f"{method}: mean cosine, measured / theory", columns, lines, remarks))
        return summaries

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw cosine and norm ratio against n, a line for each k."""
        ks = distinct(table, "k")
        shown = ks[:: max(1, (len(ks) - 1) // 5)]
        axes = figure.subplots(2, 3, sharex=True)
        figure.set_size_inches(13, 7.5)
        for column, (method, tangents) in enumerate(
            [("projection", "as drawn"), ("mean", "as drawn"), ("sum", "normalised")]
        ):
            for i, k in enumerate(shown):
                rows = select(table, method=method, tangents=tangents, k=k)
                ns = [row["n"] for row in rows]
                for line, quantity in enumerate(("cosine", "norm_ratio")):
                    panel = axes[line][column]
                    values = np.array([row[quantity] for row in rows])
                    error = Z95 * np.array([row[f"{quantity}_error"] for row in rows])
                    panel.plot(ns, values, "o-", ms=3, lw=1, color=f"C{i}", label=f"k = {k}")
                    panel.fill_between(ns, values - error, values + error, color=f"C{i}", alpha=0.25, lw=0)
                    expected = [row[f"{quantity}_theory"] for row in rows]
                    if expected[0] is not None:
                        panel.plot(ns, expected, "k:", lw=0.8, label="theory" if i == len(shown) - 1 else None)
                    panel.set_xscale("log", base=2)
                    panel.grid(alpha=0.3)
            axes[0][column].set_title(f"{method}, tangents {tangents}")
            axes[0][column].set_ylim(-0.02, 1.02)
            axes[1][column].set_yscale("log")
            axes[1][column].set_xlabel("dimension n")
        axes[0][0].set_ylabel("cosine to the gradient")
        axes[1][0].set_ylabel("norm / norm of the gradient")
        axes[0][0].legend(fontsize=8)


ESTIMATES = [
    ("projection", "as drawn"),
    ("mean", "as drawn"),
    ("sum", "as drawn"),
    ("mean", "normalised"),
    ("sum", "normalised"),
]
"""What is measured, in the order of the first axis of a sample; the projection is the same for normalised tangents."""


def sample(v: np.ndarray, ks: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines and norm ratios, (5, len(ks)) each in the order of `ESTIMATES`, for directions V (k, n)."""
    k, n = v.shape
    ones = np.ones(n, np.float32)
    _, d = transforms.jvp(lambda x: np.sum(x, dtype=np.float64), (ones,), (v,))
    first = np.arange(k) < np.array(ks)[:, None]  # (len(ks), k): which directions each estimate uses
    squares = np.einsum("kn,kn->k", v, v).astype(np.float64)
    mean = first * d / np.array(ks)[:, None]
    c = np.concatenate([nested_projections(v[:n], d[:n], ks, k), mean, mean / squares])
    estimates = (c.astype(np.float32) @ v).reshape(3, len(ks), n)
    norms = np.sqrt(np.einsum("mkn,mkn->mk", estimates, estimates, dtype=np.float64))
    cosine = np.sum(estimates, axis=-1, dtype=np.float64) / (norms * np.sqrt(n))
    ratio = norms / np.sqrt(n)
    total = ratio[1:] * ks  # a sum is k means
    return cosine[[0, 1, 1, 2, 2]], np.stack([ratio[0], ratio[1], total[0], ratio[2], total[1]])


def nested_projections(v: np.ndarray, d: np.ndarray, ks: list[int], columns: int) -> np.ndarray:
    """Return coefficients (len(ks), columns) of the projections on the first k directions, from one factor."""
    m, n = v.shape
    gram = (v @ v.T).astype(np.float64) if 2 * m <= n else kernels.gram(v)
    # One more row: the factor's last row is then e = L^-1 d. Any corner above |e|^2 <= |g|^2 = n will do.
    bordered = np.empty((m + 1, m + 1))
    bordered[:m, :m], bordered[m, :m], bordered[:m, m], bordered[m, m] = gram, d, d, 2 * n + 1
    factor = np.linalg.cholesky(bordered)
    e = (np.arange(m) < np.array(ks)[:, None]) * factor[m, :m]
    c = np.zeros((len(ks), columns))
    c[:, :m] = backward_substitution(factor[:m, :m], e.T).T
    return c


def backward_substitution(lower: np.ndarray, b: np.ndarray, block: int = 64) -> np.ndarray:
    """Solve ``L^T x = b`` for L (m, m) and b (m, r): a block of unknowns at a time, the last first."""
    x = b.copy()
    for start in reversed(range(0, len(b), block)):
        here = slice(start, start + block)
        below = slice(start + block, None)
        x[here] = np.linalg.solve(lower[here, here].T, x[here] - lower[below, here].T @ x[below])
    return x


def check(stream: Any, ks: list[int], cosine: np.ndarray) -> None:
    """Raise ArithmeticError unless the `Projection` combiner on the same directions has the same cosines."""
    (n,) = stream.primal_shape
    for k, expected in zip(ks, cosine, strict=True):
        v = Normal(k, seed=stream.seed).draw(stream.parameter, (n,), np.float32, stream.step)
        _, d = transforms.jvp(lambda x: np.sum(x, dtype=np.float64), (np.ones(n, np.float32),), (v.dense(),))
        (g,) = Projection().gradient(d, Directions([v]))
        found = np.sum(g, dtype=np.float64) / (np.linalg.norm(g.astype(np.float64)) * np.sqrt(n))
        if not abs(found - expected) <= AGREEMENT * expected:
            raise ArithmeticError(
                f"at n = {n}, k = {k}, step {stream.step} the nested projection has cosine {expected}, "
                f"but the combiner's {found}"
            )


def agrees(row: Row) -> bool:
    """Tell whether the measured mean cosine is within 1% or 3 standard errors of theory."""
    return bool(_deviation(row) <= 0.01 or abs(row["cosine"] - row["cosine_theory"]) <= 3 * row["cosine_error"])


def _deviation(row: Row) -> float:
    return float(abs(row["cosine"] / row["cosine_theory"] - 1))


def _shown(row: Row) -> str:
    return f"{row['cosine']:.4f} / {row['cosine_theory']:.4f}"


def _sums(name: str, values: list[np.ndarray], m: int, j: int) -> Row:
    x = np.array([value[m, j] for value in values])
    return {name: float(np.mean(x)), f"{name}_squares": float(np.sum((x - np.mean(x)) ** 2))}


def _merge(name: str, group: list[Row], samples: int) -> Row:
    """Return the mean and its standard error over cells, from each cell's mean and sum of squares around it."""
    mean = sum(row["samples"] * row[name] for row in group) / samples
    squares = sum(row[f"{name}_squares"] + row["samples"] * (row[name] - mean) ** 2 for row in group)
    error = float(np.sqrt(squares / (samples - 1) / samples))
    return {name: mean, f"{name}_error": error, f"{name}_low": mean - Z95 * error, f"{name}_high": mean + Z95 * error}


def _theory(n: int, k: int, method: str, tangents: str) -> Row:
    if method == "projection":
        expected = theory.projection(n, k)
        return {"cosine_theory": float(expected.cosine), "norm_ratio_theory": float(expected.norm_ratio)}
    if tangents == "normalised":  # nothing is derived
        return {"cosine_theory": None, "norm_ratio_theory": None}
    expected = theory.mean(n, k)
    ratio = float(expected.norm_ratio) * (k if method == "sum" else 1)
    return {"cosine_theory": float(expected.cosine), "norm_ratio_theory": ratio}
