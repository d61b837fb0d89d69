"""Records: one figure each, with who reached it; ratios between them; files of them, and two files compared."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fwdad.bench.task import BenchError
from fwdad.files import read_json, write_json

OURS = "fwdad"

COPY = "copy"
"""Who copies in memory as many bytes as a benchmark moves at least, in turn with the others: bandwidth changes from
minute to minute."""


def goes_backwards(who: str) -> bool:
    """Whether a competitor computes the whole gradient by backpropagation: a yardstick, and no peer."""
    return who.endswith("-backprop")


def is_peer(who: str) -> bool:
    """Whether a competitor is another library that computes the same."""
    return who != COPY and not who.startswith(OURS) and not goes_backwards(who)


@dataclass(frozen=True)
class Record:
    """How long one competitor takes for one benchmark.

    Attributes
    ----------
    what, who : str
        The benchmark and the competitor.
    w, k : int or None
        Width of the network and number of tangents.
    shape : str
        The sizes in words.
    ms : float
        The median over blocks of calls, in milliseconds.
    ratio : float or None
        Time of the best peer / time of this one, the median over pairs of blocks measured side by side: above 1, it is
        faster than every peer. None where no peer took part.
    ahead : float
        Time of this one / time of fwdad, the median over pairs.
    gflops, gbs : float or None
        Work done per time, counted as the benchmark's own formula says.
    share : float or None
        The fraction of the peak.
    ns : float or None
        Nanoseconds for each random value.
    mb : float or None
        Peak memory in MB: of the process (memory benchmark), or of the arrays of one step (frontier).
    setting : str
        Learning rate, momentum and schedule, in words.
    steps : int or None
        Steps of training until an accuracy is reached, the median over seeds; then `ms` is the processor's time.
    cos2 : float or None
        The mean squared cosine of an estimate to the exact gradient.
    error : float
        Relative error of the answer against the truth.
    blocks : tuple of float
        Each block's median, in milliseconds, in order of measuring.
    """

    what: str
    who: str
    w: int | None = None
    k: int | None = None
    shape: str = ""
    ms: float | None = None
    ratio: float | None = None
    ahead: float | None = None
    gflops: float | None = None
    gbs: float | None = None
    share: float | None = None
    ns: float | None = None
    mb: float | None = None
    setting: str = ""
    steps: int | None = None
    cos2: float | None = None
    error: float | None = None
    blocks: tuple[float, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what two records of the same figure have in common."""
        return self.what, self.who, self.w, self.k, self.shape


def paired_ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of others / times, block by block: what slows the machine for a while slows both of a pair.

    Examples
    --------
    >>> paired_ratio([1.0, 2.0, 1.0], [4.0, 8.0, 9.0])
    4.0
    """
    return statistics.median(other / time for time, other in zip(times, others, strict=True))


def with_ratios(group: Sequence[Record]) -> list[Record]:
    """Return the records of one benchmark by all competitors, with their ratios.

    Examples
    --------
    >>> group = [Record("f", "fwdad", ms=1.0, blocks=(1.0,)), Record("f", "numpy", ms=3.0, blocks=(3.0,))]
    >>> [r.ratio for r in with_ratios(group)]
    [3.0, 1.0]
    """
    timed = [r for r in group if r.ms is not None]
    ours = next((r for r in timed if r.who == OURS), None)
    peers = [r for r in timed if is_peer(r.who)]
    best = min(peers, key=lambda r: r.ms or 0.0, default=None)
    return [
        replace(
            r,
            ratio=None if best is None or r.ms is None else paired_ratio(r.blocks, best.blocks),
            ahead=None if ours is None or r.ms is None else paired_ratio(ours.blocks, r.blocks),
        )
        for r in group
    ]


def write_records(path: Path, machine: dict[str, Any], peaks: dict[str, float], records: Sequence[Record]) -> None:
    """Write a report: ``{"machine": ..., "peaks": ..., "records": [...]}``, whole or not at all."""
    rows = [{name: value for name, value in asdict(r).items() if value not in (None, "", ())} for r in records]
    write_json(path, {"machine": machine, "peaks": peaks, "records": rows})


def read_records(path: Path) -> list[Record]:
    """Return the records of a report.

    Raises
    ------
    BenchError
        If the file holds no report.
    """
    try:
        value = read_json(path)
        return [Record(**{**row, "blocks": tuple(row.get("blocks", ()))}) for row in value["records"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(f"{path} is no report of fwdad bench: {error}") from error


@dataclass(frozen=True)
class Change:
    """One figure in two reports; `ratio` is before / after, so that above 1 is an improvement."""

    record: Record
    unit: str
    before: float
    after: float

    @property
    def ratio(self) -> float:
        """Return before / after."""
        return self.before / self.after


def compare(before: Sequence[Record], after: Sequence[Record]) -> list[Change]:
    """Return the figures that two reports have in common, in the order of the second.

    Examples
    --------
    >>> [c.ratio for c in compare([Record("f", "fwdad", ms=3.0)], [Record("f", "fwdad", ms=2.0)])]
    [1.5]
    """
    old = {r.key: r for r in before}
    changes = []
    for record in after:
        earlier = old.get(record.key)
        for unit in ("ms", "mb"):
            was, now = getattr(earlier, unit, None), getattr(record, unit)
            if was and now:
                changes.append(Change(record, unit, was, now))
    return changes


def check_writable(path: Path) -> None:
    """Raise BenchError, before hours of measuring, where a file cannot be written."""
    if path.is_dir():
        raise BenchError(f"cannot write {path}: it is a folder")
    if path.exists() and not path.is_file():  # a device or a pipe
        return
    try:
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            pass
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror}") from error
