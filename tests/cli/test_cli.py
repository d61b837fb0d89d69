"""The command line in this process: what it prints, its exit codes, and one line for every error."""

import json
import platform
import sys

import numpy as np
import pytest

import fwdad
from fwdad import kernels
from fwdad.cli import main
from fwdad.train import TrainConfig

SMALL = ["--hidden", "16", "8", "--tangents", "2", "--epochs", "2", "--batch-size", "400"]

pytestmark = pytest.mark.usefixtures("elsewhere")


def config_of(folder):
    return TrainConfig.from_json(json.loads((folder / "config.json").read_text()))


# ---- what it does


def test_train_reports_epochs_result_and_files(fwdad_, tmp_path):
    code, out, err = fwdad_("train", *SMALL)
    assert (code, err) == (0, "")
    result = json.loads((tmp_path / "runs/digits/result.json").read_text())
    examples, directions, *epochs = out.splitlines()[:4]
    last = out.splitlines()[4:]
    assert examples == "data: digits, 1197 / 300 / 300 examples (train / validation / test), 1x8x8, 10 classes"
    assert directions == "directions: 2 rademacher, combined by projection"
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    assert all(word in line for line in epochs for word in ("loss", "accuracy", "ms/step", "examples/s", "left"))
    best = result["best"]
    tested = [f"test accuracy {r['test_accuracy']:.4f} (loss {r['test_loss']:.4f})" for r in (result, best)]
    assert last[0] == f"at the end     {tested[0]}"
    assert last[1] == f"best epoch     {tested[1]}, epoch {best['epoch']} by validation loss"
    assert last[2].startswith("time per step")
    assert last[3].split() == ["metrics", "runs/digits/metrics.csv"]
    assert last[4].split() == ["checkpoint", "runs/digits/checkpoint.safetensors"]
    assert last[5].split() == ["best", "model", "runs/digits/best.safetensors"]
    assert last[6].endswith("fwdad predict runs/digits FILE")


@pytest.mark.parametrize(
    ("words", "hidden"),
    [
        (["--hidden", "16", "8", "4"], (16, 8, 4)),
        (["--hidden", "16"], (16,)),
        (["--hidden=16", "8"], (16, 8)),
        (["--hidden", "16,8"], (16, 8)),
        (["--hidden", "16 8"], (16, 8)),
        (["--hidden", "9", "--hidden", "16", "8"], (16, 8)),
        ([], TrainConfig.hidden),
    ],
)
def test_hidden_takes_all_the_integers_that_follow(fwdad_, tmp_path, words, hidden):
    code, _, err = fwdad_("train", *words, "--epochs", "1", "--tangents", "1", "--batch-size", "1200", "--out", "run")
    assert (code, err) == (0, "")
    assert config_of(tmp_path / "run").hidden == hidden


def test_every_option_reaches_the_configuration(fwdad_, tmp_path):
    given = {
        "data": "digits", "data_dir": str(tmp_path / "x"), "hidden": (8,), "activation": "tanh",
        "directions": "random", "rows": 0.5, "tangents": 3, "sampler": "rademacher",
        "combiner": "mean", "perturb": "weight", "epochs": 1, "batch_size": 300, "optimizer": "sgd",
        "learning_rate": 0.001, "momentum": 0.5, "weight_decay": 0.01, "schedule": "step", "warmup": 2,
        "seed": 9, "threads": 1, "target_accuracy": 0.99, "augment": "crop", "label_smoothing": 0.1, "clip": 5.0,
        "average": 0.9, "patience": 4,
    }  # fmt: skip
    words = []
    for name, value in given.items():
        words += ["--" + name.replace("_", "-"), value[0] if name == "hidden" else value]
    code, _, err = fwdad_("train", *words, "--out", "run")
    assert (code, err) == (0, "")
    assert config_of(tmp_path / "run") == TrainConfig(**given)
    assert TrainConfig(**given) != TrainConfig()


def test_the_help_shows_every_default(fwdad_):
    code, out, _ = fwdad_("train", "--help")
    text = " ".join(out.split())
    defaults = TrainConfig()
    assert code == 0
    for shown in ("digits", "128 128", defaults.epochs, defaults.perturb, defaults.batch_size):
        assert f"[default: {shown}]" in text


def test_resume_needs_no_more_than_the_folder(fwdad_, tmp_path):
    fwdad_("train", *SMALL, "--schedule", "constant", "--out", "a b")
    code, out, _ = fwdad_("train", "--resume", "--out", "a b")
    assert (code, out) == (0, "The run in a b is finished: 6 steps. Nothing to do.\n")
    code, out, _ = fwdad_("train", "--resume", "--out", "a b", "--epochs", "3")
    assert code == 0
    assert out.splitlines()[2].startswith("epoch 3/3")
    assert out.endswith("fwdad predict 'a b' FILE\n")
    assert config_of(tmp_path / "a b").epochs == 3


