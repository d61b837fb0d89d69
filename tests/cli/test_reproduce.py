"""fwdad reproduce: options, messages, files."""

import os
import signal
import subprocess
import sys
import time

import pytest

from fwdad.cli import main
from fwdad.experiments import EXPERIMENTS, Run, Settings


def run(capsys, *args):
    with pytest.raises(SystemExit) as end:
        main(["reproduce", *args])
    captured = capsys.readouterr()
    return end.value.code or 0, captured.out, captured.err


def test_list_says_what_each_takes(capsys):
    code, out, _ = run(capsys, "--list")
    assert code == 0
    for experiment in EXPERIMENTS.values():
        assert experiment.name in out
        assert experiment.about in out
        assert experiment.costs in out
    assert "takes --quick, --seeds" in out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "--list shows all"),
        (("nothing",), "'nothing' is not one of"),
        (("closed-form", "--seeds", "one"), "not a list of seeds"),
        (("closed-form", "--seeds", "1,1"), "each once"),
        (("closed-form", "--noise", "example"), "closed-form has no --noise"),
    ],
)
def test_mistakes_are_one_line(capsys, args, words):
    code, _, err = run(capsys, *args)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


@pytest.fixture
def small(monkeypatch):
    """closed-form with two of its parts."""
    cells = EXPERIMENTS["closed-form"].cells(Settings(quick=True))
    few = [cell for cell in cells if cell.name in ("sphere-n4-k4", "sphere-n4-k0")]
    assert len(few) == 2
    begin = Run.__init__

    def with_few(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self.cells = few

    monkeypatch.setattr(Run, "__init__", with_few)


def test_a_run_and_the_same_command_again(capsys, tmp_path, small, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib draws the figures")
    out_folder = tmp_path / "out"
    args = ("closed-form", "--quick", "--out", str(out_folder), "--jobs", "1")
    code, out, err = run(capsys, *args)
    assert (code, err) == (0, "")
    assert "100% done" in out
    assert "sphere: best value" in out
    assert (out_folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len((out_folder / "results.csv").read_text().splitlines()) == 1 + 5

    (out_folder / "figure.png").unlink()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, _ = run(capsys, *args)
    assert code == 0
    assert "2 of 2 parts are finished" in out
    assert "pip install 'fwdad[plot]'" in out
    assert not (out_folder / "figure.png").exists()

    code, _, err = run(capsys, "closed-form", "--out", str(out_folder))
    assert code == 2
    assert "other settings" in err


def begin(folder):
    """A process that runs an experiment, and has finished a part of it."""
    command = [sys.executable, "-m", "fwdad.cli", "reproduce", "closed-form", "--quick", "--jobs", "1"]
    process = subprocess.Popen([*command, "--out", str(folder)], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(folder.glob("cells/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def test_a_signal_ends_a_run_and_keeps_what_is_finished(tmp_path):
    """And the processes of the run end with it."""
    folder = tmp_path / "run"
    process = begin(folder)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Stopped by SIGTERM" in out
    assert f"--out {folder}" in out
    finished = {file: file.read_bytes() for file in folder.glob("cells/*.json")}
    assert 0 < len(finished) < len(EXPERIMENTS["closed-form"].cells(Settings(quick=True)))
    assert not (folder / "results.csv").exists()


def test_processes_end_when_the_first_one_is_killed(tmp_path):
    process = begin(tmp_path / "run")
    os.kill(process.pid, signal.SIGKILL)
    # Its processes hold the other end of the pipe: this returns when the last has ended.
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
