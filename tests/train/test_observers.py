import pytest

from fwdad.train import Observer, Trainer
from fwdad.train.tensorboard import TensorBoard


class Listen(Observer):
    def __init__(self, heard, name):
        self.heard, self.name = heard, name

    def began(self, run):
        self.heard.append((self.name, "began", run.progress.step))

    def stepped(self, run):
        self.heard.append((self.name, "stepped", run.progress.step))

    def epoch_ended(self, run, row):
        self.heard.append((self.name, "epoch", row.epoch))

    def ended(self, run, result):
        self.heard.append((self.name, "ended", None if result is None else result["steps"]))


def test_what_observers_hear_and_when(small, tmp_path, stop_at):
    heard = []
    trainer = Trainer.new(small, tmp_path / "run", observers=[Listen(heard, "a"), stop_at(6), Listen(heard, "b")])
    assert trainer.run() is None
    expected = [("began", 0), *(("stepped", i) for i in range(1, 6)), ("epoch", 1), ("stepped", 6), ("ended", None)]
    assert heard == [(name, *event) for event in expected for name in "ab"]
    heard.clear()
    Trainer.resume(tmp_path / "run", observers=[Listen(heard, "a")]).run()
    assert (heard[0], heard[1], heard[-1]) == (("a", "began", 6), ("a", "stepped", 7), ("a", "ended", 15))


def test_an_exception_ends_the_run_and_is_not_swallowed(small, tmp_path):
    heard = []

    class Fails(Observer):
        def stepped(self, run):
            raise KeyError("a fault of the observer's")

    with pytest.raises(KeyError, match="fault"):
        Trainer.new(small, tmp_path / "run", observers=[Fails(), Listen(heard, "a")]).run()
    assert heard == [("a", "began", 0), ("a", "ended", None)]


def test_event_files_hold_the_curves_of_a_run_that_was_resumed(small, whole, tmp_path, outcome, stop_at):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed: pip install 'fwdad[tensorboard]'")
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    folder = tmp_path / "run"
    # Stopped in the middle of an epoch, at step 7, by an exception: the last checkpoint is of step 5.

    class Fails(Observer):
        def stepped(self, run):
            if run.progress.step == 7:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer.new(small, folder, observers=[TensorBoard(), Fails()]).run()
    resumed = Trainer.resume(folder, observers=[TensorBoard()])
    assert resumed.progress.step == 5
    resumed.run()
    assert outcome(folder) == outcome(whole)
    read = events.EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    assert [event.step for event in read.Scalars("step/loss")] == list(range(1, 16))
    rows = resumed.progress.rows
    for name in ("train_loss", "validation_accuracy", "learning_rate"):
        logged = [(event.step, event.value) for event in read.Scalars(f"epoch/{name}")]
        assert logged == [(row.step, pytest.approx(getattr(row, name), rel=1e-6)) for row in rows]
