"""What is measured: which benchmarks at which sizes, by whom, and how blocks of times become records."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fwdad.bench.benchmark import Benchmark, Sizes
from fwdad.bench.machine import Peaks, installed_peers, peers_of
from fwdad.bench.processes import Case, Effort, Measured, Worker, campaign
from fwdad.bench.records import COPY, OURS, Record, goes_backwards, paired_ratio, with_ratios
from fwdad.bench.suites import benchmarks
from fwdad.bench.suites.step import BATCH
from fwdad.bench.task import BenchError


def chosen_peers(given: str | None, device: str = "cpu") -> list[str]:
    """Return the peers of a comma-separated list: all that are installed, for this device, for None, none for "none".

    Raises
    ------
    BenchError
        If a name is no peer's, or a peer is not installed.
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
    """Return the kernels' benchmarks whose name contains `only`; `quick` keeps the first size of each.

    Raises
    ------
    BenchError
        If there is none.
    """
    cases = [
        Case(benchmark.name, sizes, _competitors(benchmark, sizes, peers, device))
        for benchmark in benchmarks().values()
        if only.lower() in benchmark.name.lower() and (benchmark.on_cuda or device == "cpu")
        for sizes in benchmark.sizes[: 1 if quick else None]
    ]
    if not cases:
        names = ", ".join(benchmark.name for benchmark in benchmarks().values() if benchmark.sizes)
        raise BenchError(f"--only: no benchmark has {only!r} in its name; there are {names}")
    return cases


def step_cases(peers: Sequence[str], widths: Sequence[int], tangents: Sequence[int], device: str = "cpu") -> list[Case]:
    """Return the step at every width and number of tangents."""
    all_sizes = [{"w": w, "k": k} for w in widths for k in tangents]
    return [Case("step", sizes, _competitors(benchmarks()["step"], sizes, peers, device)) for sizes in all_sizes]


def _competitors(benchmark: Benchmark, sizes: Sizes, peers: Sequence[str], device: str) -> list[str]:
    """Return ours and those of the peers: CuPy for NumPy on a device; in main memory a copy where memory bounds."""
    names = [who if device == "cpu" else who.replace("numpy", "cupy") for who in benchmark.competitors(sizes)]
    names = [who for who in names if who == OURS or who.partition("-")[0] in peers]
    work = benchmark.work(**sizes)
    return [*names, COPY] if device == "cpu" and work.bytes and not work.flops else names


def measure(
    cases: Sequence[Case],
    effort: Effort,
    threads: int,
    peaks: Peaks,
    report: Callable[[str], None] = lambda line: None,
    device: str = "cpu",
) -> list[Record]:
    """Measure all cases; the records of one case follow each other, fwdad's first."""
    records = []
    for case, found in zip(cases, campaign(cases, effort, threads, report, device), strict=True):
        group = [record(case, who, measured, peaks) for who, measured in found.items()]
        group = with_ratios(group)
        copy = next((r for r in group if r.who == COPY), None)
        records += group if copy is None else [replace(r, share=paired_ratio(r.blocks, copy.blocks)) for r in group]
    return records


def record(case: Case, who: str, measured: Measured, peaks: Peaks) -> Record:
    """Return what a competitor's times at a case amount to."""
    seconds = statistics.median(measured.blocks)
    work = benchmarks()[case.what].work(**case.sizes)
    gflops = work.flops / seconds / 1e9 if work.flops and not goes_backwards(who) else None
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
    """Return sizes in words, without w and k.

    Examples
    --------
    >>> shape({"m": 64, "depth": 784, "n": 1024, "k": 16, "dx": True})
    '64x784x1024 dx'
    """
    numbers = "x".join(str(sizes[name]) for name in ("m", "depth", "n") if name in sizes)
    words = [numbers, *(name for name in ("dx", "exact") if sizes.get(name))]
    if "degrees" in sizes:
        words.append(f"{sizes['degrees']:g} degrees")
    return " ".join(words)


def memory(
    who: Sequence[str], w: int, tangents: Sequence[int], threads: int, report: Callable[[str], None] = lambda line: None
) -> list[Record]:
    """Measure the peak memory of a process that does three steps, for each competitor and number of tangents."""
    records = []
    for name in who:
        for k in tangents:
            report(f"{name} w={w} k={k}")
            with Worker(name, threads) as worker:
                worker.ask(what="step", sizes={"w": w, "k": k}, verify=False)
                records.append(Record("memory", name, w, k, mb=worker.ask(memory=3)))
    return records


def memory_bound(w: int) -> float:
    """Return the MB that one more tangent may cost: all layers' outputs, twice, ``2 B (sum of widths) 4 bytes``."""
    return 2 * BATCH * (w + w + 10) * 4 / 2**20
