"""Imports go down the list of rooms: never up, across or in a circle. Only the command line prints."""

import ast
import graphlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import fwdad

ROOMS = """
    errors, files, schema, registry
    kernels
    tree
    dual
    rules
    tangents
    array_api, functions, coverage
    transforms
    perturbation
    nn | estimators | optim | data
    fwdad
    testing, export
    train
    sklearn
    experiments, bench, learn
    cli
    __main__
"""
"""From the bottom of the house to its top. A room imports those listed before it, but none from its own line where |
separates them.

`fwdad` is the package's own module, which collects the names of the rooms below it.
"""

RANK = {
    room.strip(): (line, 0 if "|" in text else place)
    for line, text in enumerate(ROOMS.split("\n"))
    for place, room in enumerate(text.replace("|", ",").split(","))
    if text.strip()
}
PACKAGE = Path(fwdad.__file__).parent
FILES = {
    ".".join(["fwdad", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
NATIVE = ("fwdad._native", "fwdad._cuda")


def imported_names(source, module, is_package):
    """Each dotted name that a module imports, wherever in it the import stands; ``from a import b`` gives a.b."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            of = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{of}.{alias.name}" for alias in node.names)


def imported_modules(source, module, is_package, modules=FILES):
    """The modules of this package that a module imports: of each name, the longest part that is a module."""
    for name in imported_names(source, module, is_package):
        if name.split(".")[0] == "fwdad" and not name.startswith(NATIVE):
            while name not in modules:
                name = name.rpartition(".")[0]
            yield name


GRAPH = {
    module: set(imported_modules(path.read_text(encoding="utf-8"), module, path.name == "__init__.py"))
    for module, path in FILES.items()
}


def room(module):
    return module.split(".")[1] if "." in module else module


def allowed(importing, imported):
    """Whether a room may import another."""
    return importing == imported or RANK[imported] < RANK[importing]


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module):
    assert room(module) in RANK, f"the room {room(module)} needs its place in the list"
    wrong = [imported for imported in GRAPH[module] if not allowed(room(module), room(imported))]
    assert not wrong, f"{module} imports {wrong}, which lie above it or beside it"


def test_no_module_imports_itself_by_way_of_others():
    try:
        graphlib.TopologicalSorter(GRAPH).prepare()
    except graphlib.CycleError as error:
        pytest.fail("a circle of imports: " + " -> ".join(reversed(error.args[1])))


@pytest.mark.parametrize(
    ("source", "module", "is_package", "expected"),
    [
        ("import fwdad", "fwdad.data.files", False, {"fwdad"}),
        ("import numpy, fwdad.tree", "fwdad.dual", False, {"fwdad.tree"}),
        ("from fwdad import tree, jvp", "fwdad.nn.conv", False, {"fwdad.tree", "fwdad"}),
        ("from fwdad.transforms import jvp", "fwdad.testing", False, {"fwdad.transforms"}),
        ("from fwdad.transforms.forward import jvp", "fwdad.testing", False, {"fwdad.transforms.forward"}),
        ("from . import idx", "fwdad.data", True, {"fwdad.data.idx"}),
        ("from .idx import read", "fwdad.data.mnist", False, {"fwdad.data.idx"}),
        ("from ..dual import Dual", "fwdad.data.mnist", False, {"fwdad.dual"}),
        ("if TYPE_CHECKING:\n    from fwdad.cli import main", "fwdad.tree", False, {"fwdad.cli.main"}),
        ("def f():\n    import fwdad.nn", "fwdad.tree", False, {"fwdad.nn"}),
        (
            "from fwdad import _native\nfrom fwdad._native import isa\nfrom numpy import fwdad",
            "fwdad.kernels",
            True,
            set(),
        ),
    ],
)
def test_every_way_to_import_is_seen(source, module, is_package, expected):
    modules = {*FILES, "fwdad.data.idx", "fwdad.cli.main"}
    assert set(imported_modules(source, module, is_package, modules)) == expected


@pytest.mark.parametrize(
    ("importing", "imported", "answer"),
    [
        ("nn", "dual", True), ("dual", "nn", False), ("nn", "estimators", False), ("estimators", "nn", False),
        ("coverage", "functions", True), ("functions", "coverage", False), ("fwdad", "nn", True),
        ("nn", "fwdad", False), ("nn", "nn", True), ("cli", "errors", True),
    ],
)  # fmt: skip
def test_what_is_allowed(importing, imported, answer):
    assert allowed(importing, imported) is answer


def test_derivatives_alone_import_no_networks():
    script = (
        "import sys, fwdad; assert not {f'fwdad.{name}' for name in fwdad.LATER} & sys.modules.keys();"
        "print(fwdad.nn.Linear.__name__, fwdad.ForwardGradient.__name__, {*fwdad.LATER} <= {*dir(fwdad)})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "Linear ForwardGradient True\n"
    with pytest.raises(AttributeError, match="'fwdad' has no attribute 'nm'"):
        getattr(fwdad, "nm")  # noqa: B009  a type checker would say so


def test_only_the_command_line_prints():
    for module, path in FILES.items():
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        prints = any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls)
        assert room(module) == "cli" or not prints, path
