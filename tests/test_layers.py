"""Imports go down the list of rooms, never up and never in a circle."""

import ast
from pathlib import Path

import fwdad

ROOMS = [
    "errors", "kernels", "tree", "dual", "rules", "tangents", "array_api", "functions", "coverage", "transforms",
    "perturbation", "estimators", "optim", "nn", "testing", "export", "data", "train", "sklearn", "experiments",
    "bench", "cli",
]  # fmt: skip
PACKAGE = Path(fwdad.__file__).parent


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fwdad":
            parts = node.module.split(".")[1:]
            yield from [parts[0]] if parts else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("fwdad."))


def test_imports_point_down():
    files = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    assert len(files) > 20
    for path in files:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__main__":
            continue
        assert room in ROOMS, f"{path}: a new room needs its place in the list"
        for imported in imports(path):
            if imported not in ("__version__", "_native"):
                assert ROOMS.index(imported) <= ROOMS.index(room), (
                    f"{path} imports fwdad.{imported}, which lies above it"
                )


def test_only_the_command_line_prints():
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] == "cli":
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), path
