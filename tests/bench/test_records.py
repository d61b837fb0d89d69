"""Ratios, files of records, comparisons, and the text made of them."""

import json

import numpy as np
import pytest

from fwdad.bench import BenchError, Peaks, Record, plans, plots, tables
from fwdad.bench.processes import Case, Measured
from fwdad.bench.records import check_writable, compare, paired_ratio, read_records, with_ratios, write_records

PEAKS = Peaks(fma_one=50.0, fma=100.0, read=20.0, copy=10.0)


def group(**blocks):
    return [Record("step", who, w=8, k=1, ms=float(np.median(b)), blocks=tuple(b)) for who, b in blocks.items()]


def test_ratios_are_of_pairs_and_the_best_peer_is_the_fastest():
    # In the second block everyone was slowed down tenfold: pairs do not care, medians of all blocks would.
    records = group(
        fwdad=[1.0, 10.0, 1.0], slow=[9.0, 90.0, 9.0], fast=[3.0, 30.0, 4.0], **{"a-backprop": [0.5, 5.0, 0.5]}
    )
    ours, slow, fast, back = with_ratios(records)
    assert ours.ratio == pytest.approx(3.0)
    assert fast.ratio == 1.0
    assert slow.ratio == pytest.approx(1 / 3)
    assert [r.ahead for r in (ours, slow, fast, back)] == pytest.approx([1.0, 9.0, 3.0, 0.5])


def test_without_peers_there_is_no_ratio():
    (ours,) = with_ratios(group(fwdad=[1.0]))
    assert (ours.ratio, ours.ahead) == (None, 1.0)
    ours, back = with_ratios(group(fwdad=[1.0], **{"a-backprop": [2.0]}))
    assert (ours.ratio, back.ratio) == (None, None)


def test_pairs_must_be_complete():
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0, 2.0], [1.0])


def test_a_record_counts_work_and_shares_of_the_peak():
    case = Case("product", {"m": 10, "depth": 100, "n": 50, "k": 5}, ["fwdad"])
    record = plans.record(case, "fwdad", Measured([0.001, 0.01, 0.1], 1e-7), PEAKS)
    assert record.ms == 10.0
    assert record.gflops == pytest.approx(2 * 10 * 100 * 50 * 5 / 0.01 / 1e9)
    assert record.share == pytest.approx(record.gflops / 100.0)
    assert record.blocks == (1.0, 10.0, 100.0)
    normals = plans.record(Case("normals", {"n": 1000}, ["fwdad"]), "fwdad", Measured([1e-6], 0.0), PEAKS)
    assert normals.ns == pytest.approx(1.0)
    combination = plans.record(Case("combination", {"k": 4, "n": 1000}, []), "fwdad", Measured([1e-5], 0.0), PEAKS)
    assert combination.share == pytest.approx(4 * 5 * 1000 / 1e-5 / 1e9 / 10.0)


def test_backpropagation_is_no_peer_and_counts_no_operations():
    record = plans.record(Case("step", {"w": 8, "k": 1}, []), "jax-backprop", Measured([1.0], 0.0), PEAKS)
    assert record.gflops is record.share is None


def test_records_survive_a_file(tmp_path):
    records = with_ratios(group(fwdad=[1.0, 2.0], numpy=[3.0, 4.0]))
    path = tmp_path / "records.json"
    write_records(path, {"cpu": "any"}, {"fma": 1.0}, records)
    content = json.loads(path.read_text())
    assert content["machine"] == {"cpu": "any"}
    assert content["records"][0] == {
        "what": "step", "who": "fwdad", "w": 8, "k": 1, "ms": 1.5, "ratio": 2.5, "ahead": 1.0, "blocks": [1.0, 2.0],
    }  # fmt: skip
    assert read_records(path) == records


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"records": 3}', '{"records": [{"who": "fwdad"}]}', '{"records": [[]]}']
)
def test_a_file_that_is_no_report(tmp_path, text):
    path = tmp_path / "notes.json"
    path.write_text(text)
    with pytest.raises(BenchError, match=r"notes\.json is no report of fwdad bench"):
        read_records(path)


