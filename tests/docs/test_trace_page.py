"""The page of `fwdad trace`, in a browser: slider, graph and table follow each other, and tell what the trace tells."""

import numpy as np
import pytest
from chromium import NEEDED, assert_quiet, contrast, show
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import fwdad
from fwdad import functions
from fwdad.cli.trace import page as page_of

pytestmark = NEEDED

LABELS = np.array([2, 0, 1, 1])


def loss(x, w1, b1, w2, b2):
    hidden = np.tanh(x @ w1 + b1)
    return np.mean(functions.softmax_cross_entropy(hidden @ w2 + b2, LABELS))


def long(x):
    for _ in range(8):
        x = np.sin(x) + 1
    return x


def traced(f):
    normal = np.random.default_rng(0).standard_normal
    if f is long:
        return fwdad.trace(f, normal(3))
    primals = [normal(shape) for shape in ((4, 3), (3, 5), 5, (5, 3), 3)]
    return fwdad.trace(f, *primals, tangents=(None, *(normal((2, *w.shape)) for w in primals[1:])))


@pytest.fixture(params=[loss, long], ids=["loss", "long"])
def table(request):
    return traced(request.param)


@pytest.fixture
def file(table, tmp_path):
    file = tmp_path / "out.html"
    file.write_text(page_of(table), encoding="utf-8")
    return file


@pytest.fixture(params=[400, 1280])
def page(browser, file, request):
    """The page in a narrow and in a wide window; after the test it has been quiet."""
    show(browser, file, request.param)
    yield browser
    assert_quiet(browser, file)


def element(page, selector):
    return page.find_element(By.CSS_SELECTOR, selector)


def texts(page, selector):
    """The texts of all that a selector finds, shown or not."""
    script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)"
    return page.execute_script(script, selector)


def shown(page):
    """The step that each part of the page shows."""
    section = "section:not([hidden])"
    steps = {
        where: page.execute_script("return [...document.querySelectorAll(arguments[0])].map(e => e.dataset.step)", what)
        for where, what in (("section", section), ("node", ".node.now"), ("row", "tr.now"))
    }
    return {"number": element(page, "#number").text, "heading": element(page, f"{section} h2").text, **steps}


def expected(table, step):
    here = [str(step)] if step else []
    heading = f"{table.rows[step - 1].name} = {table.rows[step - 1].call}" if step else "Inputs"
    return {
        "number": f"step {step} of {len(table)}", "heading": heading, "section": [str(step)], "node": here, "row": here,
    }  # fmt: skip


def test_slider_buttons_graph_and_table_move_over_the_steps(page, table):
    assert shown(page) == expected(table, len(table)), "it begins with the whole computation"
    slider = element(page, "#step")
    slider.send_keys(Keys.HOME)
    assert shown(page) == expected(table, 0)
    for step in range(1, len(table) + 1):
        slider.send_keys(Keys.ARROW_RIGHT)
        assert shown(page) == expected(table, step)
        later = page.execute_script("return [...document.querySelectorAll('.node.later')].map(e => +e.dataset.step)")
        assert sorted(later) == [*range(step + 1, len(table) + 1)]
    element(page, "#forth").click()
    assert shown(page) == expected(table, len(table)), "the last is the last"
    element(page, "#back").click()
    assert shown(page) == expected(table, len(table) - 1)
    element(page, "tr[data-step='2']").click()
    assert shown(page) == expected(table, 2)
    page.execute_script("window.scrollTo(0, 0)")
    element(page, ".node[data-step='3']").click()
    assert shown(page) == expected(table, 3)


def test_rules_and_values_are_those_of_the_trace(page, table):
    assert texts(page, "section dd:first-of-type") == [row.rule for row in table.rows]
    cells = [list(cells) for cells in table.lines()]
    assert [texts(page, f"tbody tr:nth-child({i}) td") for i in range(1, len(cells) + 1)] == cells
    headings = texts(page, "section[data-step='0'] h4")
    assert [heading.split(":")[0] for heading in headings] == [value.name for value in table.inputs + table.constants]


def test_the_graph_has_a_node_for_each_row_input_and_constant(page, table):
    names = [value.name for value in table.inputs + table.constants] + [row.name for row in table.rows]
    assert sorted(texts(page, ".node .name")) == sorted(names)
    assert texts(page, ".node.output .name") == list(table.outputs)


IN_VIEW = """
const graph = document.getElementById("graph").getBoundingClientRect();
const node = document.querySelector(".node.now").getBoundingClientRect();
return node.left >= graph.left && node.right <= graph.right && node.top >= graph.top && node.bottom <= graph.bottom;
"""


def test_the_node_of_the_step_stays_in_view_and_the_page_is_no_wider_than_the_window(page, table):
    slider = element(page, "#step")
    slider.send_keys(Keys.HOME)
    for _ in table.rows:
        slider.send_keys(Keys.ARROW_RIGHT)
        assert page.execute_script(IN_VIEW)
        assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert page.execute_script("return window.scrollY") == 0, "only the graph's own pane is moved"


CUT = """
const right = document.documentElement.clientWidth;
return [...document.querySelectorAll("h1, p, button, output, dt, dd, td, th")]
  .filter((each) => each.getBoundingClientRect().right > right || each.scrollWidth > each.clientWidth + 1)
  .filter((each) => getComputedStyle(each).display !== "inline").map((each) => each.outerHTML);
"""


def test_no_text_is_cut_off(page, table):
    for step in range(len(table) + 1):
        page.execute_script("go(arguments[0])", step)
        assert page.execute_script(CUT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("ink", "paper"), ("ink", "ground"), ("ink", "pale"), ("soft", "paper"), ("soft", "ground"), ("soft", "pale"),
        ("move", "paper"),
    ],
)  # fmt: skip
def test_text_can_be_read(browser, tmp_path, scheme, ink, ground):
    file = tmp_path / "out.html"
    file.write_text(page_of(fwdad.trace(np.sin, 1.0)), encoding="utf-8")
    show(browser, file, 1280, scheme)
    assert_quiet(browser, file)
    assert contrast(browser, ink, ground) >= 4.5, "WCAG 2, level AA"
