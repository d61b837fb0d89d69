"""Records as text: columns that line up, and the sentences that sum them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fwdad.bench.machine import Peaks
from fwdad.bench.plans import memory_bound
from fwdad.bench.records import OURS, Change, Record, goes_backwards, is_peer, paired_ratio

COLUMNS: dict[str, Callable[[Record], str]] = {
    "what":    lambda r: r.what,
    "shape":   lambda r: r.shape,
    "w":       lambda r: "" if r.w is None else str(r.w),
    "k":       lambda r: "" if r.k is None else str(r.k),
    "who":     lambda r: r.who,
    "steps":   lambda r: "" if r.steps is None else str(r.steps),
    "ms":      lambda r: number(r.ms),
    "GFLOP/s": lambda r: number(r.gflops),
    "GB/s":    lambda r: number(r.gbs),
    "% peak":  lambda r: "" if r.share is None else f"{100 * r.share:.0f}",
    "ns":      lambda r: number(r.ns),
    "MB":      lambda r: number(r.mb),
    "cos^2":   lambda r: number(r.cos2),
    "cos^2/ms": lambda r: "" if r.cos2 is None or r.ms is None else number(r.cos2 / r.ms),
    "error":   lambda r: "" if r.error is None else f"{r.error:.0e}",
    "x fwdad": lambda r: "" if r.ahead is None or r.who == OURS else number(r.ahead),
    "setting": lambda r: r.setting,
}  # fmt: skip
"""A column's name and entry."""


