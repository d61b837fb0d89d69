"""Training runs: settings in; a run folder with metrics, checkpoint and result out. Nothing here prints.

config       TrainConfig: every setting, its default and its range
build        what the settings stand for: model, estimator, schedule, optimiser
evaluation   losses and predictions of a model on data
step         Learner: one training step
metrics      one row an epoch, and metrics.csv
progress     Progress: how far a run is
observer     Observer: what hears of a run
tensorboard  ... and writes it down for TensorBoard
report       how good predictions are, class by class
plot         curves of the metrics, and the report's figure
folder       run folders
header       what the headers of a run's files hold
checkpoint   all state of a run in one file
saved        the model that a run left in its folder
trainer      Trainer: the loop
"""

from fwdad.errors import RunError, RunWarning
from fwdad.train.checkpoint import CheckpointError
from fwdad.train.config import ConfigError, TrainConfig
from fwdad.train.evaluation import evaluate
from fwdad.train.folder import BEST, CHECKPOINT, METRICS
from fwdad.train.metrics import EpochMetrics, read_metrics
from fwdad.train.observer import ObservedRun, Observer
from fwdad.train.saved import WEIGHTS, Weights, load_model, load_run
from fwdad.train.step import Learner
from fwdad.train.trainer import Trainer, TrainingDiverged

__all__ = [
    "BEST",
    "CHECKPOINT",
    "METRICS",
    "WEIGHTS",
    "CheckpointError",
    "ConfigError",
    "EpochMetrics",
    "Learner",
    "ObservedRun",
    "Observer",
    "RunError",
    "RunWarning",
    "TrainConfig",
    "Trainer",
    "TrainingDiverged",
    "Weights",
    "evaluate",
    "load_model",
    "load_run",
    "read_metrics",
]
