"""Whether compiled objects keep to their instruction sets: ``check_isa.py base a.o b.o v2 c.o ... v4 d.o``; by objdump.

Two things together keep an instruction of a higher set from running where it must not. Objects of a set hold no
instruction of a higher one. And the linker merges nothing of theirs with the rest of the program: whatever function an
object offers for merging (a weak symbol, as inline functions are) has the set's own namespace in its name.

An instruction's set is read from its bytes. In 64-bit code the first byte C4 or C5 always begins the VEX encoding, of
AVX and AVX2 (v3), and 62 the EVEX encoding, of AVX-512 (v4); 0F 38, 0F 3A and popcnt begin what v2 adds.
"""

from __future__ import annotations

import re
import subprocess
import sys

LEVELS = ["base", "v2", "v3", "v4"]
PREFIXES = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3}
INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\t((?:[0-9a-f]{2} )+)\s*(\S.*)$")


def level_of(code: bytes) -> str:
    """The instruction set that an instruction needs."""
    at = 0
    while code[at] in PREFIXES:
        at += 1
    if code[at] in (0xC4, 0xC5):
        return "v3"
    if code[at] == 0x62:
        return "v4"
    if code[at] & 0xF0 == 0x40:  # REX
        at += 1
    if code[at : at + 2] in (b"\x0f\x38", b"\x0f\x3a") or (0xF3 in code[:at] and code[at : at + 2] == b"\x0f\xb8"):
        return "v2"
    return "base"


def run(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def check(level: str, path: str) -> tuple[set[str], list[str]]:
    """The instruction sets met in an object, and complaints."""
    met, complaints = set(), []
    for line in run("objdump", "-d", "--wide", path):
        match = INSTRUCTION.match(line)
        if match:
            needs = level_of(bytes.fromhex(match[1]))
            met.add(needs)
            if LEVELS.index(needs) > LEVELS.index(level):
                complaints.append(f"{path}: an instruction of {needs} in an object of {level}: {match[2]}")
    for line in run("nm", "--demangle", "--defined-only", path):
        _, kind, name = line.split(maxsplit=2)
        if level != "base" and kind in "Ww" and f"fwdad::{level}::" not in name:
            complaints.append(f"{path}: the linker may merge {name} with code of another instruction set")
    return met, complaints


def main(arguments: list[str]) -> int:
    # That the check sees what it looks for: pxor, pmulld, popcnt, vpxor, mulx, vpxord.
    known = {"660fefc0": "base", "660f3840c0": "v2", "f30fb8c0": "v2", "c5f9efc0": "v3", "c4e27bf6c0": "v3"}
    assert {code: level_of(bytes.fromhex(code)) for code in known} == known
    assert level_of(bytes.fromhex("62f17d48efc0")) == "v4"

    objects: dict[str, list[str]] = {}
    for argument in arguments:
        if argument in LEVELS:
            objects[argument] = []
        else:
            objects[list(objects)[-1]].append(argument)
    complaints: list[str] = []
    for level, paths in objects.items():
        results = [check(level, path) for path in paths]
        complaints += [complaint for _, found in results for complaint in found]
        met = set().union(*(m for m, _ in results))
        sys.stdout.write(f"{level}: {len(paths)} objects, instructions of {', '.join(x for x in LEVELS if x in met)}\n")
        if level not in met:
            complaints.append(f"no object of {level} uses its instruction set")
    sys.stdout.writelines(f"{complaint}\n" for complaint in complaints[:20])
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
