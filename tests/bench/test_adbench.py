"""fwdad bench adbench: files of ADBench's form, the Jacobians of its problems, its rules."""

import numpy as np
import pytest

from fwdad import kernels
from fwdad.bench import BenchError, Peaks, WrongAnswer
from fwdad.bench.adbench import campaign, files, problems
from fwdad.bench.adbench.by_hand import compiler
from fwdad.bench.adbench.competitors import COMPETITORS, takes_part
from fwdad.cli import main

RNG = np.random.default_rng(24)
BONES = 22
PARENTS = [-1] + [0 if bone % 4 == 1 and bone < 21 else bone - 1 for bone in range(1, 21)] + [0]


def lines(*rows, by=" "):
    return "\n".join(by.join(map(str, row)) for row in rows) + "\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of small files, in ADBench's form."""
    folder = tmp_path_factory.mktemp("adbench")
    for name in problems.FOLDERS:
        (folder / name).mkdir(parents=True)
    (folder / "ba" / "ba1_n2_m3_p5.txt").write_text(
        lines([2, 3, 5], RNG.uniform(0.1, 1, 11), [7.0, 0.5, 3.0], [0.4], [3.0, 8.0])
    )
    d, k, n = 3, 2, 4
    gmm = [RNG.standard_normal(shape) for shape in ((k, 1), (k, d), (k, d * (d + 1) // 2), (n, d))]
    (folder / "gmm" / "1k" / "gmm_d3_K2.txt").write_text(
        lines([d, k, n], *(row for part in gmm for row in part), [1.5, 2])
    )
    layers, length, b = 2, 5, 3
    text = [RNG.uniform(size=shape) for shape in ((2 * layers, 4 * b), (3, b), (2 * layers, b), (length, b))]
    (folder / "lstm" / "lstm_l2_c5.txt").write_text(
        lines([layers, length, b], *([line] for part in text for line in ("", *map(" ".join, part.astype(str)))))
    )
    for name in ("simple_small", "complicated_small"):
        hand = folder / "hand" / name
        (hand / "model").mkdir()
        transforms = np.tile(np.eye(4), (BONES, 2, 1, 1)) + RNG.uniform(-0.1, 0.1, (BONES, 2, 4, 4))
        bones = [
            [f"bone{i}", parent, *np.ravel(t)] for i, (parent, t) in enumerate(zip(PARENTS, transforms, strict=True))
        ]
        vertices = [
            [*RNG.uniform(size=3), *RNG.uniform(size=5), 2, i % BONES, 0.25, (i + 5) % BONES, 0.75] for i in range(30)
        ]
        (hand / "model" / "bones.txt").write_text(lines(*bones, by=":"))
        (hand / "model" / "vertices.txt").write_text(lines(*vertices, by=":"))
        (hand / "model" / "triangles.txt").write_text(lines([0, 7, 9], [3, 2, 20], by=":"))
        points = [[i % 2, *RNG.uniform(size=3)] for i in range(6)]
        places = RNG.uniform(size=(6, 2)) if name.startswith("complicated") else []
        (hand / "hand1_t26_c6.txt").write_text(lines([6, 26], *points, *places, *RNG.uniform(size=(26, 1))))
    return folder


def of(data, folder):
    return next(problem for name, problem in problems.found(data, ("",)) if name == folder)


@pytest.mark.parametrize("folder", problems.FOLDERS)
def test_jacobians(data, folder):
    problem = of(data, folder)
    assert campaign.check(problem, "fwdad", COMPETITORS["fwdad"](problem)[1]()) < 1e-12


@pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")
def test_the_jacobian_by_hand(data):
    problem = of(data, "ba")
    assert campaign.check(problem, "C++", COMPETITORS["C++ by hand"](problem)[1]()) < 1e-12


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")  # PyTorch's own
@pytest.mark.parametrize("folder", problems.FOLDERS)
@pytest.mark.parametrize("who", ["jax", "jax-reverse", "torch", "autograd"])
def test_peers(data, folder, who):
    pytest.importorskip(who.partition("-")[0])
    problem = of(data, folder)
    if takes_part(who, folder, problem):
        assert campaign.check(problem, who, COMPETITORS[who](problem)[1]()) < 1e-10


def test_the_directions_of_places_share_no_row(data):
    """Along them the columns of all places are found: point i moves with its own place alone."""
    problem = of(data, "hand/complicated_small")
    theta, u = problem.moving
    jacobian = COMPETITORS["fwdad"](problem)[1]()
    for i in range(u.shape[1]):
        moved = u.astype(complex)
        moved[1, i] += 1e-30j
        column = np.imag(problem.objective(np, problem.data, theta, moved)) / 1e-30
        assert np.max(np.abs(jacobian[27, i] - column[i])) < 1e-14
        assert not np.any(np.delete(column, i, 0))


def test_the_mixture_is_the_sum_as_it_stands(data):
    """The log posterior, by loops and NumPy's own inverse and determinant."""
    given = files.read_mixture(data / "gmm" / "1k" / "gmm_d3_K2.txt")
    d = given.points.shape[1]
    total = 0.0
    for x in given.points:
        terms = []
        for alpha, mean, q in zip(given.alphas, given.means, given.factors, strict=True):
            factor = np.diag(np.exp(q[:d]))
            factor[[1, 2, 2], [0, 0, 1]] = q[d:]
            terms.append(alpha + np.sum(q[:d]) - 0.5 * np.sum((factor @ (x - mean)) ** 2))
        total += np.log(np.sum(np.exp(terms))) - 0.5 * d * np.log(2 * np.pi)
    total -= len(given.points) * np.log(np.sum(np.exp(given.alphas)))
    for q in given.factors:
        size = np.sum(np.exp(q[:d]) ** 2) + np.sum(q[d:] ** 2)
        total += 0.5 * given.gamma**2 * size - given.m * np.sum(q[:d])
    n = d + given.m + 1
    log_gamma = 0.25 * d * (d - 1) * np.log(np.pi) + sum(np.log(float(_gamma(0.5 * (n - j)))) for j in range(d))
    total -= len(given.alphas) * (n * d * np.log(given.gamma / np.sqrt(2)) - log_gamma)
    assert abs(of(data, "gmm/1k").value() - total) < 1e-12 * abs(total)


def _gamma(x):
    return np.prod(np.arange(x - 1, 0, -1)) * (np.sqrt(np.pi) if x % 1 else 1.0)


def test_the_command(data, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("fwdad.bench.measure_peaks", lambda: Peaks(fma_one=1.0, fma=2.0, read=3.0, copy=4.0))
    threads = kernels.get_num_threads()
    out, json = tmp_path / "out", tmp_path / "a.json"
    given = ["bench", "adbench", "--data-dir", str(data), "--only", "ba1_,lstm", "--quick", "--peers", "none"]
    with pytest.raises(SystemExit) as exit_:
        main([*given, "--out-dir", str(out), "--json", str(json)])
    kernels.set_num_threads(threads)
    assert not exit_.value.code
    assert "lstm_l2_c5" in capfd.readouterr().out
    assert json.exists()
    values = np.loadtxt(out / "ba1_n2_m3_p5_F_fwdad.txt")
    assert values.shape == (10,)
    assert np.loadtxt(out / "ba1_n2_m3_p5_J_fwdad.txt").shape == (10, 15)
    assert np.loadtxt(out / "ba1_n2_m3_p5_times_fwdad.txt").shape == (2,)


def test_what_is_refused(data, tmp_path):
    with pytest.raises(BenchError, match="no file of ba,"):
        problems.found(tmp_path, ("",)).__next__()
    (tmp_path / "ba").mkdir()
    (tmp_path / "ba" / "short.txt").write_text("1 1 1 0.5")
    with pytest.raises(BenchError, match="ends early"):
        next(problems.found(tmp_path, ("short",)))
    problem = of(data, "ba")
    wrong = COMPETITORS["fwdad"](problem)[1]() * (1 + 1e-6)
    for jacobian in (wrong, np.full_like(wrong, np.nan)):
        with pytest.raises(WrongAnswer, match="error"):
            campaign.check(problem, "somebody", jacobian)
