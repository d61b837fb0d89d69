"""fwdad trace: the table, the page, and a line for every error."""

import html
import itertools
import re
from html.parser import HTMLParser

import pytest

from fwdad.cli.layers import layout
from fwdad.cli.trace import values

pytestmark = pytest.mark.usefixtures("elsewhere")

PROGRAM = """
import numpy as np
from beside import LABELS
from fwdad import functions

def loss(x, w1, b1, w2, b2):
    hidden = np.tanh(x @ w1 + b1)
    return np.mean(functions.softmax_cross_entropy(hidden @ w2 + b2, LABELS))

def simple(x, y):
    return np.sum(np.sin(x) * y)

def wrong(x):
    return np.sum(x[7])

rng = np.random.default_rng(0)
primals = tuple(rng.standard_normal(shape) for shape in ((2, 3), (3, 4), 4, (4, 3), 3))
tangents = (None, *(rng.standard_normal((2, *w.shape)) for w in primals[1:]))
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "beside.py").write_text("import numpy as np\nLABELS = np.array([2, 0])\n")
    file = tmp_path / "network.py"
    file.write_text(PROGRAM)
    return file


class Page(HTMLParser):
    """Tags in their order, and whether each is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_table_and_page_of_a_network(fwdad_, program, tmp_path):
    code, out, err = fwdad_("trace", f"{program}:loss", "--html", "out.html")
    assert (code, err) == (0, "")
    assert "dv4 = dv3 @ w2 + v3 @ dw2" in out
    assert out.splitlines()[-1] == "out.html: 7 steps"
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    steps = [int(attrs["data-step"]) for tag, attrs in page.tags if tag == "section"]
    assert steps == [*range(8)]
    nodes = [attrs for tag, attrs in page.tags if tag == "g"]
    assert len(nodes) == 5 + 1 + 7  # inputs, labels, operations
    assert [attrs["class"] for attrs in nodes if "still" in attrs["class"]] == [
        "node input still"
    ] * 2  # x and the labels
    edges = [attrs for tag, attrs in page.tags if tag == "path"]
    assert len(edges) == 2 * 5 + 2  # five of two operands, tanh and mean of one
    assert sum(attrs["class"] == "edge still" for attrs in edges) == 2
    assert html.escape("dv6 = <softmax(v5) - e_label, dv5>") in text
    assert not re.search(r"(src|href)=|https?://|@import|url\(", text), "needs no network"


def test_words_of_the_program_are_escaped(fwdad_, tmp_path):
    (tmp_path / "bad.py").write_text(
        "import fwdad\n@fwdad.custom_jvp\ndef f(x):\n    return x\n"
        "f.__name__ = '<script>alert(1)</script>'\nf.defjvp(lambda p, t: (p[0], t[0]))\n"
    )
    assert fwdad_("trace", "bad.py:f", "--at", "1", "--html", "out.html")[0] == 0
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert [tag for tag, _ in Page(text).tags].count("script") == 1


def test_at_says_where(fwdad_, program):
    code, out, _ = fwdad_("trace", f"{program}:simple", "--at", "[0.5, 1], 2")
    assert code == 0
    assert "v1 = np.sin(x)" in out
    assert "k = 3" in out


def test_values():
    number, matrix = values("1, [[2, 3]]")
    assert type(number) is float
    assert matrix.tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["network.py"], "as in model.py:loss"),
        (["none.py:f"], "none.py: no such Python file"),
        (["network.py:lost"], "has no function lost; it has loss, simple, wrong"),
        (["network.py:simple", "--at", "x"], "is not a list of numbers and arrays"),
        (["network.py:simple", "--at", "1"], "TypeError: simple() missing 1 required positional argument: 'y'"),
        (["network.py:wrong", "--at", "[1, 2]"], "network.py, line 14: IndexError: index 7 is out of bounds"),
        (["empty.py:f"], "Give --at, or the tuple primals = (...) in empty.py"),
        (["broken.py:f"], "broken.py, line 2: ZeroDivisionError"),
        (["syntax.py:f"], "syntax.py: SyntaxError"),
    ],
)
def test_errors_are_one_line(fwdad_, program, tmp_path, words, expected):
    (tmp_path / "empty.py").write_text("def f(x):\n    return x\n")
    (tmp_path / "broken.py").write_text("def f(x): return x\n1 / 0\n")
    (tmp_path / "syntax.py").write_text("def f(x) return x\n")
    code, out, err = fwdad_("trace", *words)
    assert (code, out) == (2, "")
    assert err.startswith("fwdad: error: ")
    assert err.count("\n") == 1
    assert expected in err


def test_a_graph_in_layers():
    graph = {"x": [], "w": [], "a": ["x"], "b": ["a", "w"], "c": ["b", "a", "x"]}
    drawn = layout(graph)
    assert {name: place.layer for name, place in drawn.places.items()} == {"x": 0, "w": 1, "a": 1, "b": 2, "c": 3}
    for (upper, lower), places in drawn.edges.items():
        assert (places[0], places[-1]) == (drawn.places[upper], drawn.places[lower])
        assert [place.layer for place in places] == [*range(places[0].layer, places[-1].layer + 1)]
    taken = {place for places in drawn.edges.values() for place in places}
    for layer in range(4):
        across = sorted(place.across for place in taken if place.layer == layer)
        assert all(b - a > 1 - 1e-9 for a, b in itertools.pairwise(across))
    assert set(drawn.edges) == {("x", "a"), ("a", "b"), ("w", "b"), ("b", "c"), ("a", "c"), ("x", "c")}