def number(value: float | None) -> str:
    """Return three significant digits, never in powers of ten.

    Examples
    --------
    >>> [number(v) for v in (None, 0.01234, 1.2345, 123.4, 12345.6)]
    ['', '0.0123', '1.23', '123', '12346']
    """
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(records: Sequence[Record]) -> str:
    """Return one line a record, without empty columns; an empty line where the benchmark changes."""
    rows = [[entry(r) for entry in COLUMNS.values()] for r in records]
    used = [j for j in range(len(COLUMNS)) if any(row[j] for row in rows)]
    body = [[row[j] for j in used] for row in rows]
    lines = aligned([[list(COLUMNS)[j] for j in used], *body])
    keys = [(r.what, r.shape, r.w, r.k) for r in records]
    for i in reversed(range(1, len(keys))):
        if keys[i] != keys[i - 1] and len(set(keys)) < len(keys):
            lines.insert(i + 1, "")
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of words in columns.

    Examples
    --------
    >>> aligned([["a", "bb"], ["cc", "d"]])
    ['a   bb', 'cc  d']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{word:<{w}}" for word, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def heading(machine: Mapping[str, Any], peaks: Peaks) -> str:
    """Return the machine, its peaks and the versions."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    memory = f"memory {peaks.read:.0f} GB/s read, {peaks.copy:.0f} GB/s copied"
    if "device" in machine:
        return "\n".join(
            [
                f"{machine['device']}; kernels {machine['cuda']}",
                versions,
                f"measured peak: {peaks.fma:.0f} GFLOP/s float32 (a product by cuBLAS), {memory}",
                "times by events, of 16 calls in a row",
            ]
        )
    return "\n".join(
        [
            f"{machine['cpu']}; {machine['threads']} threads, kernels for {machine['isa']}, {machine['compiler']}",
            versions,
            f"measured peak: {peaks.fma:.0f} GFLOP/s float32 ({peaks.fma_one:.0f} of one thread), {memory}",
            "BLAS and OpenMP overrides are removed from the competitors' environments",
        ]
    )


def step_summary(records: Sequence[Record]) -> list[str]:
    """Return how much faster fwdad is than the best peer, and than backpropagation, for each width and k."""
    lines = []
    for ours in (r for r in records if r.what == "step" and r.who == OURS):
        group = [r for r in records if (r.what, r.w, r.k) == (ours.what, ours.w, ours.k) and r.ms is not None]
        peers = [r for r in group if is_peer(r.who)]
        backwards = [r for r in group if goes_backwards(r.who)]
        if ours.ratio is not None:
            best = min(peers, key=lambda r: r.ms or 0.0)
            lines.append(f"w={ours.w} k={ours.k}: {ours.ratio:.2f} x as fast as the best peer, {best.who}")
        if backwards:
            fastest = min(backwards, key=lambda r: r.ms or 0.0)
            lines.append(
                f"w={ours.w} k={ours.k}: {1 / (fastest.ahead or 1):.2f} of the time of the fastest "
                f"backpropagation step, {fastest.who}"
            )
    return lines


def kernel_summary(records: Sequence[Record]) -> list[str]:
    """Return how much faster fwdad's kernels are than the best peer's, and what generation adds to a product."""
    ours = [r for r in records if r.who == OURS]
    lines = [
        f"{r.what} {r.shape}{'' if r.k is None else f' k={r.k}'}: {r.ratio:.2f} x as fast as the best peer"
        for r in ours
        if r.ratio is not None
    ]
    products = {(r.shape, r.k): r for r in ours if r.what == "product"}
    for r in ours:
        pure = products.get((r.shape, r.k))
        if r.what.endswith("+ product") and pure is not None and r.ms and pure.ms:
            lines.append(f"{r.what} {r.shape} k={r.k}: {r.ms / pure.ms:.2f} of the time of the product alone")
    return lines


def memory_summary(records: Sequence[Record]) -> list[str]:
    """Return the growth for each tangent, beside the bound."""
    lines = []
    for who in dict.fromkeys(r.who for r in records):
        own = [r for r in records if r.who == who and r.mb is not None and r.k is not None]
        first, last = own[0], own[-1]
        if first.k is None or last.k is None or first.mb is None or last.mb is None or first.k == last.k:
            continue
        growth = (last.mb - first.mb) / (last.k - first.k)
        bound = memory_bound(last.w or 0)
        lines.append(
            f"{who}: {growth:.3f} MB for each tangent from k={first.k} to k={last.k}, {growth / bound:.2f} of the "
            f"bound 2 B (sum of widths) 4 bytes = {bound:.3f} MB"
        )
    return lines


def race_summary(records: Sequence[Record]) -> list[str]:
    """Return who reached what in which part of the time of PyTorch's backpropagation, or of fwdad's without it."""
    lines = []
    for what in dict.fromkeys(r.what for r in records):
        group = {r.who: r for r in records if r.what == what}
        base = group.get("torch-backprop", group[OURS])
        for r in group.values():
            if r.ms is None:
                lines.append(f"{what}: {r.who} did not reach it with every seed")
            elif r is not base and base.ms is not None:
                ratio = 1 / paired_ratio(r.blocks, base.blocks)
                lines.append(f"{what}: {r.who} takes {ratio:.2f} of the time of {base.who}")
    return lines


def frontier_summary(records: Sequence[Record]) -> list[str]:
    """Return which estimators no other beats in time and in cos^2 at once, the fastest first."""
    best, lines = 0.0, []
    for r in sorted(records, key=lambda r: r.ms or 0.0):
        if r.cos2 is not None and r.cos2 > best:
            best = r.cos2
            lines.append(
                f"on the frontier: {r.who}{'' if r.k is None else f', k = {r.k}'}: {number(r.ms)} ms, {r.cos2:.3f}"
            )
    return lines


def change_table(changes: Sequence[Change]) -> str:
    """Return two reports side by side; a ratio above 1 is an improvement."""
    rows = [["what", "shape", "w", "k", "who", "", "before", "after", "before / after"]]
    for c in changes:
        r = c.record
        sizes = ["" if value is None else str(value) for value in (r.w, r.k)]
        rows.append([r.what, r.shape, *sizes, r.who, c.unit, number(c.before), number(c.after), f"{c.ratio:.2f}"])
    return "\n".join(aligned(rows))
