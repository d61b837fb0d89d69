"""Builds the CUDA kernels for the host: the sources of csrc/cuda, compiled by the C++ compiler with host_block.hpp.

The module is the same as fwdad._cuda but for the machine that runs the kernels. Compiling takes a minute of a core and
is done once for a state of the sources.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
NAME = "_cuda"
FLAGS = [
    "-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-fno-strict-aliasing",
    "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror",
]  # fmt: skip


class NotBuilt(Exception):
    """There is no compiler, or no pybind11, to build with."""


def compiler():
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return name
    raise NotBuilt("no C++ compiler was found ($CXX, c++)")


def includes():
    try:
        import pybind11
    except ModuleNotFoundError:
        raise NotBuilt("pybind11 is not installed; install fwdad[test]") from None
    return ["-isystem", pybind11.get_include(), "-isystem", sysconfig.get_path("include")]


def build(csrc=ROOT / "csrc", into=ROOT / "build" / "cuda-host"):
    """Compile and return the path of the module; one that these sources, flags and compiler have made is used again."""
    cxx = compiler()
    bindings = [csrc / "bindings" / name for name in ("call.cpp", "contract.cpp", "cuda.cpp")]
    sources = [*bindings, HERE / "host_block.cpp", *sorted((csrc / "cuda").rglob("*.cu"))]
    sources = [s for s in sources if s.name != "device.cu"]  # which asks the driver
    headers = [*csrc.rglob("*.hpp"), *HERE.glob("*.hpp")]
    flags = [*FLAGS, *includes(), f"-I{csrc}", f"-I{HERE}", "-DFWDAD_CUDA_ON_HOST"]
    version = subprocess.run([cxx, "--version"], capture_output=True, check=True).stdout
    common = hashlib.sha256(version + " ".join(flags).encode())
    for header in sorted(headers):
        common.update(header.read_bytes())
    objects = [(s, into / f"{s.stem}-{_digest(common, s)}.o") for s in sources]
    module = into / f"{NAME}-{_digest(common, *sources)}" / f"{NAME}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if module.exists():
        return module
    module.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(into / "lock"):  # one of pytest's processes compiles, with all cores, and the others wait
        if not module.exists():
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(lambda job: _compile(cxx, flags, *job), objects))
            _replace(module, [cxx, "-shared", *(str(o) for _, o in objects)])
    return module


def _digest(common, *paths):
    digest = common.copy()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _compile(cxx, flags, source, target):
    if not target.exists():
        _replace(target, [cxx, *flags, "-x", "c++", "-c", str(source)])


def _replace(target, command):
    """Run a compiler's command whose output is put in place when it is whole."""
    partial = target.with_suffix(f".{os.getpid()}")
    result = subprocess.run([*command, "-o", str(partial)], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr}")
    partial.replace(target)


def load():
    """The module, built if it has to be; the one that $FWDAD_TEST_CUDA_HOST names, if set."""
    path = Path(os.environ.get("FWDAD_TEST_CUDA_HOST") or build())
    spec = importlib.util.spec_from_file_location(NAME, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