def test_compare_pairs_equal_figures_only():
    before = [
        Record("step", "fwdad", 8, 1, ms=4.0),
        Record("step", "fwdad", 8, 2, ms=4.0),
        Record("memory", "fwdad", 8, mb=6.0),
    ]
    after = [
        Record("step", "fwdad", 8, 1, ms=2.0),
        Record("step", "numpy", 8, 2, ms=4.0),
        Record("memory", "fwdad", 8, mb=3.0),
    ]
    changes = compare(before, after)
    assert [(c.unit, c.before, c.after, c.ratio) for c in changes] == [("ms", 4.0, 2.0, 2.0), ("mb", 6.0, 3.0, 2.0)]
    assert tables.change_table(changes).splitlines()[1].split() == ["step", "8", "1", "fwdad", "ms", "4", "2", "2.00"]


def test_summaries_say_what_the_records_say():
    records = with_ratios(group(**{"fwdad": [1.0], "jax": [5.0], "torch": [9.0], "jax-backprop": [2.5]}))
    assert tables.step_summary(records) == [
        "w=8 k=1: 5.00 x as fast as the best peer, jax",
        "w=8 k=1: 0.40 of the time of the fastest backpropagation step, jax-backprop",
    ]
    kernels = [
        Record("product", "fwdad", k=4, shape="1x2x3", ms=2.0, ratio=1.5),
        Record("normals + product", "fwdad", k=4, shape="1x2x3", ms=3.0),
        Record("signs + product", "fwdad", k=8, shape="1x2x3", ms=3.0),
    ]
    assert tables.kernel_summary(kernels) == [
        "product 1x2x3 k=4: 1.50 x as fast as the best peer",
        "normals + product 1x2x3 k=4: 1.50 of the time of the product alone",
    ]
    bound = plans.memory_bound(1024)
    assert bound == 2 * 64 * (1024 + 1024 + 10) * 4 / 2**20
    memory = [Record("memory", "fwdad", 1024, k, mb=100 + bound / 2 * k) for k in (1, 4, 16)]
    (line,) = tables.memory_summary(memory)
    assert f"fwdad: {bound / 2:.3f} MB for each tangent from k=1 to k=16, 0.50 of the bound" in line


def test_tables_leave_out_what_is_empty():
    text = tables.table(with_ratios(group(fwdad=[1.0], numpy=[3.0])))
    assert [line.split() for line in text.splitlines()] == [
        ["what", "w", "k", "who", "ms", "x", "fwdad"],
        ["step", "8", "1", "fwdad", "1"],
        ["step", "8", "1", "numpy", "3", "3"],
    ]


def test_a_file_that_cannot_be_written_is_found_before_measuring(tmp_path):
    check_writable(tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == []
    for path in (tmp_path / "missing" / "new.json", tmp_path):
        with pytest.raises(BenchError, match="cannot write"):
            check_writable(path)


def test_plots(tmp_path):
    pytest.importorskip("matplotlib", reason="plots need Matplotlib")
    step = with_ratios(group(fwdad=[1.0], numpy=[3.0]))
    kernels = [Record("product", "fwdad", k=4, gflops=50.0, gbs=5.0), Record("normals", "fwdad", ns=1.0)]
    memory = [Record("memory", "fwdad", 8, k, mb=float(k)) for k in (1, 4)]
    for draw, records in ((plots.steps, step), (plots.roofline, kernels), (plots.memory, memory)):
        path = tmp_path / f"{draw.__name__}.png"
        plots.check_possible(path)
        draw(records, PEAKS, path)
        assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(BenchError, match=r"expected a name that ends in \.png, \.svg, \.pdf; given .*\.txt"):
        plots.check_possible(tmp_path / "picture.txt")


def test_plots_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BenchError, match="pip install matplotlib"):
        plots.check_possible(tmp_path / "a.png")
