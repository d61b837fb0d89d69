"""What the compiler says of the CUDA kernels: registers, shared memory, spills, occupancy, instructions; bytes moved.

Compiles csrc/cuda for every architecture with warnings as errors and prints one row a kernel and architecture. With
--check it exits with 1 where a kernel spills, needs more registers than its cap, or lacks the 128-bit loads or stores,
or the instructions of the matrix unit (HMMA), that it is meant to have. Needs nvcc, and nvdisasm for the instructions
(docs/cuda.md says from where); no GPU.

    python benchmarks/cuda_resources.py [--check]

Bytes: what all blocks read and write, whether it comes from memory or the second-level cache, over the least that any
kernel must (each array once), for 256 examples, a layer of 1024 x 1024, 16 directions.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

CSRC = Path(__file__).resolve().parents[1] / "csrc"
REGISTERS = 65536  # of a multiprocessor, on all of them


@dataclass(frozen=True)
class Architecture:
    """Limits of a multiprocessor (CUDA C++ Programming Guide, technical specifications per compute capability)."""

    name: str
    threads: int
    blocks: int
    shared: int


ARCHITECTURES = [
    Architecture("sm_80", 2048, 32, 164 << 10),
    Architecture("sm_90", 2048, 32, 228 << 10),
    Architecture("sm_100", 2048, 32, 228 << 10),
    Architecture("sm_120", 1536, 24, 100 << 10),
]

M, D, N, K = 256, 1024, 1024, 16  # the problem that bytes are counted for


def product(size, rows):
    """dy_i = x dw_i with a dense dw: every tile of dy reads its rows of x and its columns of dw."""
    moved = K * (M * D * (N // 64) + D * N * -(-M // rows) + M * N)
    return moved * size, (M * D + K * (D * N + M * N)) * size


def sign_product(columns):
    """x dw_i for signs that are made where they are needed: every tile of dy reads its rows of x."""
    return K * (M * D * (N // columns) + M * N) * 4, (M * D + K * M * N) * 4


def gram(size, entries=D * N):
    """16 directions are one tile; the sums of the sections go to memory and back."""
    sections = 1024
    return K * entries * size + sections * K * K * 8, K * entries * size


def scale(terms):
    """The factors are read once for 4 tangents (csrc/cuda/scaled_tangents.cu); tangents and results once."""
    return terms * (K // 4 + K) + K, terms * (1 + K) + K


def thin(outputs=10):
    """Each example reads w once; four of its units share s and v."""
    moved = M * (D * N + D // 4 * N * (1 + outputs))
    return moved, D * N + M * (2 * D + N) + N * outputs


@dataclass(frozen=True)
class Expected:
    """A kernel's row: registers at most, what must be 128 bits wide (but HMMA), and (bytes moved, bytes at least)."""

    threads: int
    registers: int
    wide: tuple[str, ...]
    moved: tuple[float, float]


KERNELS = {
    "Product<float, 8>":     Expected(256, 128, ("LDG", "LDS"), product(4, 128)),
    "Product<float, 2>":     Expected(256, 128, ("LDG", "LDS"), product(4, 32)),
    "Product<double, 4>":    Expected(256, 128, ("LDG", "LDS"), product(8, 64)),
    "Product<double, 2>":    Expected(256, 128, ("LDG", "LDS"), product(8, 32)),
    "SignProduct<2>":       Expected(256, 128, ("LDG", "HMMA"), sign_product(128)),
    "SignProduct<1>":       Expected(256, 128, ("LDG", "HMMA"), sign_product(256)),
    "Activate<float>":       Expected(256, 64, ("LDG", "STG"), (3, 3)),
    "Activate<double>":      Expected(256, 64, ("LDG", "STG"), (3, 3)),
    "Scale<float, false>":   Expected(256, 64, ("LDG",), scale(1)),
    "Scale<float, true>":    Expected(256, 64, ("LDG",), scale(2)),
    "Scale<double, false>":  Expected(256, 64, ("LDG", "STG"), scale(1)),
    "Scale<double, true>":   Expected(256, 64, ("LDG", "STG"), scale(2)),
    "WeightedRows<float>":   Expected(256, 40, (), (2 * K, K + 1)),
    "WeightedRows<double>":  Expected(256, 40, (), (2 * K, K + 1)),
    "UnitJvpThin<float>":    Expected(256, 64, (), thin()),
    "UnitJvpThin<double>":   Expected(256, 128, (), thin()),
    "LifJvp<float>":         Expected(256, 64, (), (1, 1)),
    "LifJvp<double>":        Expected(256, 128, (), (1, 1)),
    "CrossEntropy<float>":   Expected(256, 64, (), (5, 2)),
    "CrossEntropy<double>":  Expected(256, 64, (), (5, 2)),
    "Generate<float>":       Expected(256, 40, ("STG",), (1, 1)),
    "Generate<double>":      Expected(256, 40, ("STG",), (1, 1)),
    "Gram<float, float>":    Expected(256, 128, ("LDG",), gram(4)),
    "Gram<float, double>":   Expected(256, 128, ("LDG",), gram(4)),
    "Gram<double, double>":  Expected(256, 128, ("LDG",), gram(8)),
    "AddSections":           Expected(256, 64, (), (1, 1)),
    "Combine<float, false>": Expected(256, 80, ("LDG", "STG"), (1, 1)),
    "Combine<float, true>":  Expected(256, 80, (), (1, 1)),
    "Combine<double, false>": Expected(256, 80, ("LDG", "STG"), (1, 1)),
    "Combine<double, true>": Expected(256, 80, (), (1, 1)),
    "Coefficients<64>":      Expected(64, 128, (), (2, 1)),
    "Coefficients<256>":     Expected(256, 128, (), (2, 1)),
}  # fmt: skip


