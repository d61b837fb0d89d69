"""docs/figures.py: the tables of the pages are those of the records, and an edit by hand is noticed."""

import doctest
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "figures.py"


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("figures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path):
    """A copy of the pages, the records and the script, with one small record more."""
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    machine = {"cpu": "a processor", "threads": 2, "isa": "v4", "compiler": "GNU 12", "versions": {"numpy": "2.4"}}
    record = {
        "commands": ["fwdad bench memory"],
        "date": "2000-01-01",
        "commit": "abc",
        "seconds": 8.0,
        "machine": machine,
    }
    rows = [{"what": "memory", "who": "fwdad", "w": 8, "k": k, "mb": 50.0 + k} for k in (1, 5)]
    (tmp_path / "docs" / "figures").mkdir(exist_ok=True)
    (tmp_path / "docs" / "figures" / "memory.json").write_text(json.dumps({**record, "records": rows}))
    assert run(tmp_path).returncode == 0
    return tmp_path


def run(root, *words):
    command = [sys.executable, str(root / "docs" / "figures.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_page_shows_what_the_records_say():
    found = run(ROOT, "--check")
    assert found.returncode == 0, found.stderr


def test_the_tables_are_made_from_the_records(tree):
    page = (tree / "docs" / "benchmarks.md").read_text()
    assert "| w = 8 | k = 1 | k = 5 | each further tangent |" in page
    assert "| MB | 51 | 55 | 1 |" in page
    assert "Measured by `fwdad bench memory`: 8 s; a processor, 2 threads, kernels for v4, GNU 12; NumPy 2.4;" in page


def test_an_edit_by_hand_is_noticed(tree):
    page = tree / "docs" / "benchmarks.md"
    page.write_text(page.read_text().replace("| MB | 51 | 55 |", "| MB | 31 | 55 |"))
    found = run(tree, "--check")
    assert found.returncode == 1
    assert "docs/benchmarks.md: the table memory differs from its record: | MB | 31 | 55 | 1 |" in found.stderr
    assert "| MB | 31 |" in page.read_text()  # a check changes nothing
    assert run(tree).returncode == 0
    assert run(tree, "--check").returncode == 0


def test_a_line_that_is_removed_is_noticed(tree):
    page = tree / "docs" / "benchmarks.md"
    page.write_text(page.read_text().replace("| MB | 51 | 55 | 1 |\n", ""))
    assert "docs/benchmarks.md: the table memory differs" in run(tree, "--check").stderr


def test_a_table_that_nobody_knows_or_shows_is_an_error(tree):
    page = tree / "docs" / "benchmarks.md"
    page.write_text(page.read_text().replace("<!-- figures: memory -->", "<!-- figures: memories -->"))
    found = run(tree)
    assert found.returncode == 1
    assert "docs/benchmarks.md: there is no table 'memories'" in found.stderr
    assert "no page shows the table 'memory'" in found.stderr


def test_records_are_read_as_they_were_written(figures, tmp_path):
    record = {"commands": ["c"], "records": [{"what": "a", "ms": 1.5}, {"what": "b", "blocks": [1.0, 2.0]}]}
    figures.write(tmp_path / "folder" / "a.json", record)
    assert figures.read(tmp_path / "folder" / "a.json") == record


def test_every_table_names_records_that_can_be_measured(figures):
    assert {record for records, _ in figures.TABLES.values() for record in records} == set(figures.MEASURED)


def test_a_record_names_the_commit_that_was_measured(figures, monkeypatch):
    monkeypatch.setattr(figures, "git", lambda *words: " M python/fwdad/dual.py")
    with pytest.raises(SystemExit, match="commit these first"):
        figures.measure("memory")


def test_examples(figures):
    assert doctest.testmod(figures).failed == 0


def test_the_gallery_shows_each_picture_and_how_it_was_made(tree):
    (tree / "docs" / "figures" / "memory.png").write_bytes(b"")
    assert run(tree).returncode == 0
    page = (tree / "docs" / "gallery.md").read_text()
    assert "![memory](figures/memory.png)" in page
    assert "`fwdad bench memory`: 8 s;" in page
    assert "commit abc" in page
