"""The other experiments, each at a small size: rows, what they must show, summary and figure."""

import numpy as np
import pytest

from fwdad.experiments import EXPERIMENTS, Settings, ff_snn, fgd_mnist
from fwdad.experiments.experiment import select
from fwdad.experiments.fgd_functions import beale, rosenbrock
from fwdad.experiments.guesses import cosine


def table_of(name, wanted=lambda parameters: True, settings=None, **changes):
    experiment = EXPERIMENTS[name]
    cells = experiment.cells(settings or Settings(quick=True))
    chosen = [cell.parameters | changes for cell in cells if wanted(cell.parameters)]
    assert chosen
    return experiment.table([row for parameters in chosen for row in experiment.run(parameters, lambda part: None)])


def shown(name, table):
    """All lines of the summaries; the figure is drawn too."""
    experiment = EXPERIMENTS[name]
    lines = [line for summary in experiment.summary(table) for line in summary.lines]
    assert lines
    assert all(isinstance(text, str) for line in lines for text in line)
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib draws the figures").Figure()
    experiment.draw(table, figure)
    assert figure.axes
    return lines


def test_directions_at_an_angle():
    """The mean suffers, the projection does not: E cos^2 = k / n at all angles."""
    table = table_of("custom-tangents", lambda p: p["part"] == "quality", samples=400)
    cosines = {(row["method"], row["k"], row["angle"]): row for row in table}
    for k in (4, 16):
        mean = [cosines["mean", k, angle]["cosine"] for angle in (15, 30, 45, 60, 75, 90)]
        assert mean == sorted(mean)
        assert mean[0] < 0.6 * mean[-1]
        for angle in (15, 90):
            row = cosines["projection", k, angle]
            assert abs(row["cosine"] - np.sqrt(k / 64)) < 0.02 + 4 * row["cosine_error"]
            assert row["norm_ratio"] == pytest.approx(row["cosine"], rel=1e-6)
    assert cosines["projection", 64, 15]["cosine"] == pytest.approx(1, abs=1e-9)


def test_descents_by_directions_at_an_angle():
    table = table_of("custom-tangents", lambda p: p["k"] in (4, 64) and p["angle"] in (15, 90), steps=200)
    best = {(r["method"], r["angle"], r["seed"]): r["best"] for r in table if r["part"] == "descent" and r["k"] == 64}
    for angle in (15, 90):  # 64 directions span the space
        assert best["projection", angle, 0] == pytest.approx(-39.16616570377142 * 64, rel=1e-9)
    full = table_of("custom-tangents", lambda p: p["angle"] in (15, 90) and p["k"] == 16, steps=30, seeds=[0, 1])
    assert {row["seed"] for row in full if row["part"] == "descent"} == {0, 1}


def test_a_quick_run_descends_as_far_as_a_full_one():
    quick, full = (EXPERIMENTS["custom-tangents"].cells(Settings(quick=quick)) for quick in (True, False))
    kept = [[(c.name, c.parameters.get("steps"), c.parameters.get("rates")) for c in cells] for cells in (quick, full)]
    assert kept[0] == kept[1]


def test_custom_tangents_are_shown():
    few = {15: 0, 30: 0, 45: 0, 60: 0, 75: 0, 90: 0}
    table = table_of("custom-tangents", lambda p: p["angle"] in few and p["part"] == "quality", samples=100)
    table += table_of("custom-tangents", lambda p: p["part"] == "descent", steps=3)
    lines = shown("custom-tangents", table)
    assert [line[0] for line in lines] == 2 * ["15", "30", "45", "60", "75", "90"]


@pytest.mark.parametrize("name", ["fgd-beale", "fgd-rosenbrock"])
def test_forward_gradient_descent_on_functions(name):
    table = table_of(name, steps=400)
    assert {row["method"] for row in table} == {"gradient", "forward gradient"}
    for method in ("gradient", "forward gradient"):
        for seed in {row["seed"] for row in table if row["method"] == method}:
            run = [row for row in table if row["method"] == method and row["seed"] == seed]
            assert run[0]["value"] == EXPERIMENTS[name].function(EXPERIMENTS[name].start)
            assert run[-1]["value"] < run[0]["value"] / 2
            assert [row["step"] for row in run] == sorted(row["step"] for row in run)
            assert [row["seconds"] for row in run] == sorted(row["seconds"] for row in run)
    assert len(shown(name, table)) == 2


def test_values_of_functions():
    assert beale((3.0, 0.5)) == rosenbrock((1.0, 1.0)) == 0
    assert beale((1.0, 1.0)) == 1.5**2 + 2.25**2 + 2.625**2
    assert rosenbrock((-1.0, 0.0)) == 104


