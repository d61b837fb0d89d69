"""The measured figures of README and docs: records in docs/figures/, and the pages' tables, made from them.

    python docs/figures.py                        write the tables into the pages
    python docs/figures.py --check                change nothing; exit 1 where a page differs from its records
    python docs/figures.py --list                 the records, how each is measured, and about how long that takes
    python docs/figures.py --measure [NAME ...]   measure all records or these, on a quiet machine; write the pages
    python docs/figures.py --measure NAME --quick a short round whose tables are shown and not kept

A picture that a command draws lies beside its record as ``NAME.png``; docs/gallery.md shows all of them.
A record, ``docs/figures/NAME.json``, holds ``commands``, ``date``, ``commit``, ``machine``, ``seconds`` (how long they
ran) and ``records``, its rows. A page shows a table between ``<!-- figures: TABLE -->`` and ``<!-- end -->``.
A new table is a line in `MEASURED`, one in `TABLES` and a marker in a page.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"(?<=<!-- figures: )(?P<table>[a-z0-9-]+)(?P<open> -->\n)(?P<text>.*?)(?=<!-- end -->)", re.DOTALL)

Record = dict[str, Any]


# Measuring.

MNIST = "fwdad train --data mnist --hidden 256 256 --tangents 16 --epochs 3"
TRAIN = (
    "fwdad train",
    "fwdad train --data mnist --hidden 256 256 --epochs 3",
    "fwdad train --data mnist --hidden 256 256 --epochs 3 --rows 0.25",
    MNIST,
    f"{MNIST} --perturb weight --learning-rate 0.002",
    "fwdad train --data fashion-mnist --model convnet --tangents 16 --learning-rate 0.003 --epochs 12",
)
RACES = ("fwdad bench time-to-accuracy", "fwdad bench time-to-accuracy --data fashion-mnist")
MEASURED: dict[str, tuple[float, tuple[str, ...], str]] = {
    # record                minutes, commands                                             for a short round
    "step":                  (5,   ("fwdad bench step",),                                  "--quick"),
    "kernels":               (9,   ("fwdad bench kernels",),                               "--quick"),
    "kernels-v3":            (2,   ("FWDAD_ISA=v3 fwdad bench kernels --peers none",),     "--quick"),
    "memory":                (0.5, ("fwdad bench memory",),                                "--quick"),
    "train":                 (6,   TRAIN,                                                  "--epochs 1"),
    "time-to-accuracy":      (18,  RACES,                                                 "--quick"),
    "frontier":              (4,   ("fwdad bench frontier",),                              "--quick"),
    "cosines":               (0.5, ("python benchmarks/cosines.py",),                      "--batches 1"),
    "network-step":          (0.5, ("python benchmarks/network_step.py",),                 "--rounds 1"),
    "units":                 (0.5, ("python benchmarks/units_step.py",),                   "--rounds 3"),
    "models":                (4,   ("python benchmarks/models_beside_torch.py",),          "--batch 16 --rounds 1"),
    "rosenbrock":            (0.5, ("python benchmarks/rosenbrock.py",),                   "--steps 100"),
    "approximation-quality": (12,  ("fwdad reproduce approximation-quality",),             "--quick"),
    "closed-form":           (3,   ("fwdad reproduce closed-form",),                       "--quick"),
    "custom-tangents":       (0.2, ("fwdad reproduce custom-tangents",),                   "--quick"),
    "fc-mnist":              (3,   ("fwdad reproduce fc-mnist --quick",),                  "--data digits"),
    "resnet18-mnist":        (4,   ("fwdad reproduce resnet18-mnist --quick",),            "--data digits"),
    "vit-mnist":             (2.5, ("fwdad reproduce vit-mnist --quick",),                 "--data digits"),
    "fgd-beale":             (0.1, ("fwdad reproduce fgd-beale",),                         "--quick"),
    "fgd-rosenbrock":        (0.1, ("fwdad reproduce fgd-rosenbrock",),                    "--quick"),
    "fgd-mnist":             (2,   ("fwdad reproduce fgd-mnist --quick",),                 "--data digits"),
    "guesses":               (4,   ("fwdad reproduce guesses --quick",),                   "--data digits"),
    "ff-snn":                (60,  ("fwdad reproduce ff-snn",),                            "--data digits"),
}  # fmt: skip


def measure(name: str, quick: bool = False) -> tuple[Record, bytes | None]:
    """Run a record's commands on the committed code; the record, and the picture that the first command drew."""
    from fwdad.bench import describe

    changed = git("status", "--porcelain", "--", "python", "csrc", "benchmarks")
    if changed and not quick:
        raise SystemExit(f"a record names the commit that was measured; commit these first:\n{changed}")
    _, commands, less = MEASURED[name]
    start = time.monotonic()
    parts, pictures = zip(*(run(f"{command} {less}" if quick else command) for command in commands), strict=True)
    record = {
        "commands": commands,
        "date": date.today().isoformat(),
        "commit": git("rev-parse", "--short", "HEAD"),
        "seconds": round(time.monotonic() - start, 1),
        "machine": describe(),
        **parts[0],
        "records": [row for part in parts for row in part["records"]],
    }
    return record, pictures[0]


