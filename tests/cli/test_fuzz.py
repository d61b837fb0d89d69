"""A part of benchmarks/fuzz_files.py: damaged files and odd command lines are refused in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz_files.py"


def test_damaged_files_and_odd_command_lines(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'fwdad[plot]'")
    command = [sys.executable, str(SCRIPT), "--count", "60", "--lines", "10", "--seed", "1"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not list(tmp_path.iterdir())
