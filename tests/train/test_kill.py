"""Runs that are killed outright, in the middle of a step or of the writing of a file, resume bit for bit."""

import json
import signal
import subprocess
import sys

import pytest

from fwdad.train import CheckpointError, Trainer

SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from fwdad.train import Observer, TrainConfig, Trainer

config, folder = TrainConfig.from_json(json.loads(sys.argv[1])), Path(sys.argv[2])
where, count = sys.argv[3], int(sys.argv[4])
seen = 0

def passes(place):
    global seen
    seen += place == where
    if place == where and seen == count:
        os.kill(os.getpid(), signal.SIGKILL)

class Watch(Observer):
    def stepped(self, run):
        passes("step")

replace = os.replace
def watched(*names):
    passes("before replace")
    replace(*names)
    passes("after replace")
os.replace = watched

Trainer.new(config, folder, observers=[Watch()], checkpoint_seconds=0 if where == "step" else 30).run()
raise SystemExit("was not killed")
"""


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("step", 8),  # within the second epoch, after its checkpoints
        ("after replace", 1),
        # The files written: checkpoint, config, metrics; each epoch best, checkpoint, metrics; result.
        ("before replace", 4),
        ("after replace", 4),
        ("before replace", 5),
        ("after replace", 5),
        ("before replace", 13),
    ],
)
def test_kill_and_resume(small, whole, tmp_path, outcome, where, count):
    folder = tmp_path / "run"
    arguments = [sys.executable, "-c", SCRIPT, json.dumps(small.to_json()), str(folder), where, str(count)]
    process = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert not (folder / "result.json").exists()
    Trainer.resume(folder).run()
    assert outcome(folder) == outcome(whole)
    assert (folder / "best.safetensors").read_bytes() == (whole / "best.safetensors").read_bytes()
    assert not list(folder.glob(".fwdad-*"))  # what the kill left behind was cleared away


@pytest.mark.parametrize("place", ["resume", "new"])
def test_a_run_killed_before_its_first_checkpoint_is_started_again(small, tmp_path, outcome, whole, place):
    """Both say so, and it works."""
    folder = tmp_path / "run"
    arguments = [sys.executable, "-c", SCRIPT, json.dumps(small.to_json()), str(folder), "before replace", "1"]
    assert subprocess.run(arguments, timeout=60).returncode == -signal.SIGKILL
    assert list(folder.glob(".fwdad-*"))
    if place == "resume":
        with pytest.raises(
            CheckpointError, match=r"there is no checkpoint .*: start the run again .* without --resume"
        ):
            Trainer.resume(folder)
    else:
        Trainer.new(small, folder).run()
        assert outcome(folder) == outcome(whole)
        assert not list(folder.glob(".fwdad-*"))
