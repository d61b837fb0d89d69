"""Training runs: settings in; a run folder with metrics, checkpoint and result out. Nothing here prints.

config       TrainConfig: every setting, its default and its range
defaults     learning rates by method
parts        what the settings stand for: model, loss, schedule, optimiser
trainer      Trainer: the loop
observer     Observer: what hears of a run
tensorboard  ... and writes it down for TensorBoard
metrics      one row an epoch; evaluation
plot         ... and curves of them
saved        the model that a run left behind
checkpoint   all state of a run in one file
files        atomic writing; run folders
"""

from fwdad.train.checkpoint import CheckpointError
from fwdad.train.config import ConfigError, TrainConfig
from fwdad.train.files import BEST, CHECKPOINT, METRICS, RunError
from fwdad.train.metrics import EpochMetrics, evaluate, read_metrics
from fwdad.train.observer import Observer
from fwdad.train.saved import WEIGHTS, load_model, load_run
from fwdad.train.trainer import Trainer, TrainingDiverged

__all__ = [
    "BEST",
    "CHECKPOINT",
    "METRICS",
    "WEIGHTS",
    "CheckpointError",
    "ConfigError",
    "EpochMetrics",
    "Observer",
    "RunError",
    "TrainConfig",
    "Trainer",
    "TrainingDiverged",
    "evaluate",
    "load_model",
    "load_run",
    "read_metrics",
]
