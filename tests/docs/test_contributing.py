"""The examples of CONTRIBUTING.md fit the files that they change; docs/contributing_check.py runs their commands."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load():
    spec = importlib.util.spec_from_file_location("contributing_check", ROOT / "docs" / "contributing_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load()
SECTIONS = check.sections((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("title", SECTIONS)
def test_an_example_fits(title, tmp_path):
    for block in SECTIONS[title]:
        if (ROOT / block.path).is_file():
            (tmp_path / block.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / block.path, tmp_path / block.path)
    taken = [check.apply(block, tmp_path) for block in SECTIONS[title] if block.path]
    files, lines = check.AT_MOST.get(title, (99, 99))
    assert sum(count for count, _ in taken) <= files
    assert sum(count for _, count in taken) <= lines
    for block in SECTIONS[title]:
        if block.path.endswith(".py"):
            compile((tmp_path / block.path).read_text(encoding="utf-8"), block.path, "exec")


def test_every_limit_has_its_section():
    assert check.AT_MOST.keys() <= SECTIONS.keys()


def test_a_change_that_does_not_fit_is_an_error(tmp_path):
    (tmp_path / "a.py").write_text("one\ntwo\n")
    assert check.apply(check.Block("diff", "a.py", " one\n+half\n"), tmp_path) == (0, 1)
    assert (tmp_path / "a.py").read_text() == "one\nhalf\ntwo\n"
    with pytest.raises(SystemExit, match=r"a\.py has these lines 0 times, expected once"):
        check.apply(check.Block("diff", "a.py", "-three\n+four\n"), tmp_path)
    with pytest.raises(SystemExit, match=r"a\.py is there already"):
        check.apply(check.Block("python", "a.py", "x = 1\n"), tmp_path)
