"""What lies in the current folder is not run, whatever its name."""

import subprocess
import sys

import pytest

TRAPS = ("fwdad", "pickle", "signal", "multiprocessing", "numpy", "runpy", "json", "struct")
SCRIPTS = {
    "bench": """
from fwdad.bench.processes import Worker
with Worker("fwdad", 1) as worker:
    assert worker.ask(what="step", sizes={"w": 8, "k": 2}) < 1
""",
    "reproduce": """
from pathlib import Path
from fwdad.experiments import EXPERIMENTS, Run, Settings
if __name__ == "__main__":
    run = Run(EXPERIMENTS["closed-form"], Settings(quick=True, seeds=(3,)), Path("run"), jobs=1)
    run.cells = [cell for cell in run.cells if cell.parameters["n"] == 1][:1]
    assert run.execute(lambda part: None)
    assert run.table()
""",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_child_processes_do_not_look_in_the_current_folder(tmp_path, name):
    script = tmp_path / "elsewhere" / "program.py"
    script.parent.mkdir()
    script.write_text(SCRIPTS[name])
    here = tmp_path / "here"
    here.mkdir()
    for trap in TRAPS:
        (here / f"{trap}.py").write_text("open('sprung', 'w').close(); raise SystemExit('a trap was sprung')\n")
    result = subprocess.run([sys.executable, str(script)], cwd=here, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    assert not (here / "sprung").exists()