def test_info(fwdad_):
    code, out, _ = fwdad_("info")
    rows = dict(line.split("  ", 1) for line in out.splitlines())
    values = {name: value.strip() for name, value in rows.items()}
    assert code == 0
    assert values["fwdad"] == fwdad.__version__
    assert values["python"] == platform.python_version()
    assert values["numpy"] == np.__version__
    assert {name: values[name] for name in kernels.info()} == {k: str(v) for k, v in kernels.info().items()}


def test_version_and_help(fwdad_):
    assert fwdad.__version__ in fwdad_("--version")[1]
    code, out, _ = fwdad_()
    assert code == 0
    assert "train" in out
    assert "info" in out


# ---- bad input


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--tangents 0", "--tangents must be from 1 to 65536, got 0"),
        ("--tangents x", "'--tangents': 'x' is not a valid integer"),
        ("--sampler cauchy", "'--sampler': 'cauchy' is not one of 'normal', 'rademacher'"),
        ("--combiner best", "'--combiner': 'best' is not one of"),
        ("--perturb loss", "'--perturb': 'loss' is not one of"),
        ("--data cifar", "unknown data set 'cifar'; choose one of digits, mnist"),
        ("--activation step", "'--activation': 'step' is not one of"),
        ("--hidden", "Option '--hidden' requires an argument"),
        ("--hidden 16 0", "--hidden must be at least 1, got 0"),
        ("--hidden -3", "--hidden must be at least 1, got -3"),
        ("--hidden wide", "'--hidden': 'wide' is not a list of integers"),
        ("--hidden 16 wide", "extra argument (wide)"),
        ("--epochs 0", "--epochs must be at least 1, got 0"),
        ("--batch-size 0", "--batch-size must be at least 1, got 0"),
        ("--learning-rate -1", "--learning-rate must be at least 0, got -1.0"),
        ("--learning-rate nan", "--learning-rate must be at least 0, got nan"),
        ("--optimizer adam --momentum 0.9", "--momentum is a setting of rmsprop and sgd, not of adam; leave it out"),
        ("--optimizer adam --weight-decay 0.1", "--weight-decay is a setting of adamw and sgd, not of adam"),
        ("--warmup 100000", "--warmup must be below"),
        ("--seed -1", "--seed must be from 0 to"),
        ("--threads 0", "--threads must be from 1 to 1024, got 0"),
        ("--target-accuracy 95", "--target-accuracy must be from 0 to 1, got 95.0"),
        ("--data mnist", "mnist is not part of the package; name the folder of its files by --data-dir or $FWDAD_DATA"),
        ("--data mnist --data-dir nowhere", "nowhere does not exist"),
        ("--data mnist --data-dir .", "; looked for train-images-idx3-ubyte"),
        ("--data none.csv", "cannot read none.csv"),
        ("--data file.csv", "cannot read file.csv"),
        ("--data full", "full holds no images"),
        ("--task regression", "digits is a classification data set"),
        ("--task ranking", "'--task': 'ranking' is not one of"),
        ("--target y", "a target column, 'y', is for tables; digits is none"),
        ("--model rnn", "'--model': 'rnn' is not one of 'mlp'"),
        ("--model lenet5", "--model lenet5 cannot take inputs of shape (1, 8, 8)"),
        ("--model lenet5 --hidden 16", "not of lenet5; leave it out"),
        ("--augment blur", "'--augment': 'blur' is not one of"),
        ("--clip 0", "--clip must be above 0, got 0"),
        ("--average 1", "--average must be below 1, got 1.0"),
        ("--patience 0", "--patience must be at least 1, got 0"),
        ("--resume", "--resume needs the folder"),
        ("--resume --out nowhere", "there is no run folder nowhere to resume"),
        ("--out file", "cannot make the run folder file: File exists"),
        ("--out file/run", "cannot make the run folder file/run: Not a directory"),
        ("--out full", "the run folder full is not empty"),
        (
            "--hidden 999999999 999999999",
            "not enough memory for fwdad train --hidden 999999999 999999999 (Unable to allo",
        ),
        (f"--seed {'9' * 400}", "--seed must be from 0 to 18446744073709551615, got a larger number"),
        (f"--epochs {'9' * 400}", "--epochs must be at least 1, got a larger number"),
        ("--learning-rate 1e400", "--learning-rate must be at least 0, got inf"),
        ("--hidden 1_000", "'1_000' is not a list of integers"),
        ("--data \x1b[31m", r"unknown data set '\x1b[31m'"),
        ("--data colours.csv --target y", r"no column 'y'; its columns are a, \x1b[31mred"),
        ("--speed 11", "--speed"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(fwdad_, tmp_path, words, says):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("precious")
    (tmp_path / "colours.csv").write_text("a,\x1b[31mred\n1,2\n")
    code, out, err = fwdad_("train", *words.split())
    assert (code, out) == (2, "")
    assert err.startswith("fwdad: error: ")
    assert says in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["colours.csv", "file", "full", "notes"]


def test_verbose_adds_the_traceback(fwdad_):
    code, _, err = fwdad_("train", "--epochs", "0", "-v")
    assert code == 2
    assert err.startswith("Traceback")
    assert err.splitlines()[-1] == "fwdad: error: --epochs must be at least 1, got 0"


def test_event_files_without_the_library(fwdad_, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    message = "fwdad: error: event files need tensorboardX: pip install 'fwdad[tensorboard]'\n"
    assert fwdad_("train", "--tensorboard") == (2, "", message)
    assert not list(tmp_path.iterdir())


def test_a_regression_shows_losses_alone(fwdad_, tmp_path):
    x = np.random.default_rng(0).standard_normal((100, 3))
    np.savetxt(tmp_path / "table.csv", np.c_[x, x.sum(1)], delimiter=",", header="a,b,c,y", comments="")
    words = ["--data", "table.csv", "--task", "regression", "--epochs", "3"]
    code, out, err = fwdad_("train", *words)
    assert (code, err) == (0, "")
    assert "accuracy" not in out
    assert "directions: every unit, so that the gradient is exact\nepoch 1/3  step 2  loss " in out
    assert "at the end     test loss " in out
    assert (tmp_path / "runs" / "table" / "result.json").exists()


@pytest.mark.filterwarnings("always::fwdad.train.RunWarning")  # printed as one line
def test_a_run_that_learns_nothing_says_so(fwdad_):
    words = ("train", "--hidden", "8", "--epochs", "1", "--learning-rate")
    code, out, err = fwdad_(*words, "1e6")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("fwdad: warning: the training loss, ")
    assert "is far above that of equal probabilities, 2.3026: nothing was learnt; start a new run" in err
    assert "to resume" not in out
    assert fwdad_(*words, "1e-2")[2] == ""


def test_download_checks_its_arguments(fwdad_, monkeypatch):
    assert "'digits' is not one of 'mnist'" in fwdad_("download", "digits")[2]
    message = "fwdad: error: name a folder for mnist by --data-dir or $FWDAD_DATA\n"
    assert fwdad_("download", "mnist") == (2, "", message)
    monkeypatch.setattr("fwdad.data.download", lambda name, folder: folder / name)
    code, out, _ = fwdad_("download", "mnist", "--data-dir", "here")
    assert (code, out) == (0, "mnist is in here/mnist. To train on it:\n  fwdad train --data mnist --data-dir here\n")


def test_an_unknown_command(fwdad_):
    assert fwdad_("fly") == (2, "", "fwdad: error: No such command 'fly'.\n")


def test_a_run_that_diverges(fwdad_, tmp_path):
    words = ["--optimizer", "sgd", "--learning-rate", "1e30", "--schedule", "constant"]
    code, _, err = fwdad_("train", *SMALL, *words, "--out", "run")
    assert code == 2
    assert err.startswith("fwdad: error: ")
    assert "lower --learning-rate" in err
    assert err.count("\n") == 1
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_damaged_checkpoint_and_one_of_another_run(fwdad_, tmp_path):
    fwdad_("train", *SMALL, "--out", "run")
    fwdad_("train", *SMALL, "--seed", "1", "--out", "other")
    file = tmp_path / "run" / "checkpoint.safetensors"
    whole = file.read_bytes()
    for content, says in (
        (whole[:-1], "is cut short or damaged"),
        (whole[:100], "is cut short or damaged"),
        ((tmp_path / "other" / file.name).read_bytes(), "is of another run: its seed is 1, but 0 in config.json"),
    ):
        file.write_bytes(content)
        code, out, err = fwdad_("train", "--resume", "--out", "run")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("fwdad: error: ")
        assert says in err
        assert file.read_bytes() == content
    file.write_bytes(whole)
    assert fwdad_("train", "--resume", "--out", "run")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--hidden 32", "--hidden is (16, 8) in the run to resume, not (32,)"),
        ("--learning-rate 0.5", "--learning-rate is 0.001 in the run to resume, not 0.5"),
        ("--epochs 5", "--epochs cannot change on resume: the cosine schedule was laid out for 2"),
    ],
)
def test_a_resume_that_contradicts_the_run(fwdad_, words, says):
    fwdad_("train", *SMALL, "--learning-rate", "0.001", "--out", "run")
    code, _, err = fwdad_("train", "--resume", "--out", "run", *words.split())
    assert code == 2
    assert says in err


def test_a_fault_of_the_program_is_not_dressed_up_as_the_users(monkeypatch):
    def broken(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr("fwdad.cli.train.Trainer.new", broken)
    with pytest.raises(KeyError):
        main(["train"])
