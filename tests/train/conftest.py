import numpy as np
import pytest

from fwdad import kernels, tree
from fwdad.train import Observer, TrainConfig, Trainer

SMALL = TrainConfig(hidden=(16,), tangents=3, epochs=3, batch_size=256, seed=5)
"""3 epochs of 5 steps, a fraction of a second."""


class StopAt(Observer):
    """Stops the trainer once it has taken `step` steps."""

    def __init__(self, step):
        self.step = step

    def stepped(self, run):
        if run.progress.step == self.step:
            run.stop()


class Models(Observer):
    """Keeps the model that a run began with, and the model after each step."""

    def began(self, run):
        self.models = [run.model]

    def stepped(self, run):
        self.models.append(run.model)


@pytest.fixture
def watch():
    return Models()


@pytest.fixture(scope="session")
def small():
    return SMALL


@pytest.fixture(scope="session")
def stop_at():
    return StopAt


@pytest.fixture(scope="session")
def outcome():
    """A function of a run folder: what must be the same for equal runs, metrics.csv and the bytes of every array."""

    def read(folder):
        trainer = Trainer.resume(folder)
        arrays = tree.named_leaves({"model": trainer.model, "optimizer": trainer.learner.state})
        return (folder / "metrics.csv").read_bytes(), {name: np.asarray(a).tobytes() for name, a in arrays.items()}

    return read


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The folder of an uninterrupted run of the small configuration; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert Trainer.new(SMALL, folder).run() is not None
    return folder


@pytest.fixture(autouse=True)
def _same_threads():
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)
