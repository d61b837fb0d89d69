"""Training runs: settings in; a run folder with metrics, checkpoint and result out. Nothing here prints.

config      TrainConfig: every setting, its default and its range
defaults    learning rates by method
trainer     Trainer: the loop
metrics     one row an epoch; evaluation
checkpoint  all state of a run in one file
files       atomic writing; run folders
"""

from fwdad.train.checkpoint import CheckpointError
from fwdad.train.config import ConfigError, TrainConfig
from fwdad.train.files import RunError
from fwdad.train.metrics import EpochMetrics, evaluate
from fwdad.train.trainer import CHECKPOINT, METRICS, Observer, Trainer, TrainingDiverged

__all__ = [
    "CHECKPOINT",
    "METRICS",
    "CheckpointError",
    "ConfigError",
    "EpochMetrics",
    "Observer",
    "RunError",
    "TrainConfig",
    "Trainer",
    "TrainingDiverged",
    "evaluate",
]
