"""What is measured: the benchmarks' sizes and competitors, and how blocks of times become records."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fwdad.bench.machine import Peaks, installed_peers, peers_of
from fwdad.bench.processes import Case, Effort, Measured, Worker, campaign
from fwdad.bench.records import OURS, Record, paired_ratio, with_ratios
from fwdad.bench.suites import COPY, library
from fwdad.bench.suites.problems import BATCH, WORK
from fwdad.bench.task import BenchError

BACKPROP = ("torch-backprop", "jax-backprop")
"""Competitors of the step with k = 1 that are no peers: they go backwards, and get the whole gradient."""

LAYER = {"m": 64, "depth": 784, "n": 1024}
P = 270_000  # as many parameters as the network of width 256 has
MANY = (16, 64, 128, 256)
ALL = ("fwdad", "torch", "jax", "numpy")


def _projections(n: int, tangents: Sequence[int], *degrees: float) -> tuple[dict[str, Any], ...]:
    return tuple({"k": k, "n": n, "degrees": angle} for k in tangents for angle in degrees)


KERNELS: tuple[tuple[str, tuple[str, ...], tuple[dict[str, Any], ...]], ...] = (
    # benchmark           competitors                   sizes
    ("product",           ("fwdad", "torch", "numpy"),  ({**LAYER, "k": 16}, {**LAYER, "depth": 1024, "k": 64})),
    ("product",           ("fwdad", "torch", "numpy"),  ({"m": 64, "depth": 256, "n": 256, "k": 64},)),
    ("affine JVP",        ("fwdad", "torch", "numpy"),  tuple({**LAYER, "k": k, "dx": False} for k in (1, 16))),
    ("affine JVP",        ("fwdad", "torch", "numpy"),  ({**LAYER, "depth": 1024, "k": 16, "dx": True},)),
    ("normals + product", ALL,                          ({**LAYER, "k": 16},)),
    ("signs + product",   ("fwdad",),                   ({**LAYER, "k": 16},)),
    ("normals",           ALL,                          ({"n": 2**24},)),
    ("signs",             ("fwdad",),                   ({"n": 2**24},)),
    ("tanh JVP",          ("fwdad", "torch", "numpy"),  ({"n": 2**20, "k": 16},)),
    ("scaled tangents",   ("fwdad",),                   ({"n": 2**20, "k": 16},)),
    ("axpby",             ("fwdad", "torch", "numpy"),  ({"n": 2**23},)),
    ("conv JVP",          ("fwdad",),                   ({"m": 64, "depth": 32, "n": 64, "k": 8},)),
    ("weighted rows",     ("fwdad",),                   ({"m": 1024, "n": 1024, "k": 16},)),
    ("cross-entropy JVP", ("fwdad",),                   ({"m": 1024, "n": 1000, "k": 16},)),
    ("Gram matrix",       ("fwdad",),                   tuple({"k": k, "n": P, "exact": False} for k in MANY)),
    ("Gram matrix",       ("fwdad",),                   ({"k": 64, "n": P, "exact": True},)),
    ("combination",       ("fwdad",),                   ({"k": 64, "n": P},)),
    ("projection",        ("fwdad", "torch", "numpy"),  _projections(P, MANY, 90.0)),
    ("projection",        ("fwdad", "torch", "numpy", "torch-qr", "numpy-qr"),
                                                        _projections(20_000, (64,), 90.0, 15.0)),
)  # fmt: skip


def chosen_peers(given: str | None, device: str = "cpu") -> list[str]:
    """The peers of a comma-separated list; all that are installed, for this device, for None, none for "none".

    Raises BenchError for a name that is no peer's, or a peer that is not installed.
    """
    installed = installed_peers(device)
    if given is None:
        return installed
    names = [] if given == "none" else given.split(",")
    for name in names:
        if name not in peers_of(device):
            raise BenchError(f"--peers: expected names among {', '.join(peers_of(device))}, or none; given {name!r}")
        if name not in installed:
            how = f": pip install 'fwdad[peers]', or pip install {name}" if device == "cpu" else " for CUDA"
            raise BenchError(f"--peers: {name} is not installed{how}")
    return names


def kernel_cases(peers: Sequence[str], quick: bool = False, only: str = "", device: str = "cpu") -> list[Case]:
    """The kernels' benchmarks whose name contains `only`; `quick` keeps the first size of each.

    On a device CuPy takes the part of NumPy.

    Raises BenchError if there is none.
    """
    cases = [
        Case(what, sizes, _present(_competitors(what, who, sizes, device), peers))
        for what, who, all_sizes in KERNELS
        if only.lower() in what.lower()
        for sizes in all_sizes[: 1 if quick else None]
    ]
    if not cases:
        names = ", ".join(dict.fromkeys(what for what, *_ in KERNELS))
        raise BenchError(f"--only: no benchmark has {only!r} in its name; there are {names}")
    return cases


def step_cases(peers: Sequence[str], widths: Sequence[int], tangents: Sequence[int]) -> list[Case]:
    """The step at every width and number of tangents."""
    everyone = ("fwdad", "torch", "torch-loop", "jax", "numpy")
    return [
        Case("step", {"w": w, "k": k}, _present(everyone + (BACKPROP if k == 1 else ()), peers))
        for w in widths
        for k in tangents
    ]


def _competitors(what: str, who: Sequence[str], sizes: Mapping[str, Any], device: str) -> Sequence[str]:
    """Those of the table on a device: CuPy instead of NumPy there, and here a copy where memory is what bounds."""
    if device != "cpu":
        return [name.replace("numpy", "cupy") for name in who]
    work = WORK[what](**sizes)
    return (*who, COPY) if work.bytes and not work.flops else who


def _present(who: Sequence[str], peers: Sequence[str]) -> list[str]:
    return [name for name in who if name in (OURS, COPY) or library(name) in peers]


def measure(
    cases: Sequence[Case],
    effort: Effort,
    threads: int,
    peaks: Peaks,
    heard: Callable[[str], None] = lambda line: None,
    device: str = "cpu",
) -> list[Record]:
    """Measure all cases; the records of one case follow each other, fwdad's first."""
    records = []
    for case, found in zip(cases, campaign(cases, effort, threads, heard, device), strict=True):
        group = [record(case, who, measured, peaks) for who, measured in found.items()]
        group = with_ratios(group, no_peers=(*BACKPROP, COPY))
        copy = next((r for r in group if r.who == COPY), None)
        records += group if copy is None else [replace(r, share=paired_ratio(r.blocks, copy.blocks)) for r in group]
    return records


