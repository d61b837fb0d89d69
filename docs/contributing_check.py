"""Follow CONTRIBUTING.md as it is written: apply each example to a copy of the repository and run its commands.

    python docs/contributing_check.py               all sections
    python docs/contributing_check.py "A kernel"    one of them

A block that begins with ```` ```python PATH ```` is a new file. ```` ```diff PATH ```` changes a file: lines that begin
with a blank or ``-`` stand in the file, once and in a row; those with a blank or ``+`` stand there afterwards.
A ```` ```sh ```` block of a section with such blocks is run in the copy.

The section "A kernel" is compiled before and after, and ninja's log must show that no other kernel was compiled again.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SECTION = re.compile(r"^### (.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
AT_MOST = {"A kind of direction": (1, 1), "A kernel": (5, 1), "An activation": (0, 2)}  # its row, its name
"""Section -> how many new files, and how many further lines, it may take."""


class Block(NamedTuple):
    """A piece of code of a section: ``language`` is sh, diff, or that of the new file ``path``."""

    language: str
    path: str
    text: str


def sections(page: str) -> dict[str, list[Block]]:
    """Find the blocks of each section that has an example."""
    _, *parts = SECTION.split(page)
    found = {
        title: [Block(*b) for b in BLOCK.findall(text)] for title, text in zip(parts[::2], parts[1::2], strict=True)
    }
    return {title: blocks for title, blocks in found.items() if any(block.path for block in blocks)}


def apply(block: Block, root: Path) -> tuple[int, int]:
    """Write a file, or change one; how many files and how many further lines it takes.

    Raises
    ------
    SystemExit
        The lines are not in the file, or more than once; or the new file is there already.
    """
    path = root / block.path
    if block.language != "diff":
        if path.exists():
            raise SystemExit(f"{block.path} is there already")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return 1, 0
    lines = block.text.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] != other) for other in "+-")
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise SystemExit(f"{block.path} has these lines {text.count(old)} times, expected once:\n{old}")
    path.write_text(text.replace(old, new), encoding="utf-8")
    return 0, sum(line[0] == "+" for line in lines)


def copy(to: Path) -> None:
    """Copy what git knows of, or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


def run(command: str, root: Path) -> None:
    """Run a command of the page in a copy; SystemExit where it fails.

    Python runs without its site module, whose hooks would find an installed fwdad first.
    """
    program, *words = shlex.split(command)
    python = {"pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider"], "python": []}
    full = [sys.executable, "-S", *python[program], *words] if program in python else [program, *words]
    path = os.pathsep.join([str(root / "python"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    print(f"   {command}", flush=True)
    if subprocess.run(full, cwd=root, env=os.environ | {"PYTHONPATH": path}).returncode:
        raise SystemExit(f"this failed: {command}")


def build(root: Path) -> set[str]:
    """Compile the native module into the package of a copy; the files that this made."""
    log = root / "build" / "werror" / ".ninja_log"
    before = log.read_text().splitlines() if log.exists() else []
    for command in ("cmake --preset werror -DFWDAD_CUDA=OFF", "cmake --build --preset werror --target _native"):
        subprocess.run(shlex.split(command), cwd=root, check=True, stdout=subprocess.DEVNULL)
    for module in (root / "build" / "werror").glob("_native*.so"):
        shutil.copy(module, root / "python" / "fwdad")
    return {line.split("\t")[3] for line in log.read_text().splitlines()[len(before) :] if line.count("\t") == 4}


def follow(title: str, blocks: list[Block]) -> None:
    """Follow a section in a fresh copy; SystemExit where something is not as the page says."""
    print(f"== {title}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy(root)
        native = any(block.path.endswith((".cpp", ".hpp")) for block in blocks)
        if native:
            build(root)
        else:
            shutil.copy(str(import_module("fwdad._native").__file__), root / "python" / "fwdad")
        taken = [apply(block, root) for block in blocks if block.path]
        files, lines = sum(f for f, _ in taken), sum(n for _, n in taken)
        print(f"   {files} new files, {lines} further lines", flush=True)
        if title in AT_MOST and (files > AT_MOST[title][0] or lines > AT_MOST[title][1]):
            raise SystemExit(f"{title} takes {files} files and {lines} lines, at most {AT_MOST[title]} are allowed")
        if native:
            own = {Path(block.path).name for block in blocks}
            kernels = {path.name for path in (root / "csrc" / "cpu").rglob("*.cpp")} - own - {"table.cpp"}
            made = {Path(name).name.removesuffix(".o") for name in build(root) if name.endswith(".cpp.o")}
            print(f"   compiled: {', '.join(sorted(made))}", flush=True)
            again = kernels & made
            if again or not own & made:
                raise SystemExit(f"compiled again, but no part of the change: {', '.join(sorted(again))}")
        for block in blocks:
            if block.language == "sh":
                for command in block.text.splitlines():
                    run(command, root)


def main() -> None:
    """Follow the sections that are named, or all."""
    found = sections((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    chosen = sys.argv[1:] or [*found, *AT_MOST.keys() - found.keys()]
    for title in chosen:
        if title not in found:
            raise SystemExit(f"CONTRIBUTING.md has no example in a section {title!r}; it has: {', '.join(found)}")
        follow(title, found[title])


if __name__ == "__main__":
    main()
