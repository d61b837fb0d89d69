"""Damaged run folders and odd command lines, the same for a seed: each is refused in one line or changes nothing.

    python benchmarks/fuzz_files.py --count 2000 --lines 60 --seed 0

A run that was stopped, and one of `fwdad reproduce`, are copied; a file in the copy is damaged, or replaced by that of
another run; then a command reads it. It must end with 0 or 2 and without a traceback, and with 0 only if what it leaves
and says is what it does with the undamaged folder; only the numbers in a metrics.csv, a table for people, may differ.
Nothing outside the folder may change. Prints the number of each.
"""

import argparse
import collections
import contextlib
import copy
import io
import json
import os
import random
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from fwdad.cli import main
from fwdad.experiments import EXPERIMENTS, Run, Settings
from fwdad.train import Observer, TrainConfig, Trainer

CONFIG = TrainConfig(hidden=(3,), tangents=1, epochs=3, batch_size=600, seed=3)
SETTINGS = Settings(quick=True, seeds=(3,))
COMMANDS = (
    ("checkpoint.safetensors", "train --resume --out RUN"),
    ("checkpoint.safetensors", "eval RUN"),
    ("best.safetensors", "eval RUN --weights best"),
    ("best.safetensors", "train --resume --out RUN"),
    ("config.json", "train --resume --out RUN"),
    ("metrics.csv", "plot RUN --out RUN/curves.svg"),
    ("result.json", "train --resume --out DONE"),
    ("checkpoint.safetensors", "train --resume --out DONE"),
    ("cells/CELL", "reproduce closed-form --quick --seeds 3 --jobs 1 --out CELLS"),
    ("settings.json", "reproduce closed-form --quick --seeds 3 --jobs 1 --out CELLS"),
)
VALUES = (None, True, "", "x", -1, 0, 1, 2, 7, 1e308, -0.5, 2**31, 2**63, [], {}, [[1]], {"a": 1}, "\x1b[31m", "\ud800")
RAW = (
    b"1" * 400,
    b"NaN",
    b"Infinity",
    b"-1",
    b"1e999",
    b"[" * 5000,
    b"null",
    b"\x00",
    b"\xff",
    b'"',
    b"{",
    b"1_0",
    b",",
)
OPTIONS = (
    "--hidden --tangents --batch-size --learning-rate --seed --threads --warmup --clip --average --label-smoothing"
)
OPTIONS = [*OPTIONS.split(), "--weight-decay", "--momentum", "--data", "--data", "--data-dir", "--target", "--device"]
CHOICES = ("--activation", "--sampler", "--optimizer", "--model", "--perturb", "--augment")
WORDS = [
    "",
    "-1",
    "0",
    "1",
    "2.5",
    "1e400",
    "9" * 400,
    "nan",
    "None",
    "\x1b[31mred",
    "../../x",
    "/dev/null",
    "x" * 5000,
]
WORDS += ["1_000", "١٢", "--", "relu", "sgd", "cuda", "cuda:99", "digits", "lenet5", "18446744073709551615", "."]
WORDS += ["a.csv", "b.npz", "\udcff"]


class Stop(Observer):
    """Stops a run within its second epoch."""

    def stepped(self, run):
        if run.progress.step == 3:
            run.stop()


def make(home):
    """The folders that are copied: a run that was stopped, a finished one, one of an experiment; and another run."""
    Trainer.new(CONFIG, home / "RUN", observers=[Stop()]).run()
    Trainer.new(CONFIG, home / "DONE").run()
    Trainer.new(TrainConfig(hidden=(4,), tangents=1, epochs=3, batch_size=600), home / "OTHER").run()
    with_cells(home / "CELLS").execute(lambda part: None)
    (home / "a.csv").write_text("a,b\n" + "1,2\n" * 20)
    (home / "b.npz").write_bytes(b"PK\x03\x04 nothing")


def with_cells(folder):
    run = Run(EXPERIMENTS["closed-form"], SETTINGS, folder, jobs=1)
    run.cells = few(run.cells)
    return run


def few(cells):
    return [cell for cell in cells if cell.parameters["n"] == 1][:2]


def command(words):
    """Run a command here; its exit code, and what it said on both streams."""
    said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
        try:
            main(words)
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:  # no error may come through
            code = f"{type(error).__name__}: {error}"
    return code, *(text.getvalue() for text in said)


def damaged(content, rng):
    """The content with bytes, a number or a JSON value changed."""
    way = rng.randrange(8)
    at = rng.randrange(len(content) + 1)
    if way == 0:
        return content[:at]
    if way == 1:
        return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
    if way == 2:
        return content[:at] + rng.choice(RAW) + content[at + rng.randrange(9) :]
    if way == 3:
        return content + rng.randbytes(rng.randrange(1, 40))
    if way == 4:
        return rng.choice((b"", b"[]", b"{}", b"null", b"[" * 100_000, b"\x00" * 64, content * 2))
    return damaged_json(content, rng)


