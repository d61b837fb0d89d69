import numpy as np
import pytest

from fwdad import data, nn
from fwdad.train import EpochMetrics, evaluate
from fwdad.train.evaluation import BATCH
from fwdad.train.metrics import write_metrics


def test_the_file_reads_back_exactly(tmp_path):
    rows = [EpochMetrics(1, 5, 1e-3, 0.1 + 0.2, 1 / 3, 2.5, 0.0), EpochMetrics(2, 10, 1e-300, 1e22, 1.0, 0.0, 5e-324)]
    write_metrics(tmp_path / "metrics.csv", rows)
    header, *lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert header == ("epoch,step,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy")
    assert [tuple(map(float, line.split(","))) for line in lines] == [tuple(map(float, row)) for row in rows]


def test_evaluation_in_batches_equals_evaluation_at_once():
    n = 2 * BATCH + 37
    rng = np.random.default_rng(0)
    split = data.Split(rng.standard_normal((n, 6)).astype(np.float32), rng.integers(0, 4, n))
    model = nn.MLP((6, 5, 4), seed=1)
    logits = model(split.inputs)
    loss, accuracy = evaluate(model, split)
    assert loss == pytest.approx(np.mean(nn.cross_entropy(logits, split.targets), dtype=float), rel=1e-6)
    assert accuracy == np.mean(logits.argmax(-1) == split.targets)