def run(command: str) -> tuple[Record, bytes | None]:
    """Run one command; give its ``records``, where it says so ``machine`` and ``peaks``, and its picture."""
    words = shlex.split(command)
    settings = dict(word.split("=") for word in words if re.match(r"[A-Z_]+=", word))
    program, *words = words[len(settings) :]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        runs = words[0] in ("train", "reproduce")
        picture = out / "figure.png" if runs else Path(folder) / "figure.png"
        words += ["--out" if runs else "--json", str(out)]
        if program == "fwdad":
            words += ["--plot", str(picture)] if words[0] == "bench" else []
            words = ["-m", "fwdad.cli", *words]
        if subprocess.run([sys.executable, *words], cwd=ROOT, env=os.environ | settings).returncode:
            raise SystemExit(f"this failed: {command}")
        drawn = picture.read_bytes() if picture.is_file() else None
        if not runs:
            return read(out), drawn
        rows = summaries(out) if "reproduce" in words else [{"command": command, **read(out / "result.json")}]
        return {"records": rows}, drawn


def summaries(folder: Path) -> list[Record]:
    """Make the tables that `fwdad reproduce` shows of a finished run."""
    from fwdad.experiments import EXPERIMENTS, Run, Settings

    about = read(folder / "settings.json")
    experiment = EXPERIMENTS[about.pop("experiment")]
    given = {
        name: tuple(value) if isinstance(value, list) else value for name, value in about.items() if name != "fwdad"
    }
    return [summary._asdict() for summary in experiment.summary(Run(experiment, Settings(**given), folder).table())]


def git(*words: str) -> str:
    """Ask git."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


# Records as files: one line a row, so that a difference can be read.


def read(path: Path) -> Record:
    """Read a JSON object."""
    record: Record = json.loads(path.read_text(encoding="utf-8"))
    return record


def write(path: Path, record: Record) -> None:
    """Write a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ",\n    ".join(json.dumps(row) for row in record["records"])
    text = json.dumps(record | {"records": []}, indent=2).replace('"records": []', f'"records": [\n    {rows}\n  ]')
    path.write_text(text + "\n", encoding="utf-8")


# Tables: functions from records to lines of Markdown.

LONG = {
    "python": "Python",
    "numpy": "NumPy",
    "torch": "PyTorch",
    "jax": "JAX",
    "torch-loop": "PyTorch, a loop of forward AD",
    "torch-backprop": "backprop, PyTorch",
    "jax-backprop": "backprop, JAX",
    "fwdad-rows": "fwdad, rows by error",
    "fwdad-random": "fwdad, 16 random directions",
    "torch-qr": "PyTorch's QR",
    "numpy-qr": "NumPy's QR",
}
"""Names of versions and competitors, for people."""


