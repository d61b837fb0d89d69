"""Records as pictures; needs Matplotlib."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fwdad.bench.machine import Peaks
from fwdad.bench.plans import memory_bound
from fwdad.bench.records import OURS, Record
from fwdad.bench.task import BenchError

Axes = Any

FORMATS = (".png", ".svg", ".pdf")


def check_possible(path: Path) -> None:
    """Refuse a file whose name ends in no format to draw; say so where Matplotlib is missing."""
    if path.suffix.lower() not in FORMATS:
        raise BenchError(f"--plot: expected a name that ends in {', '.join(FORMATS)}; given {path}")
    if importlib.util.find_spec("matplotlib") is None:
        raise BenchError("--plot needs Matplotlib: pip install matplotlib")


def roofline(records: Sequence[Record], peaks: Peaks, path: Path) -> None:
    """Draw GFLOP/s against operations per byte, under the roof that memory and multiply-adds allow, and a bar for each.

    A number at a point is that of a bar. Bars are complete: also what counts no operations, or no bytes, has one.
    """
    ours = [r for r in records if r.who == OURS]
    figure, (axes, bars) = _axes(2, (15, max(6, 1 + 0.28 * len(ours))))
    intensity = np.logspace(-1, 4, 200)
    axes.plot(intensity, np.minimum(peaks.fma, peaks.read * intensity), "k-", lw=1, label="roof")
    for who in dict.fromkeys(r.who for r in records):
        points = [(r.gflops / r.gbs, r.gflops) for r in records if r.who == who and r.gflops and r.gbs]
        if points:
            axes.plot(
                *np.array(points).T, "o" if who == OURS else "x", ms=15 if who == OURS else 7, alpha=0.6, label=who
            )
    for number, r in enumerate(ours, 1):
        if r.gflops and r.gbs:
            axes.annotate(str(number), (r.gflops / r.gbs, r.gflops), fontsize=8, ha="center", va="center")
    axes.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s", title="Roofline, float32")
    names = [f"{r.what} {r.shape}{f' k={r.k}' if r.k else ''}  {n}" for n, r in enumerate(ours, 1)]
    drawn = bars.barh(range(len(ours)), [100 * (r.share or 0) for r in ours], label=OURS)
    bars.bar_label(drawn, [_rates(r) for r in ours], fontsize=8, padding=3)
    bars.set_yticks(range(len(ours)), names, fontsize=8)
    bars.invert_yaxis()
    bars.margins(x=0.3)
    bars.set(xlabel="% of the peak, or of a copy of as many bytes", title="Every kernel")
    _finish(figure, [axes, bars], path)


def _rates(r: Record) -> str:
    """Say what was measured, in its units."""
    rates = ((r.gflops, "GFLOP/s"), (r.gbs, "GB/s"), (r.ns, "ns a value"))
    return ", ".join(f"{value:.3g} {unit}" for value, unit in rates if value is not None)


def steps(records: Sequence[Record], peaks: Peaks, path: Path) -> None:
    """Draw milliseconds of a step against k, for each width."""
    widths = list(dict.fromkeys(r.w for r in records))
    figure, panels = _axes(len(widths), (5 * len(widths), 4.5))
    for axes, w in zip(panels, widths, strict=True):
        for who in dict.fromkeys(r.who for r in records):
            own = np.array([(r.k, r.ms) for r in records if r.who == who and r.w == w], float).T
            axes.plot(*own, "o-", lw=2.5 if who == OURS else 1, label=who)
        title = f"784-{w}-{w}-10, batch 64"
        axes.set(xscale="log", yscale="log", xlabel="tangents k", ylabel="ms per step", title=title)
    _finish(figure, panels, path)


def memory(records: Sequence[Record], peaks: Peaks, path: Path) -> None:
    """Draw peak memory against k, with the bound that fwdad's may not cross."""
    figure, (axes,) = _axes(1, (6, 4.5))
    w = records[0].w or 0
    for who in dict.fromkeys(r.who for r in records):
        k, mb = np.array([(r.k, r.mb) for r in records if r.who == who], float).T
        axes.plot(k, mb, "o-", label=who)
        if who == OURS:
            axes.plot(k, mb[0] + memory_bound(w) * (k - k[0]), "k--", lw=1, label="bound")
    axes.set(xlabel="tangents k", ylabel="peak memory of the process, MB", title=f"784-{w}-{w}-10, batch 64")
    _finish(figure, [axes], path)


def race(records: Sequence[Record], peaks: Peaks, path: Path) -> None:
    """Draw the seconds to each accuracy, a bar for each competitor that reaches it."""
    figure, (axes,) = _axes(1, (8, 4.5))
    goals, everyone = (list(dict.fromkeys(getattr(r, name) for r in records)) for name in ("what", "who"))
    for j, who in enumerate(everyone):
        points = [(goals.index(r.what), r.ms / 1e3) for r in records if r.who == who and r.ms is not None]
        places = [i + (j - (len(everyone) - 1) / 2) * 0.8 / len(everyone) for i, _ in points]
        bars = axes.bar(places, [seconds for _, seconds in points], 0.8 / len(everyone), label=who)
        axes.bar_label(bars, fmt="%.3g", fontsize=7)
    axes.set(ylabel="seconds of the processor, one core", title="Time to a test accuracy, SGD, batch 64")
    if any(r.ms is not None for r in records):  # a logarithmic axis without a bar cannot be drawn
        axes.set_yscale("log")
    axes.set_xticks(range(len(goals)), goals)
    _finish(figure, [axes], path)


def frontier(records: Sequence[Record], peaks: Peaks, path: Path) -> None:
    """Draw cos^2 against the time of a step; a line joins the numbers of directions of one sampler."""
    figure, (axes,) = _axes(1, (9, 6))
    for who in dict.fromkeys(r.who for r in records):
        own = [r for r in records if r.who == who]
        axes.plot([r.ms for r in own], [r.cos2 for r in own], "o-" if own[0].k is not None else "*", ms=8, label=who)
        for r in own if own[0].k is not None else []:
            axes.annotate(f"k={r.k}", (r.ms, r.cos2), fontsize=7, xytext=(4, 3), textcoords="offset points")
    title = "How near one step's estimate is to the gradient, on its own trajectory"
    axes.set(xscale="log", yscale="log", xlabel="ms per step, one core", ylabel="cos^2 to the gradient", title=title)
    _finish(figure, [axes], path)


def _axes(n: int, size: tuple[float, float]) -> tuple[Any, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(1, n, squeeze=False)[0])


def _finish(figure: Any, panels: Sequence[Axes], path: Path) -> None:
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)
