"""A run on other files: eval, predict and export read them by what the run knows of its data."""

import json

import numpy as np
import pytest

from fwdad import data
from fwdad.train import TrainConfig, Trainer, checkpoint, load_model, load_run

pytestmark = [
    pytest.mark.usefixtures("elsewhere"),
    pytest.mark.filterwarnings("always::fwdad.data.DataWarning"),  # printed as one line
]
WORDS = ("one", "two", "three")
RNG = np.random.default_rng(0)
N = 120
LABELS = np.arange(N) % 3
X = np.round(RNG.normal(100, 10, (N, 3)) + 15 * np.eye(3)[LABELS], 3)
COLOURS = np.where(RNG.random(N) < 0.5, "red", "blue")
TABLE = {"a": X[:, 0], "colour": COLOURS, "b": X[:, 1], "c": X[:, 2], "kind": np.array(WORDS)[LABELS]}
IMAGES = RNG.integers(0, 100, (N, 8, 6, 3), dtype=np.uint8) + np.uint8([0, 50, 100])[LABELS, None, None, None]


def write_table(path, columns, rows=slice(None)):
    lines = zip(*(np.asarray(column)[rows].tolist() for column in columns.values()), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, line)) for line in lines)]) + "\n")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of the runs `table`, `images` and `values`, and of their data; not to be changed."""
    home = tmp_path_factory.mktemp("known")
    write_table(home / "table.csv", TABLE)
    np.savez(home / "images.npz", x=IMAGES, y=np.array(WORDS)[LABELS])
    np.savez(home / "values.npz", x=X, y=np.c_[X.sum(1), 1000 * X[:, 0]])
    for name, suffix, task in (("table", "csv", "classification"), ("images", "npz", "classification"),
                               ("values", "npz", "regression")):  # fmt: skip
        config = TrainConfig(data=str(home / f"{name}.{suffix}"), task=task, hidden=(16,), epochs=8, batch_size=16)
        Trainer.new(config, home / name).run()
    return home


def figures(out):
    return {line[:15].strip(): line[15:] for line in out.splitlines()}


def truth(model, facts, x):
    """What the model of a run answers for the numbers of a file, (N, classes), by arithmetic of our own."""
    z = (np.moveaxis(x, -1, 1) if x.ndim == 4 else x).astype(np.float64)
    shape = (-1, *[1] * (z.ndim - 2))
    z = (z - np.reshape(facts.mean, shape)) / np.reshape(facts.std, shape)
    return np.asarray(model(z.astype(np.float32).reshape(len(x), *facts.input_shape)))


def encoded(table):
    a, colour, b, c = (np.asarray(table[name]) for name in ("a", "colour", "b", "c"))
    return np.stack([a, colour == "blue", colour == "red", b, c], 1)


SHIFTED = TABLE | {name: TABLE[name] + 1000 for name in "abc"}
RENAMED = TABLE | {"kind": np.where(LABELS == 1, "zwei", TABLE["kind"])}
REVERSED = dict(reversed(TABLE.items()))
MOSTLY = np.r_[np.flatnonzero(LABELS == 2), 0]
TWO = np.flatnonzero(LABELS != 1)


@pytest.mark.parametrize(
    ("table", "rows", "says"),
    [
        (TABLE, slice(None), ""),
        (SHIFTED, slice(None), ""),
        (RENAMED, slice(None), "line 3: the run knows no class 'zwei'; the 40 rows"),
        (REVERSED, slice(None), ""),
        (TABLE | {"extra": LABELS}, slice(None), "not used, since the run has no such columns: extra"),
        (TABLE, MOSTLY, ""),
        (TABLE, TWO, ""),
        (TABLE, [4], ""),
    ],
)
def test_eval_of_a_table_prints_the_truth(fwdad_, home, tmp_path, table, rows, says):
    write_table(tmp_path / "other.csv", table, rows)
    code, out, err = fwdad_("eval", home / "table", "--data", "other.csv")
    assert code == 0
    assert says in err
    assert err.count("\n") == bool(says)
    outputs = truth(load_model(home / "table"), load_run(home / "table").facts, encoded(table)[rows])
    answers = np.array(sorted(WORDS))[outputs.argmax(1)]
    expected = np.mean(answers == table["kind"][rows])
    assert figures(out)["test accuracy"] == f"{expected:.4f}"
    assert figures(out)["data"] == f"other.csv, all of its rows, {len(answers)} examples"


@pytest.mark.parametrize("half", [False, True])
def test_eval_of_images_prints_the_truth(fwdad_, home, tmp_path, half):
    x = IMAGES // 2 if half else IMAGES
    np.savez(tmp_path / "other.npz", x=x, y=np.array(WORDS)[LABELS])
    out = fwdad_("eval", home / "images", "--data", "other.npz")[1]
    outputs = truth(load_model(home / "images"), load_run(home / "images").facts, x)
    expected = np.mean(np.array(sorted(WORDS))[outputs.argmax(1)] == np.array(WORDS)[LABELS])
    assert figures(out)["test accuracy"] == f"{expected:.4f}"
    assert (expected < 0.8) == half


def test_eval_of_the_test_part_where_a_file_has_one(fwdad_, home, tmp_path):
    words = np.array(WORDS)[LABELS]
    np.savez(tmp_path / "parts.npz", x_train=IMAGES, y_train=words, x_test=IMAGES[:7], y_test=words[:7])
    out = fwdad_("eval", home / "images", "--data", "parts.npz")[1]
    assert figures(out)["data"] == "parts.npz, its test part, 7 examples"


def test_eval_on_the_run_s_own_file_says_so(fwdad_, home):
    err = fwdad_("eval", home / "table", "--data", home / "table.csv")[2]
    assert "holds the examples that the run has learnt from, too" in err


def test_a_run_finds_its_data_from_anywhere(fwdad_, tmp_path, monkeypatch):
    write_table(tmp_path / "table.csv", TABLE)
    Trainer.new(TrainConfig(data="table.csv", hidden=(4,), epochs=1), "run").run()
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    assert figures(fwdad_("eval", "../run")[1])["test loss"] == f"{result['test_loss']:.4f}"
    assert Trainer.resume("../run").finished
    write_table(tmp_path / "table.csv", SHIFTED)
    assert "was trained on other table.csv data than there is now" in fwdad_("eval", "../run")[2]


@pytest.mark.parametrize("proba", [False, True])
def test_predict(fwdad_, home, tmp_path, proba):
    table = {name: column for name, column in REVERSED.items() if name != "kind"}
    write_table(tmp_path / "new.csv", table)
    words = ["predict", home / "table", "new.csv"] + ["--proba"] * proba
    code, out, err = fwdad_(*words)
    assert (code, err) == (0, "")
    header, *lines = (line.split(",") for line in out.splitlines())
    assert header == ["prediction", *(("one", "three", "two") if proba else ())]
    outputs = truth(load_model(home / "table"), load_run(home / "table").facts, encoded(table)).astype(np.float64)
    assert [line[0] for line in lines] == np.array(sorted(WORDS))[outputs.argmax(1)].tolist()
    if proba:
        shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
        np.testing.assert_allclose(np.array([line[1:] for line in lines], float), shares, atol=1e-6)
    assert fwdad_(*words, "--out", "answers.csv")[1] == "answers.csv: 120 predictions\n"
    assert (tmp_path / "answers.csv").read_text() == out


def test_predictions_of_a_regression_are_in_its_units(fwdad_, home):
    lines = fwdad_("predict", home / "values", home / "values.npz")[1].splitlines()
    assert lines[0] == "prediction_0,prediction_1"
    found = np.array([line.split(",") for line in lines[1:]], float)
    facts = load_run(home / "values").facts
    expected = truth(load_model(home / "values"), facts, X) * facts.target_std + facts.target_mean
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.all(np.abs(found.mean(0) / [X.sum(1).mean(), 1000 * X[:, 0].mean()] - 1) < 0.1)


@pytest.mark.parametrize("run", ["table", "images", "values"])
def test_the_exported_file_takes_what_the_data_s_file_holds(fwdad_, home, tmp_path, run):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'fwdad[onnx]'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install onnxruntime")
    assert fwdad_("export", home / run, "--onnx", "model.onnx")[0] == 0
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    words = [name for name in TABLE if name != "kind"]
    inputs = {
        "table": {name: TABLE[name].astype(object if name == "colour" else float)[:, None] for name in words},
        "images": {"input": IMAGES},
        "values": {"input": X},
    }[run]
    proba = ["--proba"] * (run != "values")
    file = home / ("table.csv" if run == "table" else f"{run}.npz")
    lines = fwdad_("predict", home / run, file, *proba)[1].splitlines()[1:]
    expected = np.array([line.split(",")[len(proba) :] for line in lines], float)
    np.testing.assert_allclose(session.run(None, inputs)[0], expected, rtol=1e-5, atol=1e-5)
    about = session.get_modelmeta().custom_metadata_map
    facts = load_run(home / run).facts
    assert json.loads(about["classes"]) == (None if run == "values" else sorted(WORDS))
    assert [column["name"] for column in json.loads(about["columns"])] == (words if run == "table" else [])
    assert json.loads(about["std"]) == list(facts.std)
    assert "origin" not in about


def test_the_report(fwdad_, home, tmp_path):
    metrics = pytest.importorskip(
        "sklearn.metrics", reason="scikit-learn is not installed: pip install 'fwdad[sklearn]'"
    )
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'fwdad[plot]'")
    write_table(tmp_path / "other.csv", SHIFTED | {"kind": RENAMED["kind"]})
    words = ("eval", home / "table", "--data", "other.csv", "--report", "--json", "r.json", "--plot", "r.png")
    code, out, _ = fwdad_(*words)
    found = json.loads((tmp_path / "r.json").read_text())
    assert code == 0
    outputs = truth(load_model(home / "table"), load_run(home / "table").facts, encoded(SHIFTED))
    answers = np.array(sorted(WORDS))[outputs.argmax(1)]
    expected = metrics.classification_report(
        RENAMED["kind"], answers, labels=sorted(WORDS), output_dict=True, zero_division=0
    )
    for word in WORDS:
        row = found["classes"][word]
        assert row["precision"] == expected[word]["precision"]
        assert row["f1"] == expected[word]["f1-score"]
        assert f"{word:<5}  {row['precision']:9.4f}  {row['recall']:6.4f}" in out
    assert np.sum(found["confusion"]) == 80  # those of known classes
    shares = np.exp(outputs - outputs.max(1, keepdims=True))
    confidence = (shares / shares.sum(1, keepdims=True)).max(1)
    assert sum(b["examples"] * b["confidence"] for b in found["calibration"]) == pytest.approx(
        confidence.sum(), rel=1e-5
    )
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_of_a_regression(fwdad_, home, tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fwdad[sklearn]'")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'fwdad[plot]'")
    words = ("eval", home / "values", "--report", "--json", "r.json", "--plot", "r.svg")
    assert "value 1  rmse " in fwdad_(*words)[1]
    found = json.loads((tmp_path / "r.json").read_text())
    trainer = Trainer.resume(home / "values")
    facts, test = trainer.data.facts, trainer.data.test
    error = np.asarray(trainer.evaluated(test.inputs) - test.targets) * facts.target_std
    np.testing.assert_allclose(found["rmse"], np.sqrt((error**2).mean(0)), rtol=1e-5)


def test_outputs_that_are_no_numbers_are_an_error(fwdad_, home, monkeypatch):
    monkeypatch.setattr("fwdad.cli.runs.predict", lambda model, x: np.where(np.arange(len(x)) < 7, 0, np.nan)[:, None])
    for words in (("eval", home / "values"), ("predict", home / "values", home / "values.npz")):
        code, out, err = fwdad_(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "the model gives NaN or infinity for example 7" in err


def test_values_far_away_have_a_large_loss(fwdad_, home, tmp_path):
    np.savez(tmp_path / "far.npz", x=np.where(np.arange(N)[:, None] == 7, 3e38, X), y=X[:, :2])
    code, out, err = fwdad_("eval", home / "values", "--data", "far.npz")
    assert (code, err) == (0, "")
    assert 1e60 < float(figures(out)["test loss"]) < 1e80


def test_a_file_of_one_example_has_no_r2(fwdad_, home, tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fwdad[sklearn]'")
    np.savez(tmp_path / "one.npz", x=X[:1], y=np.ones((1, 2)))
    code, out, err = fwdad_("eval", home / "values", "--data", "one.npz", "--report", "--json", "r.json")
    assert (code, err) == (0, "")
    assert "R2" not in out
    assert json.loads((tmp_path / "r.json").read_text()).keys() >= {"test_loss", "rmse", "mae"}


def broken(cell, column="b", row=5):
    values = TABLE[column].astype(object)
    values[row] = cell
    return TABLE | {column: values}


@pytest.mark.parametrize(
    ("run", "content", "says"),
    [
        ("table", broken("nan"), "other.csv, line 7, column 'b': 'nan' is not a finite number"),
        ("table", broken("-inf"), "other.csv, line 7, column 'b': '-inf' is not a finite number"),
        ("table", broken(""), "other.csv, line 7, column 'b': no value"),
        ("table", broken("1,2"), "other.csv, line 7: 6 values, but the header names 5 columns"),
        ("table", broken("green", "colour"), "other.csv, line 7, column 'colour': 'green' is none of the words"),
        ("table", broken("", "kind"), "other.csv, line 7, column 'kind': no value"),
        ("table", TABLE | {"kind": np.full(N, "four")}, "line 2: the run knows no class 'four', nor that of any other"),
        ("table", {"a": TABLE["a"], "a ": TABLE["b"]}, "two columns have the same name in its header: 'a'"),
        ("table", {"a": TABLE["a"], "kind": TABLE["kind"]}, "other.csv has no column 'colour', from which the run has"),
        ("table", {n: TABLE[n] for n in ("a", "b", "c", "colour")}, "has no column 'kind', which the run predicts"),
        ("images", TABLE, "other.csv: the run has learnt from arrays"),
        ("images", {"x": IMAGES[:, :, :, :2], "y": LABELS}, "x holds examples (8, 6, 2), but the run has learnt from"),
        ("images", {"x": IMAGES, "y": LABELS / 2}, "classes are integers or words"),
        ("table", {"x": X, "y": LABELS}, "x holds examples (3,), but the run has learnt from (5,)"),
        ("table", {"x": np.ones((3, 5)), "y": LABELS[:3]}, "has learnt from columns of words, which arrays lack"),
        ("values", {"x": X, "y": X[:, 0]}, "y is (120, 1), but the run predicts 2 values"),
        ("values", {"x": np.where(X[7, 1] == X, np.nan, X), "y": X}, "first in example 7, at (1,)"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_one_line_and_nothing_written(fwdad_, home, tmp_path, run, content, says):
    if "x" in content:
        name = "other.npz"
        np.savez(tmp_path / name, **content)
    else:
        name = "other.csv"
        write_table(tmp_path / name, content)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = fwdad_("eval", home / run, "--data", name, "--json", "r.json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_byte_order_mark_is_no_part_of_a_name(fwdad_, home, tmp_path):
    write_table(tmp_path / "other.csv", TABLE)
    (tmp_path / "marked.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "other.csv").read_bytes())
    assert fwdad_("predict", home / "table", "marked.csv") == fwdad_("predict", home / "table", "other.csv")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("predict", "Missing argument 'RUN'"),
        ("predict HOME/table", "Missing argument 'FILE'"),
        ("predict HOME/table none.csv", "cannot read none.csv"),
        ("predict HOME/values HOME/values.npz --proba", "is a regression; it predicts values"),
        ("predict HOME/table HOME/table.csv --out none/answers.csv", "No such file or directory"),
        ("eval HOME/table --data digits", "digits holds examples (8, 8), but the run has learnt from (5,)"),
    ],
)
def test_a_mistake_is_one_line(fwdad_, home, words, says):
    code, out, err = fwdad_(*words.replace("HOME", str(home)).split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_a_run_of_an_older_version_says_what_it_lacks(fwdad_, home, tmp_path):
    (tmp_path / "old").mkdir()
    arrays, state = checkpoint.load(home / "images" / "checkpoint.safetensors")
    del state["digest"], state["facts"]
    trees = {"model": {}, "optimizer": {}}
    for name, array in arrays.items():
        trees[name.partition(".")[0]][name.partition(".")[2]] = array
    checkpoint.save(tmp_path / "old" / "checkpoint.safetensors", trees, state)
    file = home / "images.npz"
    assert fwdad_("eval", "old") == fwdad_("eval", home / "images")
    for words in (("eval", "old", "--data", file), ("predict", "old", file), ("eval", "old", "--json", "r.json")):
        code, out, err = fwdad_(*words)
        assert (code, out) == (2, "")
        assert "the run in old keeps nothing of its data" in err
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'fwdad[onnx]'")
    out = fwdad_("export", "old", "--onnx", "model.onnx")[1]
    assert "input (batch, 3, 8, 6) float32, normalised as in training (the run keeps nothing of its data)" in out


def test_a_named_data_set_is_read_by_the_statistics_of_the_run(fwdad_, tmp_path):
    np.savez(tmp_path / "dim.npz", x=data.load("digits").facts.originals(data.load("digits").train.inputs) / 4,
             y=data.load("digits").train.targets)  # fmt: skip
    Trainer.new(TrainConfig(data="dim.npz", hidden=(16,), epochs=2), "run").run()
    digits = data.load("digits")
    pixels = digits.facts.originals(digits.test.inputs)
    outputs = truth(
        load_model("run"), load_run("run").facts, pixels.reshape(len(pixels), -1)[:, None].reshape(-1, 1, 8, 8)[:, 0]
    )
    found = figures(fwdad_("eval", "run", "--data", "digits")[1])
    assert found["test accuracy"] == f"{np.mean(outputs.argmax(1) == digits.test.targets):.4f}"
