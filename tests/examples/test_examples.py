"""The programs of examples/ run, and what they print has been compared with the truth by themselves."""

import re
import runpy
from pathlib import Path

import pytest

from fwdad import kernels

FOLDER = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(FOLDER.glob("*.py"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """In an empty folder, and with the thread count as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_an_example_runs(program, elsewhere, tmp_path, capsys):
    source = program.read_text(encoding="utf-8")
    if re.search(r"^(import|from) scipy", source, re.MULTILINE):
        pytest.importorskip("scipy", reason="SciPy is not installed")
    runpy.run_path(str(program), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) >= 2
    assert not [*tmp_path.iterdir()], "it leaves nothing behind"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_an_example_is_short_says_what_it_shows_and_checks_it(program):
    source = program.read_text(encoding="utf-8")
    lines = source.rstrip().splitlines()
    assert 30 <= len(lines) <= 80
    assert source.startswith('"""')
    assert any(line.startswith("assert ") for line in lines[-10:])


def test_every_example_has_its_line():
    named = re.findall(
        r"^\| \[(\w+\.py)\]\((\w+\.py)\)", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(name for name, _ in named) == [program.name for program in PROGRAMS]
    assert all(name == target for name, target in named)