def tool(name):
    """Where a tool is: on the path, beside $CUDACXX, or in the wheels nvidia-cuda-*."""
    beside = [str(Path(os.environ["CUDACXX"]).parent)] if "CUDACXX" in os.environ else []
    wheels = [str(path / "nvidia" / "cu13" / "bin") for path in map(Path, sys.path)]
    return shutil.which(name, path=os.pathsep.join([*beside, os.environ["PATH"], *wheels]))


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def short(symbol):
    """`Product<float, 8>` from the mangled name of `run<fwdad::cuda::(anonymous namespace)::Product<float, 8>>`."""
    name = run("c++filt", symbol)
    return re.search(r"run<fwdad::cuda::\(anonymous namespace\)::(.*?) ?>\(", name).group(1).strip()


def compiled(nvcc, nvdisasm, architecture, source, folder):
    """name -> (registers, shared memory, spilled bytes, wide and matrix instructions) of a file's kernels."""
    cubin = folder / f"{source.stem}.{architecture.name}.cubin"
    flags = ["-std=c++20", "-O3", "--fmad=false", "--Werror=all-warnings", "-Xptxas=-v"]
    flags += ["-Xcompiler=-Wall,-Wextra,-Wshadow,-Wconversion,-Werror", f"-I{CSRC}"]
    report = run(nvcc, *flags, f"-arch={architecture.name}", "-cubin", str(source), "-o", str(cubin))
    sections = dict.fromkeys(re.findall(r"entry function '(\w+)'", report), "")
    if nvdisasm and sections:
        code = run(nvdisasm, "-c", str(cubin))
        sections |= dict(re.findall(r"\.section\s+\.text\.(\w+),(.*?)(?=\.section\s|\Z)", code, re.S))
    rows = {}
    for symbol in sections:
        about = report[report.index(f"'{symbol}'") :]
        spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", about)
        used = re.search(r"Used (\d+) registers.*", about)
        shared = re.search(r"(\d+) bytes smem", used.group(0))
        code = sections[symbol]
        wide = {kind for kind in ("LDG", "STG", "LDS") if re.search(rf"\b{kind}\S*\.128", code)}
        wide |= {"HMMA"} if re.search(r"\bHMMA\.16816\.F32\.BF16\b", code) else set()
        rows[short(symbol)] = (
            int(used.group(1)), int(shared.group(1)) if shared else 0, sum(map(int, spills.groups())), wide,
        )  # fmt: skip
    return rows


def occupancy(architecture, threads, registers, shared):
    """Share of a multiprocessor's threads that can be resident at once."""
    warps = threads // 32
    by_registers = REGISTERS // (-(-registers * 32 // 256) * 256) // warps
    by_shared = architecture.shared // (shared + 1024)  # a kilobyte a block is the system's
    blocks = min(architecture.blocks, architecture.threads // threads, by_registers, by_shared)
    return blocks * threads / architecture.threads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a kernel breaks its row")
    check = parser.parse_args().check
    nvcc, nvdisasm = tool("nvcc"), tool("nvdisasm")
    if nvcc is None or (check and nvdisasm is None):
        raise SystemExit("nvcc, or nvdisasm, is not on the path; docs/cuda.md says from where it comes")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            (architecture, source): pool.submit(compiled, nvcc, nvdisasm, architecture, source, Path(folder))
            for architecture in ARCHITECTURES
            for source in sorted((CSRC / "cuda").rglob("*.cu"))
        }
        found = {(name, a): row for (a, _), job in jobs.items() for name, row in job.result().items()}
    unknown = {name for name, _ in found} ^ KERNELS.keys()
    if unknown:
        raise SystemExit(f"KERNELS and csrc/cuda differ in {', '.join(sorted(unknown))}")
    print(run(nvcc, "--version").splitlines()[-1])
    print(f"{'kernel':24}{'arch':8}{'registers':>11}{'cap':>5}{'shared':>8}{'spills':>8}{'occupancy':>11}"
          f"{'bytes/least':>13}  128-bit, matrix")  # fmt: skip
    broken = []
    for name, row in KERNELS.items():
        for architecture in ARCHITECTURES:
            registers, shared, spills, wide = found[name, architecture]
            share = occupancy(architecture, row.threads, registers, shared)
            print(f"{name:24}{architecture.name:8}{registers:11}{row.registers:5}{shared:8}{spills:8}{share:11.0%}"
                  f"{row.moved[0] / row.moved[1]:13.2f}  {' '.join(sorted(wide)) or '-'}")  # fmt: skip
            if spills or registers > row.registers or (nvdisasm and not wide.issuperset(row.wide)):
                broken.append(f"{name} on {architecture.name}")
    if broken:
        print(f"broken: {', '.join(broken)}")
    raise SystemExit(1 if broken and check else 0)


if __name__ == "__main__":
    main()
