"""Shows that the conformance suite on the host notices what it is there for: a missing barrier, an index off by one.

Each `block.sync()` of csrc/cuda is taken out in turn, and a few indices and limits are moved by one. The kernels are
then built for the host and the suite has to fail. Prints a line for each change; exits with 1 if one goes unnoticed.

    python tests/cuda/mutations.py          # all, some minutes
    python tests/cuda/mutations.py --quick  # one barrier and one index
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import host_module

WORK = host_module.ROOT / "build" / "cuda-mutations"
TESTS = {
    "shared/affine.cu": "test_affine_jvp.py", "shared/sign_product.cu": "test_affine_jvp.py",
    "shared/tile_part.hpp": "test_affine_jvp.py", "shared/philox.hpp": "test_generate.py",
    "shared/arithmetic.hpp": "test_combine.py", "shared/source.hpp": "test_combine.py",
    "shared/warp.hpp": "test_weighted_rows.py",
}  # fmt: skip
"""What tests a file that several kernels share; NAME.cu has test_NAME.py."""
OFF_BY_ONE = [
    ("shared/affine.cu", "const int64_t depth0 = (step - term * slabs) * slab;",
     "const int64_t depth0 = (step - term * slabs) * slab + 1;"),
    ("shared/tile_part.hpp", "at.inside && at.outer < outer_left && at.inner < inner_left",
     "at.inside && at.outer < outer_left - 1 && at.inner < inner_left"),
    ("shared/affine.cu", "make_quad(stream, i, quads, column0 + column, values);",
     "make_quad(stream, i, quads, column0 + column + 1, values);"),
    ("shared/affine.cu", "philox(stream, i, signs.block, column0 + column)",
        "philox(stream, i, signs.block + 1, column0 + column)"),
    ("shared/affine.cu", "shared.right[buffer][4 * quad + r][column] = values[r];",
     "shared.right[buffer][4 * quad + r][(column + 1) % tile_columns] = values[r];"),
    ("shared/affine.cu", "a.n, entries, a.n, 1}", "a.n, entries, a.n + 1, 1}"),
    ("shared/sign_product.cu", "constexpr int parts = 3;", "constexpr int parts = 2;"),
    ("shared/sign_product.cu", "const int64_t depth0 = step * slab;", "const int64_t depth0 = step * slab + 1;"),
    ("shared/sign_product.cu", "(first % 32 + 2 * place)", "(first % 32 + 2 * place + 1)"),
    ("shared/sign_product.cu", "const int pair = 4 * (q / 2) + place;", "const int pair = 4 * (q % 2) + place;"),
    ("shared/sign_product.cu", "philox(stream, i, block_of_words, column0 + thread)",
     "philox(stream, i, block_of_words, column0 + thread + 1)"),
    ("shared/sign_product.cu", "if (row < m && column < n) {", "if (row < m && column <= n) {"),
    ("shared/sign_product.cu", "(step + 1) % slabs_of_words == 0 || step + 1 == slabs",
     "(step + 1) % slabs_of_words == 0"),
    ("generate.cu", "if (four.row + r < source.rows) {", "if (four.row + r <= source.rows) {"),
    ("gram.cu", "if (direction < k && four < last) {", "if (direction < k && four < last - 1) {"),
    ("gram.cu", "4 * four + r][direction] = static_cast<Sum>(left[r])",
     "4 * four + r][(direction + 1) % tile] = static_cast<Sum>(left[r])"),
    ("combine.cu", "for (int64_t i = 0; i < k; ++i) {", "for (int64_t i = 1; i < k; ++i) {"),
    ("shared/source.hpp", "entry < stream.entries ? entry : -1", "entry <= stream.entries ? entry : -1"),
    ("projection_coefficients.cu", "for (int64_t p = 0; p < rank; ++p) {\n                    along",
     "for (int64_t p = 1; p < rank; ++p) {\n                    along"),
    ("scaled_tangents.cu", "const int64_t end = begin + together < k ? begin + together : k;",
     "const int64_t end = begin + together;"),
    ("scaled_tangents.cu", "const int64_t begin = at.quotient * together;",
     "const int64_t begin = at.quotient * together + 1;"),
    ("shared/warp.hpp", "sum_of_warp(const Block& block, T value) {\n    for (int mask = warp / 2;",
     "sum_of_warp(const Block& block, T value) {\n    for (int mask = warp / 4;"),
    ("weighted_rows.cu", "if (task >= k * rows) {", "if (task > k * rows) {"),
    ("cross_entropy_jvp.cu", "const T other = block.shuffle_xor(top, mask);", "const T other = top;"),
    ("cross_entropy_jvp.cu", "(j == label ? T(1) : T(0))", "(j == label + 1 ? T(1) : T(0))"),
    ("shared/arithmetic.hpp", "if (packed && count >= 4) {", "if (packed && count >= 2) {"),
    ("shared/philox.hpp", "turn < philox_rounds", "turn < philox_rounds - 1"),
]  # fmt: skip


def mutations():
    """(file, what is changed, the changed text)."""
    source = host_module.ROOT / "csrc" / "cuda"
    for path in sorted(source.rglob("*.cu")):
        text = path.read_text(encoding="utf-8")
        for barrier in re.finditer(r"block\.sync\(\);", text):
            line = text.count("\n", 0, barrier.start()) + 1
            name = str(path.relative_to(source))
            yield name, f"line {line}: no barrier", text[: barrier.start()] + text[barrier.end() :]
    for name, old, new in OFF_BY_ONE:
        text = (source / name).read_text(encoding="utf-8")
        if old not in text:
            raise SystemExit(f"{name} has no longer the text {old!r}: bring OFF_BY_ONE up to date")
        line = text.count("\n", 0, text.index(old)) + 1
        yield name, f"line {line}: {' '.join(new.split())}", text.replace(old, new, 1)


def noticed(name, text):
    """What the suite says to a changed file; None if it passes."""
    shutil.rmtree(WORK / "csrc", ignore_errors=True)
    shutil.copytree(host_module.ROOT / "csrc", WORK / "csrc")
    (WORK / "csrc" / "cuda" / name).write_text(text, encoding="utf-8")
    module = host_module.build(WORK / "csrc", WORK / "built")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "cuda-host"]
    result = subprocess.run(
        [*command, f"tests/kernels/{TESTS.get(name, f'test_{Path(name).stem}.py')}"],
        cwd=host_module.ROOT,
        env=os.environ | {"FWDAD_TEST_CUDA_HOST": str(module)},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = re.search(r"^(?:FAILED|ERROR) \S+::(\S+)", result.stdout, re.M)
    if result.returncode == 1 and failed:
        return failed.group(1)
    return f"the process ended with {result.returncode}" if result.returncode < 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one barrier and one index")
    parser.add_argument("files", nargs="*", help="changes of these files of csrc/cuda only")
    arguments = parser.parse_args()
    chosen = [m for m in mutations() if not arguments.files or m[0] in arguments.files]
    if arguments.quick:
        chosen = [next(m for m in chosen if "no barrier" in m[1]), next(m for m in chosen if "no barrier" not in m[1])]
    missed = 0
    for name, change, text in chosen:
        found = noticed(name, text)
        missed += found is None
        print(f"{name:26} {change:90.90} {'NOT NOTICED' if found is None else f'noticed by {found}'}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} changes noticed")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
