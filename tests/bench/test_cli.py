"""fwdad bench on the command line: what it prints and writes, and one line for every error."""

import json
from dataclasses import replace

import pytest

from fwdad import kernels
from fwdad.bench import Peaks, Record, machine, plans, plots, target, worker
from fwdad.bench.suites import benchmarks
from fwdad.cli import main
from fwdad.kernels import device, dispatch


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fwdad.bench.measure_peaks", lambda: Peaks(fma_one=1.0, fma=2.0, read=3.0, copy=4.0))
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)


@pytest.fixture
def bench(capfd):
    """Run a command; returns (exit code, standard output, standard error)."""

    def call(words):
        with pytest.raises(SystemExit) as exit_:
            main(["bench", *words.split()])
        return exit_.value.code or 0, *capfd.readouterr()

    return call


def test_step_prints_and_writes(bench, tmp_path):
    words = "step --quick --threads 1 --w 4 --k 1 --peers numpy --json a.json"
    code, out, err = bench(words)
    assert code == 0, err
    head, body = out.split("\n\n")[:2]
    assert "measured peak: 2 GFLOP/s float32 (1 of one thread), memory 3 GB/s read, 4 GB/s copied" in head
    assert "1 threads, kernels for" in head
    assert [line.split()[3] for line in body.splitlines()[1:]] == ["fwdad", "numpy"]
    assert "w=4 k=1: " in out
    records = json.loads((tmp_path / "a.json").read_text())["records"]
    assert [r["who"] for r in records] == ["fwdad", "numpy"]
    assert all(r["what"] == "step" and r["w"] == 4 and r["k"] == 1 and r["ms"] > 0 for r in records)
    assert records[0]["ratio"] == pytest.approx(records[1]["ms"] / records[0]["ms"])
    assert records[1]["ratio"] == 1.0
    code, out, err = bench("compare a.json a.json")
    assert (code, err) == (0, "")
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["1.00", "1.00"]


def test_kernels_prints_shares_of_the_peak(bench):
    code, out, err = bench("kernels --quick --threads 1 --only combination --peers none")
    assert code == 0, err
    assert "% peak" in out
    assert "combination" in out


def test_what_memory_bounds_is_compared_with_a_copy_of_as_many_bytes(bench, tmp_path):
    code, _, err = bench("kernels --quick --threads 1 --only combination --peers none --json a.json")
    assert code == 0, err
    ours, copy = json.loads((tmp_path / "a.json").read_text())["records"]
    assert (ours["who"], copy["who"], copy["share"]) == ("fwdad", "copy", 1.0)
    assert ours["share"] == pytest.approx(copy["ms"] / ours["ms"])
    assert "ratio" not in ours  # a copy is no peer
    code, _, err = bench("kernels --quick --threads 1 --only product --peers none --json b.json")
    assert code == 0, err
    assert {r["who"] for r in json.loads((tmp_path / "b.json").read_text())["records"]} == {"fwdad"}


def test_the_roofline_has_every_kernel(monkeypatch, tmp_path):
    figure = pytest.importorskip("matplotlib.figure", reason="Matplotlib is not installed: pip install 'fwdad[plot]'")
    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, *a, **k: drawn.append(self))
    found = [
        Record("product", "fwdad", shape="2x3", k=4, gflops=1.0, gbs=2.0, share=0.5),
        Record("normals", "fwdad", shape="100", ns=3.0),
        Record("axpby", "fwdad", shape="100", gbs=5.0, share=1.2),
        Record("axpby", "copy", shape="100", gbs=4.0, share=1.0),
    ]
    plots.roofline(found, Peaks(fma_one=1.0, fma=2.0, read=3.0, copy=4.0), tmp_path / "roof.png")
    roof, bars = drawn[0].axes
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert names == ["product 2x3 k=4  1", "normals 100  2", "axpby 100  3"]
    assert [text.get_text() for text in bars.texts] == ["1 GFLOP/s, 2 GB/s", "3 ns a value", "5 GB/s"]
    assert [text.get_text() for text in roof.texts] == ["1"]


class Here:
    """A worker in this process, whose device is a stand-in that other processes know nothing of."""

    def __init__(self, who, threads, device):
        self.who, self.task = who, None
        assert device == "cuda"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, **request):
        self.task, result = worker.answer(self.who, request, self.task)
        return result