def test_forward_gradient_descent_on_a_data_set(monkeypatch):
    monkeypatch.setitem(fgd_mnist.MODELS, "mlp", (16, 16))
    table = table_of("fgd-mnist", steps=100, data="digits")
    assert len(table) == 4 * 100
    lines = {line[0]: line for line in shown("fgd-mnist", table)}
    assert set(lines) == {f"{m}, {g}" for m in ("logistic regression", "mlp") for g in ("gradient", "forward gradient")}
    run = [r["train_loss"] for r in table if (r["model"], r["method"]) == ("logistic regression", "forward gradient")]
    assert np.mean(run[-20:]) < np.mean(run[:20])


def test_guesses():
    table = table_of("guesses", epochs=1, data="digits")
    lines = shown("guesses", table)
    assert len(lines) == 2 * 5
    cosines = {(row["guess"], row["target"]): row["cosine"] for row in table}
    assert cosines["the gradient", "global"] == pytest.approx(1)
    assert cosines["the gradient", "local"] == pytest.approx(1)
    assert cosines["local gradient", "global"] > 2 * cosines["16 normal", "global"] > 0
    assert cosines["16 normal", "local"] > cosines["1 normal", "local"]


def test_cosine_of_trees():
    a, b = {"x": np.array([1.0, 0.0]), "y": np.array(1.0)}, {"x": np.array([1.0, 1.0]), "y": np.array(0.0)}
    assert cosine(a, b) == pytest.approx(0.5)
    assert np.isnan(cosine(a, {"x": np.zeros(2), "y": np.zeros(())}))


def test_forward_forward_by_spikes(monkeypatch):
    """Every kind of variant runs; by exact gradients, a few steps are enough."""
    for name, value in {"HIDDEN": 40, "BATCH": 128, "RATE": 1e-2}.items():
        monkeypatch.setattr(ff_snn, name, value)
    settings = Settings(data="digits", seeds=(0,))
    chosen = {
        "ff-snn": ["as described", "as the scripts run"],
        "ff-snn-gradients": ["one label drawn", "k = 16", "relu"],
    }
    for name, variants in chosen.items():
        table = table_of(name, lambda p, variants=variants: p["variant"] in variants, settings, epochs=5)
        found = {variant: select(table, variant=variant)[-1]["test_accuracy"] for variant in variants}
        assert min(found[variant] for variant in variants if variant != "k = 16") > 0.4, found
        lines = shown(name, table)
        assert [line[0] for line in lines] == variants
        assert all(line[1].endswith(" %") for line in lines)


def rows_of(n, seed, events=400):
    """Events of n recordings of 10 classes: times from 0 to 999, and inputs from 0 to 699 that move, by class."""
    rng = np.random.default_rng(seed)
    for label in np.arange(n) % 10:
        times = np.sort(rng.integers(0, 1000, events))
        yield label, times, 60 * label + 50 + times // 40 + rng.integers(0, 30, events)


def write_nmnist(folder):
    for part, n, seed in (("Train", 120, 0), ("Test", 60, 1)):
        for i in range(10):
            (folder / part / str(i)).mkdir(parents=True)
        for number, (label, times, places) in enumerate(rows_of(n, seed)):
            events = zip((places % 34).tolist(), (places // 34).tolist(), times.tolist(), strict=True)
            content = b"".join((x << 32 | y << 24 | time).to_bytes(5, "big") for x, y, time in events)
            (folder / part / str(label) / f"{number:05}.bin").write_bytes(content)


def write_shd(folder):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'fwdad[events]'")
    for part, n, seed in (("train", 120, 0), ("test", 60, 1)):
        labels, times, units = zip(*rows_of(n, seed, 4000), strict=True)  # for a high threshold
        with h5py.File(folder / f"shd_{part}.h5", "w") as file:
            for name, columns, dtype in (("times", times, np.float32), ("units", units, np.int64)):
                column = file.create_dataset(f"spikes/{name}", (n,), h5py.vlen_dtype(dtype))
                for i, row in enumerate(columns):
                    column[i] = row
            file["labels"] = np.array(labels)


@pytest.mark.parametrize(("name", "write"), [("n-mnist", write_nmnist), ("shd", write_shd)])
def test_forward_forward_by_spikes_of_events(name, write, tmp_path, monkeypatch):
    write(tmp_path)
    for setting, value in {"HIDDEN": 40, "BATCH": 20, "RATE": 1e-2}.items():
        monkeypatch.setattr(ff_snn, setting, value)
    table = table_of(
        "ff-snn", lambda p: p["variant"] == "as described", Settings(data=name, data_dir=tmp_path), epochs=8
    )
    assert table[-1]["test_accuracy"] > 0.5
    (line,) = shown("ff-snn", table)
    assert line[0] == "as described"