def record(case: Case, who: str, measured: Measured, peaks: Peaks) -> Record:
    """What a competitor's times at a case amount to."""
    seconds = statistics.median(measured.blocks)
    work = WORK[case.what](**case.sizes)
    gflops = work.flops / seconds / 1e9 if work.flops and who not in BACKPROP else None
    gbs = work.bytes / seconds / 1e9 if work.bytes else None
    return Record(
        what=case.what,
        who=who,
        w=case.sizes.get("w"),
        k=case.sizes.get("k"),
        shape=shape(case.sizes),
        ms=1e3 * seconds,
        gflops=gflops,
        gbs=gbs,
        share=peaks.share(gflops, gbs),
        ns=1e9 * seconds / work.values if work.values else None,
        error=measured.error,
        blocks=tuple(1e3 * block for block in measured.blocks),
    )


def shape(sizes: Mapping[str, Any]) -> str:
    """Sizes in words, without w and k.

    >>> shape({"m": 64, "depth": 784, "n": 1024, "k": 16, "dx": True})
    '64x784x1024 dx'
    """
    numbers = "x".join(str(sizes[name]) for name in ("m", "depth", "n") if name in sizes)
    words = [numbers, *(name for name in ("dx", "exact") if sizes.get(name))]
    if "degrees" in sizes:
        words.append(f"{sizes['degrees']:g} degrees")
    return " ".join(words)


def memory(
    who: Sequence[str], w: int, tangents: Sequence[int], threads: int, heard: Callable[[str], None] = lambda line: None
) -> list[Record]:
    """Peak memory of a process that does three steps and nothing else, for each competitor and number of tangents."""
    records = []
    for name in who:
        for k in tangents:
            heard(f"{name} w={w} k={k}")
            with Worker(name, threads) as worker:
                worker.ask(what="step", sizes={"w": w, "k": k}, verify=False)
                records.append(Record("memory", name, w, k, mb=worker.ask(memory=3)))
    return records


def memory_bound(w: int) -> float:
    """MB that one more tangent may cost: those of all layers' outputs, twice: ``2 B (sum of widths) 4 bytes``."""
    return 2 * BATCH * (w + w + 10) * 4 / 2**20