def test_kernels_on_a_device(bench, cuda_on_host, monkeypatch, tmp_path):
    monkeypatch.setattr("fwdad.bench.processes.Worker", Here)
    monkeypatch.setattr("fwdad.bench.measure_device_peaks", lambda: Peaks(fma_one=2.0, fma=2.0, read=3.0, copy=4.0))
    monkeypatch.setattr("fwdad.bench.machine.installed_peers", lambda device: ["cupy"])
    monkeypatch.setattr("fwdad.bench.plans.installed_peers", lambda device: ["cupy"])
    product = benchmarks()["product"]
    monkeypatch.setattr(plans, "benchmarks", lambda: {"product": replace(product, sizes=[product.small])})
    try:
        code, out, err = bench("kernels --device cuda --quick --json a.json")
    finally:
        target.use("cpu")
    assert code == 0, err
    assert out.startswith("a stand-in (sm_00), driver for CUDA 13.0, CuPy 0; kernels built by the compiler of the host")
    assert "measured peak: 2 GFLOP/s float32 (a product by cuBLAS), memory 3 GB/s read" in out
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["machine"]["device"].startswith("a stand-in")
    assert [(r["what"], r["who"], r["ms"] > 0) for r in report["records"]] == [
        ("product", "fwdad", True),
        ("product", "cupy", True),
    ]


def test_the_peaks_of_a_device(cuda_on_host):
    target.use("cuda")
    try:
        peaks = machine.measure_device_peaks(megabytes=1)
    finally:
        target.use("cpu")
    assert min(peaks.fma, peaks.read, peaks.copy) > 0


def test_a_device_that_is_not_there(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(dispatch, "cuda", None)
    device.require.cache_clear()
    code, out, err = bench("kernels --device cuda --json a.json")
    assert (code, out) == (2, "")
    assert err.startswith("fwdad: error: the CUDA kernels of this fwdad are not built: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_memory_prints_the_bound(bench):
    code, out, err = bench("memory --quick --threads 1 --w 4 --k 1,2")
    assert code == 0, err
    assert "of the bound 2 B (sum of widths) 4 bytes" in out


def test_the_frontier(bench, tmp_path):
    code, out, err = bench("frontier --data digits --hidden 8,8 --quick --k 4 --json a.json")
    assert code == 0, err
    records = json.loads((tmp_path / "a.json").read_text())["records"]
    units, rows = records[:2]
    assert (units["who"], rows["who"]) == ("units", "units, 25% of the rows")
    assert units["cos2"] == pytest.approx(1, abs=1e-6)
    assert all(0 < r["cos2"] < 1 for r in records if r.get("k") == 4)
    assert all(r["ms"] > 0 and r["mb"] > 0 for r in records)
    assert "on the frontier: " in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("fly", "No such command 'fly'"),
        ("step --peers theano", "--peers: expected names among numpy, torch, jax, or none; given 'theano'"),
        ("step --k 0", "--k: expected integers of at least 1, given 0"),
        ("step --k many", "'many' is not a list of integers"),
        ("step --threads 0", "--threads"),
        ("step --json missing/a.json", "cannot write missing/a.json: No such file or directory"),
        ("step --json .", "cannot write .: it is a folder"),
        ("step --plot picture.txt", "--plot: expected a name that ends in .png"),
        ("frontier --data digits --model rnn", "model must be one of"),
        ("frontier --data digits --hidden 8 --model convnet", "not of convnet; leave it out"),
        ("time-to-accuracy --data cifar", "'cifar' is not one of 'digits', 'mnist', 'fashion-mnist'"),
        ("kernels --device gpu", "--device: device: expected"),
        ("kernels --only sorting", "--only: no benchmark has 'sorting' in its name; there are affine JVP,"),
        ("compare none.json none.json", "none.json is no report of fwdad bench"),
    ],
)
def test_errors_are_one_line(bench, tmp_path, words, says):
    code, out, err = bench(words)
    assert (code, out) == (2, "")
    assert err.startswith("fwdad: error: ")
    assert says in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_peer_that_is_not_installed(bench, monkeypatch):
    monkeypatch.setattr("fwdad.bench.plans.installed_peers", lambda device: ["numpy"])
    code, _, err = bench("step --peers torch")
    assert code == 2
    assert "--peers: torch is not installed: pip install 'fwdad[peers]', or pip install torch" in err
