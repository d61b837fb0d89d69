"""The pages: their links lead somewhere, their Python runs, and the README's learns what it says it learns."""

import contextlib
import io
import re
import sys
from pathlib import Path
from unittest import mock

import pytest

from fwdad import estimators, nn, optim

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PARTS = re.MULTILINE | re.DOTALL
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples/README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text( about)?\n(.*?)^```)?", PARTS)
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
PROGRAMS = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8")) and page.name != "CONTRIBUTING.md"]


def anchors(page):
    """The anchors that a page's headings have on GitHub."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


def test_a_package_indexs_page_has_no_link_to_a_file_of_the_repository():
    hooks = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["metadata"]["hooks"]
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    for each in hooks["fancy-pypi-readme"]["substitutions"]:
        page = re.sub(each["pattern"], each["replacement"], page)
    targets = re.findall(r"\]\(([^)]*)\)", page)
    assert targets
    assert all(target.startswith("https://") for target in targets)
    assert "docs/training.md" in page, "the text of a link stays"


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


def expect_output(printed, shown, tolerance):
    """Words as shown, and numbers but for rounding; "text about" is for what training gives on another machine."""
    assert NUMBER.sub("0", printed).split() == NUMBER.sub("0", shown).split(), f"prints {printed!r}, shows {shown!r}"
    for a, b in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        assert abs(float(a) - float(b)) <= tolerance * (1 + abs(float(b))), f"prints {printed!r}, shows {shown!r}"


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.name)
def test_the_python_of_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch, stack):
    if page.name == "scikit-learn.md":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    if page.name == "cuda.md":
        pytest.skip("its programs need a CUDA device")
    monkeypatch.chdir(tmp_path)
    for registry in (estimators.SAMPLERS, nn.MODELS, optim.OPTIMIZERS, optim.SCHEDULES):  # pages add rows
        stack.enter_context(mock.patch.dict(registry._rows))
    names: dict = {}
    for source, about, shown in BLOCK.findall(page.read_text(encoding="utf-8")):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(source, page.name, "exec"), names)
        if shown:
            expect_output(printed.getvalue(), shown, 0.05 if about else 1e-9)


def test_the_readme_trains():
    page = ROOT / "README.md"
    (source,) = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), PARTS)
    names: dict = {}
    exec(compile(source, str(page), "exec"), names)
    assert names["tangents"].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert names["loss"] < 0.35, "64 random labels, learnt by heart"