def markdown(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Make a table.

    >>> markdown(["a", "b"], [["1", "2"]])
    ['| a | b |', '| --- | --- |', '| 1 | 2 |']
    """
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *lines)]


def number(value: float | None) -> str:
    """Format three significant digits, never in powers of ten; nothing for None.

    >>> [number(v) for v in (None, 0.01234, 1.2345, 123.4, 12345.6)]
    ['', '0.0123', '1.23', '123', '12346']
    """
    return "" if value is None else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def one(record: Record, **values: Any) -> Record:
    """Find the row that has these values; an empty one where there is none."""
    return next((row for row in record["records"] if values.items() <= row.items()), {})


def source(*records: Record) -> list[str]:
    """Say how, where and when something was measured."""
    first, seconds = records[0], sum(record["seconds"] for record in records)
    who = " ".join(["fwdad python numpy", *(str(row.get("who", "")).lower() for row in first["records"])])
    machine = first["machine"]
    said = [f"`{command}`" for record in records for command in record["commands"]]
    commands = "these commands" if len(said) > 2 else ", ".join(said)
    words = [
        f"{commands}: {seconds:.0f} s" if seconds < 100 else f"{commands}: {seconds / 60:.0f} minutes",
        f"{machine['cpu']}, {machine['threads']} threads, kernels for {machine['isa']}, {machine['compiler']}",
        ", ".join(f"{LONG.get(name, name)} {version}" for name, version in machine["versions"].items() if name in who),
        f"{first['date']}, commit {first['commit']}",
    ]
    if "peaks" in first:
        words[1] += ", peak {fma:.0f} GFLOP/s, memory {read:.0f} GB/s read and {copy:.0f} copied".format(
            **first["peaks"]
        )
    return ["", f"Measured by {'; '.join(words)}."]


def step(record: Record) -> list[str]:
    """Show milliseconds of a step by (w, k), and how fwdad compares with the best peer and with backpropagation."""
    who = list(dict.fromkeys(row["who"] for row in record["records"]))
    back = [name for name in who if name.endswith("backprop")]
    who = [name for name in who if name not in back]
    lines, slower = [], []
    for ours in (row for row in record["records"] if row["who"] == "fwdad"):
        times = {name: one(record, w=ours["w"], k=ours["k"], who=name).get("ms") for name in (*who, *back)}
        shown = [number(times[name]) for name in (*who, *back)]
        lines.append([f"{ours['w']}, {ours['k']}", *shown[: len(who)], number(ours.get("ratio")), *shown[len(who) :]])
        if ours["k"] == 1 and back:
            slower.append(number(ours["ms"] / min(times[name] for name in back)))
    columns = [
        "w, k",
        *(LONG.get(name, name) for name in who),
        "best of the others / fwdad",
        *(LONG[name] for name in back),
    ]
    said = f"With one tangent a step takes {' and '.join(slower)} times as long as the faster step of backpropagation."
    return [*markdown(columns, lines), "", said]


def kernels(record: Record) -> list[str]:
    """Show each kernel: its time, its error, the share of what bounds it, and the others' times and errors."""
    lines = []
    for ours in (row for row in record["records"] if row["who"] == "fwdad"):
        sizes = {key: ours[key] for key in ("what", "shape", "k") if key in ours}
        others = [row for row in record["records"] if sizes.items() <= row.items() and row["who"] != "fwdad"]
        what = ", ".join([ours["what"], ours["shape"], *([f"k = {ours['k']}"] if "k" in ours else [])])
        peers = [row for row in others if row["who"] != "copy"]
        if "ns" in ours:  # random values: an error is that of their distribution
            reaches, errors = f"{number(ours['ns'])} ns a value", {}
        else:
            reaches = f"{100 * ours['share']:.0f}% of {'the peak' if peers == others else 'a copy'}"
            errors = {row["who"]: f"{row['error']:.0e}" for row in (ours, *peers)}
        times = [f"{LONG[row['who']]} {number(row['ahead'])} ({errors.get(row['who'], '')})" for row in peers]
        lines.append([what, number(ours["ms"]), errors.get("fwdad", ""), reaches, ", ".join(times).replace(" ()", "")])
    columns = ["what", "ms", "error", "reaches", "time of the others / ours (their error)"]
    kept = [j for j in range(len(columns)) if any(line[j] for line in lines)]
    return markdown([columns[j] for j in kept], [[line[j] for j in kept] for line in lines])


def memory(record: Record) -> list[str]:
    """Show the peak memory of the step by number of tangents."""
    rows = record["records"]
    growth = (rows[-1]["mb"] - rows[0]["mb"]) / (rows[-1]["k"] - rows[0]["k"])
    columns = [f"w = {rows[0]['w']}", *(f"k = {row['k']}" for row in rows), "each further tangent"]
    return markdown(columns, [["MB", *(number(row["mb"]) for row in rows), number(growth)]])


def race(record: Record) -> list[str]:
    """Show the seconds to each accuracy, and the median of their ratios to PyTorch's."""
    lines = []
    who = list(dict.fromkeys(row["who"] for row in record["records"]))
    for what in dict.fromkeys(row["what"] for row in record["records"]):
        entries, base = [], one(record, what=what, who="torch-backprop").get("blocks")
        for name in who:
            blocks = one(record, what=what, who=name).get("blocks", ())
            ratios = [ours / theirs for ours, theirs in zip(blocks, base or (), strict=False)]
            ratio = f", {number(statistics.median(ratios))}" if ratios else ""
            entries.append(f"{number(statistics.median(blocks) / 1e3)} s{ratio}" if blocks else "not reached")
        lines.append([what, *entries])
    return markdown(["", *(LONG.get(name, name) for name in who)], lines)


def frontier(record: Record) -> list[str]:
    """Show what a step costs along each kind of direction, and how near it comes to the gradient."""
    lines = [
        [row["who"], str(row.get("k", "")), *(number(row[name]) for name in ("ms", "mb", "cos2")),
         number(row["cos2"] / row["ms"])]
        for row in record["records"]
    ]  # fmt: skip
    return markdown(["directions", "k", "ms", "MB", "cos^2", "cos^2 / ms"], lines)


def train(record: Record) -> list[str]:
    """Show what `fwdad train` reaches, and how long it takes."""
    lines = [
        [f"`{row['command']}`", f"{row['test_accuracy']:.3f}", f"{number(row['seconds'])} s"]
        for row in record["records"]
    ]
    return markdown(["command", "test accuracy", "time"], lines)


def by_two(record: Record, down: str, across: str, entry: str) -> list[str]:
    """Show a line for each value of one column, and a column for each value of another."""
    columns, cases = (list(dict.fromkeys(row[name] for row in record["records"])) for name in (across, down))
    found = {case: [one(record, **{down: case, across: value}) for value in columns] for case in cases}
    lines = [[case, *(entry.format(**row) if row else "" for row in rows)] for case, rows in found.items()]
    return markdown(["", *(f"{across} = {value}" if across == "k" else value for value in columns)], lines)


def experiment(record: Record, lines: str = ".*", columns: str = ".*") -> list[str]:
    """Show the tables of an experiment and its remarks; of its lines and columns those whose names match."""
    found = []
    for summary in record["records"]:
        kept = [j for j, name in enumerate(summary["columns"]) if j == 0 or re.fullmatch(columns, name)]
        rows = [[line[j] for j in kept] for line in summary["lines"] if re.fullmatch(lines, line[0])]
        remarks = f" ({'; '.join(summary['remarks'])})" if summary["remarks"] else ""
        found += [f"**{summary['title']}**{remarks}:", "", *markdown([summary["columns"][j] for j in kept], rows), ""]
    return found[:-1]


TABLES: dict[str, tuple[tuple[str, ...], Callable[[Record], list[str]]]] = {
    # table                 records                          lines of one record
    "step":                  (("step",),                       step),
    "kernels":               (("kernels",),                    kernels),
    "kernels-v3":            (("kernels-v3",),                 kernels),
    "memory":                (("memory",),                     memory),
    "train":                 (("train",),                      train),
    "time-to-accuracy":      (("time-to-accuracy",),           race),
    "frontier":              (("frontier",),                   frontier),
    "cosines":               (("cosines",),                    lambda r: by_two(r, "case", "k", "{cosine:.4f}")),
    "network-step":          (("network-step",),               lambda r: by_two(r, "size", "case", "{ms:.3g}")),
    "units":                 (("units",),
                              lambda r: by_two(r, "case", "size", "{ms:.2f} ms, {ratio:.2f}")),
    "models":                (("models",),
                              lambda r: by_two(r, "case", "who", "{ms:.0f} ms, {mib:.0f} MiB")),
    "rosenbrock":            (("rosenbrock",),                 lambda r: by_two(r, "case", "who", "{ms:.3g}")),
    "approximation-quality": (("approximation-quality",),
                              lambda r: experiment(r, "1024|16384|65536", "k = (1|16|256|1024)")),
    "closed-form":           (("closed-form",),                lambda r: experiment(r, "64|1024")),
    "custom-tangents":       (("custom-tangents",),            experiment),
    "fc-mnist":              (("fc-mnist",),                   experiment),
    "image-networks":        (("resnet18-mnist", "vit-mnist"), experiment),
    "fgd-functions":         (("fgd-beale", "fgd-rosenbrock"), experiment),
    "fgd-mnist":             (("fgd-mnist",),                  experiment),
    "guesses":               (("guesses",),                    experiment),
    "ff-snn":                (("ff-snn",),                     experiment),
}  # fmt: skip


def gallery(folder: Path) -> str:
    """Show the pictures of the records in a folder, each with the commands and the commit that made it."""
    parts = []
    for name in MEASURED:
        if (folder / f"{name}.png").is_file():
            parts += [f"## {name}", "", f"![{name}](figures/{name}.png)", *source(read(folder / f"{name}.json")), ""]
    return "\n".join(parts) or "Not measured yet: `python docs/figures.py --measure`.\n"


FRONT = {
    "time-to-accuracy": "Seconds of one core to an accuracy, forward only and by backpropagation",
    "approximation-quality": "The cosine of estimates to the gradient, by the number of directions",
}
"""The pictures of README, and what they show."""


def front(folder: Path) -> str:
    """Show README's pictures, those that have been measured, by their place from there."""
    shown = [
        f"![{words}](docs/figures/{name}.png)" for name, words in FRONT.items() if (folder / f"{name}.png").is_file()
    ]
    return "\n\n".join(shown or [f"Not measured yet: `python docs/figures.py --measure {' '.join(FRONT)}`."]) + "\n"


PICTURES = {"gallery": gallery, "front": front}
"""What stands between markers and is no table."""


def rendered(name: str, folder: Path) -> str:
    """Make the text of a table from the records in a folder."""
    if name in PICTURES:
        return PICTURES[name](folder)
    names, lines = TABLES[name]
    missing = [record for record in names if not (folder / f"{record}.json").is_file()]
    if missing:
        return f"Not measured yet: `python docs/figures.py --measure {' '.join(missing)}`.\n"
    records = [read(folder / f"{record}.json") for record in names]
    body = [line for record in records for line in (*lines(record), "")]
    return "\n".join([*body[:-1], *source(*records), ""])


# Pages.


def update(root: Path, check: bool) -> list[str]:
    """Write the tables into the pages, or only compare; what is wrong, one line each."""
    wrong, shown = [], set()
    for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        where, text = page.relative_to(root), page.read_text(encoding="utf-8")
        for found in MARKED.finditer(text):
            shown.add(found["table"])
            if found["table"] not in (*TABLES, *PICTURES):
                wrong.append(f"{where}: there is no table {found['table']!r}; there are {', '.join(TABLES)}")
                continue
            new = rendered(found["table"], root / "docs" / "figures")
            text = text.replace(found[0], f"{found['table']}{found['open']}{new}")
            if found["text"] != new and check:
                line = next(
                    (line for line in found["text"].splitlines() if line not in new.splitlines()), "lines are missing"
                )
                wrong.append(f"{where}: the table {found['table']} differs from its record: {line}")
        if not check:
            page.write_text(text, encoding="utf-8")
    return wrong + [f"no page shows the table {name!r}" for name in TABLES if name not in shown]


def main() -> None:
    """Parse, and do as asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a page differs")
    parser.add_argument("--list", action="store_true", help="show the records and how they are measured")
    parser.add_argument("--measure", nargs="*", choices=[[], *MEASURED], metavar="NAME", help="measure all or these")
    parser.add_argument("--quick", action="store_true", help="with --measure: a short round, not kept")
    options = parser.parse_args()
    if options.list:
        for name, (minutes, commands, _) in MEASURED.items():
            print(f"{name:22}{minutes:4g} min  {'; '.join(commands)}")
        print(f"{'all':22}{sum(minutes for minutes, *_ in MEASURED.values()):4g} min")
        return
    with tempfile.TemporaryDirectory() as short:
        folder = Path(short) if options.quick else ROOT / "docs" / "figures"
        for name in MEASURED if options.measure == [] else options.measure or ():
            print(f"== {name}: about {MEASURED[name][0]:g} minutes", flush=True)
            record, picture = measure(name, options.quick)
            write(folder / f"{name}.json", record)
            if picture is not None:
                (folder / f"{name}.png").write_bytes(picture)
        if options.quick:
            print("\n".join(rendered(name, folder) for name in TABLES if not rendered(name, folder).startswith("Not")))
            return
    wrong = update(ROOT, options.check)
    sys.exit("\n".join([*wrong, "the tables are made by: python docs/figures.py"]) if wrong else 0)


if __name__ == "__main__":
    main()
