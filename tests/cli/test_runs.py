"""fwdad eval, plot, export: what they print, and one line for every error."""

import json
import os
import shutil
import stat
import sys

import numpy as np
import pytest

from fwdad import functions
from fwdad.train import TrainConfig, Trainer, checkpoint, load_model

WORDS = {"hidden": (16,), "tangents": 2, "epochs": 3, "batch_size": 400}

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    Trainer.new(TrainConfig(**WORDS), folder).run()
    return folder


def rows(out):
    return {line[:15].strip(): line[15:] for line in out.splitlines()}


def test_eval_gives_the_results_of_the_run_again(fwdad_, run):
    result = json.loads((run / "result.json").read_text())
    for weights, expected in (("final", result), ("best", result["best"])):
        code, out, err = fwdad_("eval", run, "--weights", weights)
        found = rows(out)
        assert (code, err) == (0, "")
        assert found["data"] == "digits, its test part, 300 examples"
        assert found["weights"] == weights
        assert found["test loss"] == f"{expected['test_loss']:.4f}"
        assert found["test accuracy"] == f"{expected['test_accuracy']:.4f}"
        assert float(found["test accuracy"]) <= float(found["top-5"]) <= 1
    assert rows(fwdad_("eval", run)[1])["weights"] == "final"


def test_eval_of_a_regression(fwdad_, tmp_path):
    x = np.random.default_rng(0).standard_normal((200, 3))
    np.savez(tmp_path / "values.npz", x=x, y=x.sum(1))
    config = TrainConfig(data="values.npz", task="regression", hidden=(8,), epochs=20, batch_size=16)
    result = Trainer.new(config, tmp_path / "run").run()
    found = rows(fwdad_("eval", "run")[1])
    assert found["test loss"] == f"{result['test_loss']:.4f}"
    trainer = Trainer.resume(tmp_path / "run")
    residual = load_model(tmp_path / "run")(trainer.data.test.inputs) - trainer.data.test.targets
    assert float(found["test R2"]) == pytest.approx(1 - residual.var() / trainer.data.test.targets.var(), abs=0.05)
    assert "test accuracy" not in found


@pytest.mark.parametrize("file", ["curves.png", "curves.svg", "curves.pdf"])
def test_plot(fwdad_, run, tmp_path, file):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'fwdad[plot]'")
    code, out, err = fwdad_("plot", run, run, "--out", file)
    assert (code, out, err) == (0, f"{file}\n", "")
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[file.split(".")[1]]
    assert (tmp_path / file).read_bytes().startswith(begins)


def test_the_curves_are_those_of_the_metrics(run, monkeypatch, tmp_path):
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed: pip install 'fwdad[plot]'")
    from fwdad.train.plot import plot

    drawn = []
    save = figure.Figure.savefig
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
    plot([run], tmp_path / "curves.png")
    metrics = Trainer.resume(run).progress.rows
    for axes, kind in zip(drawn[0].axes, ("loss", "accuracy"), strict=True):
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", kind)
        for line, part in zip(axes.lines, ("train", "validation"), strict=True):
            assert list(line.get_xdata()) == [1, 2, 3]
            assert list(line.get_ydata()) == [getattr(row, f"{part}_{kind}") for row in metrics]


def test_export(fwdad_, run, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'fwdad[onnx]'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install onnxruntime")
    for weights in ("final", "best"):
        code, out, err = fwdad_("export", run, "--onnx", "model.onnx", "--weights", weights)
        assert (code, err) == (0, "")
        assert out == (
            "model.onnx: input (batch, 8, 8) uint8, as in the data's files; output (batch, 10), probabilities of "
            "0, 1, 2, 3, 4, 5, 6, 7, 8, 9\n"
        )
        session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
        pixels = np.random.default_rng(0).integers(0, 17, (4, 8, 8), dtype=np.uint8)
        x = ((pixels / 16 - 0.3049) / 0.3759).astype(np.float32).reshape(4, 1, 8, 8)
        expected = functions.softmax(load_model(run, weights)(x))
        np.testing.assert_allclose(session.run(None, {"input": pixels})[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("eval", "Missing argument 'RUN'"),
        ("eval nowhere", "there is no run folder nowhere"),
        ("eval empty", "there is no checkpoint empty/checkpoint.safetensors"),
        ("eval empty --weights last", "'--weights': 'last' is not one of 'final', 'best'"),
        ("eval RUN --data nothing", "unknown data set 'nothing'"),
        ("eval RUN --data mnist", "mnist is not part of the package"),
        ("plot", "Missing argument 'RUNS...'"),
        ("plot nowhere", "cannot read nowhere/metrics.csv"),
        ("plot broken", "cannot read broken/metrics.csv as the metrics of a run"),
        ("plot fresh", "the run in fresh has not ended an epoch yet"),
        ("plot RUN --out curves.docx", "cannot write a figure to curves.docx"),
        ("plot RUN --out none/curves.png", "No such file or directory"),
        ("export RUN", "Missing option '--onnx'"),
        ("export nowhere --onnx m.onnx", "there is no run folder nowhere"),
        ("export RUN --onnx none/m.onnx", "No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(fwdad_, run, tmp_path, words, says):
    for name, content in (("broken", "epoch,loss\n1,2\n"), ("fresh", (run / "metrics.csv").read_text().split("\n")[0])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(content)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    code, out, err = fwdad_(*(run if word == "RUN" else word for word in words.split()))
    assert (code, out) == (2, "")
    assert err.startswith("fwdad: error: ")
    assert says in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_libraries(fwdad_, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'fwdad[onnx]'" in fwdad_("export", run, "--onnx", "model.onnx")[2]
    assert "pip install 'fwdad[plot]'" in fwdad_("plot", run)[2]


def test_a_model_that_is_no_number_is_neither_tested_nor_exported(fwdad_, run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    arrays, state = checkpoint.load(folder / "checkpoint.safetensors")
    del state["digest"]
    arrays["model.layers.0.bias"][1] = np.nan
    trees = {"model": {}, "optimizer": {}}
    for name, array in arrays.items():
        trees[name.partition(".")[0]][name.partition(".")[2]] = array
    checkpoint.save(folder / "checkpoint.safetensors", trees, state)
    for words in (("eval", "run"), ("export", "run", "--onnx", "model.onnx"), ("train", "--resume", "--out", "run")):
        code, out, err = fwdad_(*words)
        assert (code, out) == (2, "")
        assert "the model in run/checkpoint.safetensors is of no use: model.layers.0.bias holds NaN or infinity" in err
    assert not (tmp_path / "model.onnx").exists()


def test_export_into_a_device_leaves_the_device(fwdad_, run):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'fwdad[onnx]'")
    code, _, err = fwdad_("export", run, "--onnx", "/dev/null")
    assert (code, err) == (0, "")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
