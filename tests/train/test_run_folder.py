"""Run folders under attack: damaged, mixed up, shared by two processes, and what is said of each."""

import dataclasses
import json
import random
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import safetensors.numpy

from fwdad.files import LOCK
from fwdad.train import CheckpointError, RunError, RunWarning, Trainer, checkpoint, load_model
from fwdad.train import trainer as module
from fwdad.train.folder import BEST, CHECKPOINT, CONFIG, RESULT, claim, make_first_free


@pytest.fixture
def run(whole, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(whole, tmp_path / "run")


@pytest.fixture
def stopped(small, tmp_path, stop_at):
    """A run that was stopped in its second epoch."""
    folder = tmp_path / "stopped"
    Trainer.new(small, folder, observers=[stop_at(7)]).run()
    return folder


def rewrite(path, change):
    """Write a checkpoint anew, with its digest, after `change(arrays, state)`."""
    arrays, state = checkpoint.load(path)
    del state["digest"]
    change(arrays, state)
    trees = {}
    for name, array in arrays.items():
        tree, _, leaf = name.partition(".")
        trees.setdefault(tree, {})[leaf] = array
    checkpoint.save(path, trees, state)


# ---- one process a folder


def test_two_new_runs_in_one_folder(small, tmp_path):
    """Whatever the order of their steps, one has the folder."""
    outcomes = []

    def begin():
        try:
            outcomes.append(claim(tmp_path / "run"))
        except RunError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [outcome for outcome in outcomes if isinstance(outcome, RunError)]
    assert len(errors) == 7
    assert all("another process is at work" in str(error) for error in errors)


def test_runs_without_a_name_never_share_a_folder(tmp_path):
    made = []
    threads = [threading.Thread(target=lambda: made.append(make_first_free(tmp_path / "runs" / "x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8


def test_a_second_resume_is_refused_until_the_first_ends(stopped, whole, outcome):
    first = Trainer.resume(stopped)
    with pytest.raises(RunError, match=r"another process is at work in .*stopped"):
        Trainer.resume(stopped)
    first.run()
    assert outcome(stopped) == outcome(whole)


def test_the_lock_of_a_killed_process_is_gone(stopped):
    script = "import os, sys, pathlib; from fwdad.train import Trainer\n"
    script += "trainer = Trainer.resume(pathlib.Path(sys.argv[1])); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script, str(stopped)]).returncode == 9
    assert (stopped / LOCK).exists()
    assert Trainer.resume(stopped).progress.step == 7


def test_a_run_that_fails_gives_its_lock_back(stopped):
    class Fails(module.Observer):
        def stepped(self, run):
            raise KeyError("mine")

    with pytest.raises(KeyError):
        Trainer.resume(stopped, observers=[Fails()]).run()
    assert Trainer.resume(stopped).progress.step == 7


# ---- what a checkpoint holds


@pytest.mark.parametrize("name", [CHECKPOINT, BEST])
def test_a_changed_byte_is_noticed(run, name):
    content, rng = (run / name).read_bytes(), random.Random(0)
    for _ in range(60):
        at = rng.randrange(len(content))
        changed = content[at] ^ rng.randrange(1, 256)
        (run / name).write_bytes(content[:at] + bytes([changed]) + content[at + 1 :])
        with pytest.raises((CheckpointError, RunError), match=name):
            Trainer.resume(run)
    (run / name).write_bytes(content)
    assert Trainer.resume(run).finished


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_a_dtype_that_numpy_does_not_have_is_named(tmp_path, dtype):
    header = json.dumps({"model.w": {"dtype": dtype, "shape": [4], "data_offsets": [0, 4]},
                         "__metadata__": {"fwdad": json.dumps({"format": checkpoint.FORMAT})}}).encode()  # fmt: skip
    path = tmp_path / "file"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match=f"'model.w' has dtype {dtype}, unknown to NumPy"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("progress", {}, "progress.* is missing"),
        ("progress", [], "progress must be an object"),
        ("shape", ["8"], r"shape\[0\] must be an integer"),
        ("outputs", -1, "outputs must be from 1"),
        ("config", [], "config must be an object"),
        ("config", {"hidden": "wide"}, "hidden must be a tuple"),
        ("numpy", 2, "numpy must be a text"),
        ("more", 2, "more is unknown"),
    ],
)
def test_a_wrong_value_in_the_header_is_named(run, field, value, says):
    rewrite(run / CHECKPOINT, lambda arrays, state: state.update({field: value}))
    for use in (Trainer.resume, load_model):
        with pytest.raises(CheckpointError, match=rf"checkpoint\.safetensors holds .*{says}"):
            use(run)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("weights", ["final", "best"])
def test_a_model_that_is_no_number_is_of_no_use(run, value, weights):
    def spoil(arrays, state):
        arrays["model.layers.0.weight"][0, 0] = value

    path = run / (BEST if weights == "best" else CHECKPOINT)
    rewrite(path, spoil)
    with pytest.raises(
        CheckpointError, match=r"is of no use: model\.layers\.0\.weight holds NaN or infinity|not the best"
    ):
        load_model(run, weights)
    if weights == "final":
        with pytest.raises(CheckpointError, match="is of no use"):
            Trainer.resume(run)


# ---- the best model


def test_a_run_without_its_best_model_says_so_at_once(stopped):
    (stopped / BEST).unlink()
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*best\.safetensors"):
        Trainer.resume(stopped)


@pytest.mark.parametrize("changes", [{"hidden": (8,)}, {"seed": 6}])
def test_the_best_model_of_another_run_is_refused(stopped, small, tmp_path, changes):
    Trainer.new(dataclasses.replace(small, epochs=1, **changes), tmp_path / "other").run()
    shutil.copy(tmp_path / "other" / BEST, stopped)
    for use in (Trainer.resume, lambda folder: load_model(folder, "best")):
        with pytest.raises(CheckpointError, match=r"best\.safetensors is of another run"):
            use(stopped)


def test_the_best_model_of_another_epoch_is_refused(stopped, whole):
    assert (stopped / BEST).read_bytes() != (whole / BEST).read_bytes()
    shutil.copy(whole / BEST, stopped)  # of the third epoch, where the run is in its second
    with pytest.raises(CheckpointError, match="is not the best model of this run"):
        Trainer.resume(stopped)


# ---- other machines, other files


@pytest.mark.parametrize(
    ("field", "value", "says"), [("isa", "v9", "the instruction set v9"), ("numpy", "1.2", "NumPy 1")]
)
def test_what_may_change_the_bits_is_a_warning(run, field, value, says):
    rewrite(run / CHECKPOINT, lambda arrays, state: state.update({field: value}))
    with pytest.warns(RunWarning, match=f"was on {says} and goes on with .* last bits may differ"):
        Trainer.resume(run)


@pytest.mark.parametrize("name", [CHECKPOINT, BEST, CONFIG])
def test_what_may_not_be_read_is_not_called_missing(run, name, monkeypatch):
    opened = module.Path.open

    def refusing(self, *arguments, **options):
        if self.name == name:
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(module.Path, "open", refusing)
    with pytest.raises((CheckpointError, RunError), match=f"cannot read .*{name}: Permission denied"):
        Trainer.resume(run)


@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"steps": 15}', "[" * 100_000, '{"steps": 1e400}'])
def test_a_damaged_result_is_named_and_can_be_had_again(run, whole, content):
    (run / RESULT).write_text(content)
    resumed = Trainer.resume(run)
    with pytest.raises(RunError, match=r"result\.json"):
        assert resumed.finished
    (run / RESULT).unlink()
    assert resumed.run()["test_loss"] == json.loads((whole / RESULT).read_text())["test_loss"]


def test_a_run_killed_before_its_config_was_written_resumes(stopped, whole, outcome):
    (stopped / CONFIG).unlink()
    Trainer.resume(stopped).run()
    assert outcome(stopped) == outcome(whole)


def test_another_programs_file_is_no_checkpoint(run):
    (run / CHECKPOINT).write_bytes(safetensors.numpy.save({"weight": np.zeros(3)}))
    with pytest.raises(CheckpointError, match="not a checkpoint of fwdad"):
        Trainer.resume(run)