def damaged_json(content, rng):
    """The content with a value changed in its JSON: all of it, or the header of a safetensors file."""
    if content[:1] in (b"{", b"["):
        return json.dumps(changed(json.loads(content), rng)).encode()
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
    except ValueError:
        return damaged(content, rng)
    if rng.random() < 0.7:
        header["__metadata__"]["fwdad"] = json.dumps(changed(json.loads(header["__metadata__"]["fwdad"]), rng))
    elif rng.random() < 0.5:
        name = rng.choice([name for name in header if name != "__metadata__"])
        header[name]["dtype"] = rng.choice(("BF16", "F8_E4M3", "F16", "I32", "F64", "U8"))
    else:
        header = changed(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def changed(value, rng):
    """The JSON value with one value in it replaced, removed or moved."""
    value = copy.deepcopy(value)
    node = value
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return rng.choice(VALUES)
        key = rng.choice(keys)
        if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.8:
            node = node[key]
            continue
        if rng.random() < 0.15:
            del node[key]
        else:
            node[key] = rng.choice(VALUES)
        return value


def state_of(folder):
    """The files below a folder, with their contents; locks aside."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def outcome(folder, said):
    """What must be the same whenever a command is carried out."""
    files = state_of(folder)
    kept = {name: files[name] for name in ("metrics.csv", "best.safetensors", "results.csv") if name in files}
    lines = [line for line in said.splitlines() if line.startswith(("test", "at the end", "best epoch", "The run"))]
    return kept, lines


def try_file(home, place, rng, expected):
    """Damage a file and run a command on it; what became of it, or a complaint."""
    name, line = rng.choice(COMMANDS)
    which = next(word for word in ("RUN", "DONE", "CELLS") if word in line)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(home, place)
    cell = rng.choice(sorted(os.listdir(home / "CELLS" / "cells")))
    path = place / which / name.replace("CELL", cell)
    before = path.read_bytes()
    other = home / "OTHER" / name
    path.write_bytes(other.read_bytes() if other.is_file() and rng.random() < 0.1 else damaged(before, rng))
    if path.read_bytes() == before:
        return "unchanged", None
    untouched = {name: text for name, text in state_of(place).items() if not name.startswith(which)}
    code, out, err = command(line.replace(which, str(place / which)).split())
    after = {name: text for name, text in state_of(place).items() if not name.startswith(which)}
    about = f"{name} for {line}: {code} {err[-300:]!r}"
    if (
        code not in (0, 2)
        or "Traceback" in err
        or (code == 2) != err.startswith("fwdad: error: ")
        or err.count("\n") > 1
    ):
        return "fault", about
    if after != untouched:
        return "fault", f"{about}: other files changed"
    if code == 0 and name != "metrics.csv" and outcome(place / which, out) != expected[line]:
        return "fault", f"{about}: accepted, with another outcome"
    return ("accepted" if code == 0 else "refused"), None


def try_line(home, place, rng):
    """Run an odd command line."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(home, place)
    os.chdir(place)  # a new one, of the same name
    kind = rng.choice(("train", "train", "train", "eval", "plot", "export", "reproduce", "bench", "download"))
    words = [rng.choice(WORDS) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    line = {
        "train": ["train", "--tangents", "1", "--target-accuracy", "0", "--hidden", "2"],
        "eval": ["eval", "DONE", "--data"],
        "plot": ["plot", "DONE", "--out"],
        "export": ["export", "DONE", "--onnx"],
        "reproduce": ["reproduce"],
        "bench": ["bench", "compare"],
        "download": ["download"],
    }[kind]
    if kind == "train":
        options = [rng.choice(OPTIONS if rng.random() < 0.8 else CHOICES) for _ in words]
        words = [word for pair in zip(options, words, strict=True) for word in pair]
    code, _, err = command([*line, *words])
    if code not in (0, 2) or "Traceback" in err or err.count("\n") > 1 or not err.replace("\n", "").isprintable():
        return "fault", f"{[*line, *words]!r:.300}: {code} {err[-300:]!r}"
    return ("accepted" if code == 0 else "refused"), None


def main_():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--lines", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, resource.RLIM_INFINITY))
    begin = Run.__init__

    def with_few(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self.cells = few(self.cells)

    Run.__init__ = with_few
    counts, faults = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        home, place = Path(folder) / "home", Path(folder) / "work" / "place"
        make(home)
        expected = {}
        for _, line in COMMANDS:
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(home, place)
            which = next(word for word in ("RUN", "DONE", "CELLS") if word in line)
            code, out, err = command(line.replace(which, str(place / which)).split())
            if code != 0:
                sys.exit(f"the undamaged folder: {line}: {code} {err}")
            expected[line] = outcome(place / which, out)
        rng = random.Random(options.seed)
        for kind, number in (("file", options.count), ("line", options.lines)):
            for _ in range(number):
                place.mkdir(parents=True, exist_ok=True)
                os.chdir(place)
                result, fault = try_file(home, place, rng, expected) if kind == "file" else try_line(home, place, rng)
                counts[f"{kind}s {result}"] += 1
                faults += [fault] if fault else []
        os.chdir("/")
    print(", ".join(f"{counts[name]} {name}" for name in sorted(counts)))
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main_()
