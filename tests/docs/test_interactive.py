"""The interactive page, in a browser: its numbers are the library's, hands and keys move it, it needs no network."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from chromium import NEEDED, assert_quiet, contrast, show
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import fwdad
from fwdad import estimators, nn
from fwdad.estimators import theory
from fwdad.perturbation import Directions

pytestmark = NEEDED

PAGE = Path(__file__).parents[2] / "docs" / "interactive" / "forward-gradients.html"
NAMES = ("single", "mean", "projection")
EXPECTED = {"single": lambda n, k: theory.mean(n, 1), "mean": theory.mean, "projection": theory.projection}
COMBINERS = {"single": estimators.Mean(), "mean": estimators.Mean(), "projection": estimators.Projection()}


@pytest.fixture
def page(browser):
    """The page in a wide window; after the test it has been quiet."""
    show(browser, PAGE, 1280)
    yield browser
    assert_quiet(browser, PAGE)


def element(page, selector):
    return page.find_element(By.CSS_SELECTOR, selector)


def text(page, selector):
    return element(page, selector).text.replace("−", "-")


def call(page, expression, *arguments):
    """The value of an expression of the page, with arguments a, b, c; typed arrays become lists."""
    names = "abc"[: len(arguments)]
    plain = "(_, v) => ArrayBuffer.isView(v) ? Array.from(v) : v"
    script = f"const [{', '.join(names)}] = arguments; return JSON.stringify({expression}, {plain})"
    return json.loads(page.execute_script(script, *arguments))


def slide(page, name, place):
    """Move a slider to a place, as the hand does: it says so to the page."""
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', { bubbles: true }))"
    page.execute_script(script, element(page, f"#{name}"), place)


def until(page, condition):
    WebDriverWait(page, 60, poll_frequency=0.05).until(lambda _: condition())


def full(page):
    """Wait until the cloud is complete."""
    dots = "return document.querySelector('#cloud-mean .dot').getAttribute('d')"
    until(page, lambda: page.execute_script(dots).count("M") == 200)


def estimate(name, v, d):
    v, d = np.array(v, float), np.array(d, float)
    used = slice(1) if name == "single" else slice(None)
    return COMBINERS[name].gradient(d[used], Directions([v[used]]))[0]


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def test_theory_is_the_librarys(page):
    ns, ks = [*range(1, 70), 128, 256, 1000, 4096, 65536], [*range(1, 70), 128, 1024]
    for name in ("mean", "projection"):
        there = call(page, f"a.map(n => b.map(k => Object.values(fg.theory.{name}(n, k))))", ns, ks)
        n, k = np.meshgrid(ns, ks, indexing="ij")
        ours = np.stack(np.broadcast_arrays(*EXPECTED[name](n, k)), axis=-1)
        np.testing.assert_allclose(there, ours, rtol=1e-9)
    there = call(page, "a.map(n => Object.values(fg.theory.single(n)))", ns)
    np.testing.assert_allclose(there, np.stack(theory.mean(np.array(ns), 1), axis=-1), rtol=1e-9)


READ_CURVES = """
const curves = document.getElementById("curves"), all = (what) => [...curves.querySelectorAll(what)];
const level = (line) => Number(line.getAttribute("y1"));
const flat = (line) => line.getAttribute("y1") === line.getAttribute("y2");
const [lowest, next] = all("line.grid").filter(flat).map(level);
const step = Number(all("text[text-anchor=end]")[1].textContent);
const heights = (line) => line.getAttribute("points").split(" ").map((p) => Number(p.split(",")[1]));
return all("polyline").map((line) =>
  [line.getAttribute("class"), heights(line).map((y) => step * (lowest - y) / (lowest - next))]);
"""
"""The names of the drawn lines and their heights, by those of the grid's lines and their numbers."""


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 3), (16, 4), (64, 64), (256, 24)])
def test_the_curves_and_the_table_show_theory(page, n, k):
    sizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]
    slide(page, "space-n", sizes.index(n))
    slide(page, "space-k", sizes.index(k))
    assert (text(page, "#space-n-value"), text(page, "#space-k-value")) == (str(n), str(k))
    for number, quantity in enumerate(page.find_elements(By.NAME, "quantity")):
        quantity.click()
        drawn = dict(page.execute_script(READ_CURVES))
        assert list(drawn) == list(NAMES)
        for name, heights in drawn.items():
            ours = [EXPECTED[name](n, 2 ** (i / 8))[number] for i in range(len(heights))]
            assert len(ours) == 49
            np.testing.assert_allclose(heights, ours, atol=1e-6 * max(1, max(ours)))
            shown = float(text(page, f"#space-{name} td"))
            assert abs(shown - EXPECTED[name](n, k)[number]) <= 0.5001e-3


def test_the_cloud_agrees_with_theory_and_is_the_same_at_every_load(page):
    rows = []
    for load in range(3):
        if load == 1:
            page.refresh()
        elif load == 2:
            element(page, "#space-draw").click()
        full(page)
        rows.append([text(page, f"#space-{name}") for name in NAMES])
        for row in rows[-1]:
            expected, mean, error = (float(number) for number in row.replace("±", " ").split()[1:])
            assert abs(mean - expected) < 4 * error
    assert rows[0] == rows[1] != rows[2]


def tangents():
    normal = np.random.default_rng(0).standard_normal
    narrow = normal(5) + 1e-3 * normal((3, 5))
    yield from (
        normal((1, 3)),
        normal((4, 30)),
        normal((7, 7)),
        normal((9, 4)),
        narrow,
        np.repeat(normal((2, 6)), 2, 0),
    )
    yield np.array([[1.0, 0, 0], [0, 0, 0], [1, 1, 0]])


@pytest.mark.parametrize("name", NAMES)
def test_an_estimate_is_the_librarys(page, name):
    for v in tangents():
        g = np.random.default_rng(1).standard_normal(v.shape[1])
        there = call(page, f"fg.{name}(a, fg.directional(a, b))", v.tolist(), g.tolist())
        np.testing.assert_allclose(there, estimate(name, v, v @ g), atol=1e-9 * np.linalg.norm(g))


def plane(page):
    """What the plane shows: gradient, tangents, and the tips of the estimates' arrows."""
    return page.execute_script(
        """
        const corners = (name) => document.querySelector(`polygon[data-arrow=${name}]`).getAttribute("points");
        const tip = (name) => corners(name).split(" ")[0].split(",").map(Number);
        const knob = (handle) => ["cx", "cy"].map((c) => Number(handle.querySelector(".knob").getAttribute(c)));
        return [knob(document.getElementById("gradient")),
          [...document.querySelectorAll(".handle.tangent")].map(knob),
          Object.fromEntries(["single", "mean", "projection"].map((n) => [n, tip(n)]))];
        """
    )


def check_plane(page, k):
    g, v, tips = plane(page)
    g, v = np.array(g), np.array(v)
    assert v.shape == (k, 2)
    for name in NAMES:
        ours = estimate(name, v, v @ g)
        np.testing.assert_allclose(tips[name], ours, atol=1e-6)
        words = text(page, f"#value-{name}").split()
        assert abs(float(words[1].rstrip(",")) - cosine(ours, g)) <= 0.5001e-3
        assert abs(float(words[3]) - np.linalg.norm(ours) / np.linalg.norm(g)) <= 0.5001e-2
        assert abs(float(element(page, f"#meter-{name}").get_attribute("aria-valuenow")) - cosine(ours, g)) <= 0.5001e-3
    return g, v, {name: cosine(np.array(tips[name]), g) for name in NAMES}


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_the_plane_draws_the_librarys_estimates(page, k):
    slide(page, "plane-k", k)
    _, before, _ = check_plane(page, k)
    element(page, "#plane-draw").click()
    _, after, _ = check_plane(page, k)
    assert not np.any(before == after)

    element(page, "#plane-align").click()
    _, _, cosines = check_plane(page, k)
    assert cosines["mean"] < 0.6, "it follows the tangents"
    assert k == 1 or cosines["projection"] > 1 - 1e-9, "the span of two is the plane"

    element(page, "#plane-orthogonal").click()
    _, v, cosines = check_plane(page, k)
    assert all(abs(v[i] @ v[i + 1]) < 1e-9 for i in range(0, k - 1, 2))
    assert k % 2 or cosines["mean"] > 1 - 1e-9


@pytest.mark.parametrize(("width", "handle"), [(1280, "gradient"), (1280, "tangent-0"), (390, "tangent-1")])
def test_an_arrow_is_dragged_by_hand_and_by_keys(page, width, handle):
    show(page, PAGE, width)
    knob = element(page, f"#{handle} .knob")
    page.execute_script("arguments[0].scrollIntoView({ block: 'center' })", knob)
    scale = element(page, "#plane").size["width"] / 8

    def at():
        g, v, _ = check_plane(page, 2)
        return g if handle == "gradient" else v[int(handle[-1])]

    before = at()
    goal = np.array([1.0, -2.0])
    right, down = np.round((goal - before) * scale * [1, -1]).astype(int)
    pointer = "touch" if width == 390 else "mouse"
    chain = ActionChains(page, devices=[PointerInput(pointer, pointer)])
    chain.drag_and_drop_by_offset(knob, int(right), int(down)).perform()
    dragged = at()
    np.testing.assert_allclose(dragged, goal, atol=1.5 / scale)

    element(page, f"#{handle}").send_keys(Keys.ARROW_LEFT + Keys.ARROW_UP + Keys.ARROW_UP)
    np.testing.assert_allclose(at(), dragged + np.array([-0.1, 0.2]), atol=1e-9)
    label = element(page, f"#{handle}").get_attribute("aria-valuetext")
    assert label == f"x {at()[0]:.2f}, y {at()[1]:.2f}"


def test_an_arrow_stays_in_the_picture(page):
    handle = element(page, "#gradient")
    handle.send_keys(Keys.ARROW_RIGHT * 60)
    g, _, _ = check_plane(page, 2)
    assert 3.5 < g[0] < 4


def test_sliders_move_by_keys(page):
    for name in ("plane-k", "space-n", "space-k", "network-k"):
        before = int(text(page, f"#{name}-value"))
        element(page, f"#{name}").send_keys(Keys.ARROW_RIGHT)
        after = text(page, f"#{name}-value")
        assert int(after) > before
        assert element(page, f"#{name}").get_attribute("aria-valuetext") == after


@pytest.fixture
def problem(page):
    """The page's data and weights, and the same network and loss in the library, in float64."""
    data, weights = call(page, "fg.moons(60, 5)"), np.array(call(page, "fg.start(3)"))
    x, labels = np.reshape(data["x"], (-1, 2)), np.array(data["labels"])
    w1, b1, w2, b2 = np.split(weights, [16, 24, 40])

    def loss(weights):
        w1, b1, w2, b2 = weights
        return np.mean(nn.cross_entropy(np.tanh(x @ w1 + b1) @ w2 + b2, labels))

    return data, weights, loss, (w1.reshape(2, 8), b1, w2.reshape(8, 2), b2)


def flat(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


def test_the_networks_gradient_is_the_librarys(page, problem):
    data, weights, loss, parts = problem
    value, gradient = estimators.exact_gradient(loss, parts, perturb="weight")
    there = call(page, "fg.exactGradient(Float64Array.from(a), b)", weights.tolist(), data)
    np.testing.assert_allclose(there, flat(gradient), atol=1e-12)

    v = np.random.default_rng(0).standard_normal((5, 42))
    pass_ = call(
        page, "fg.loss(Float64Array.from(a), b, c.map(v => Float64Array.from(v)))", weights.tolist(), data, v.tolist()
    )
    np.testing.assert_allclose(pass_["value"], value, rtol=1e-12)
    directions = tuple(
        np.reshape(part, (5, *w.shape)) for part, w in zip(np.split(v, [16, 24, 40], axis=1), parts, strict=True)
    )
    _, slopes = fwdad.jvp(loss, (parts,), (directions,))
    np.testing.assert_allclose(pass_["tangents"], slopes, atol=1e-12)


def test_the_projection_of_full_rank_is_the_networks_gradient(page, problem):
    data, weights, _, _ = problem
    estimate, gradient = call(
        page,
        "(() => { const w = Float64Array.from(a), V = fg.random(1).tangents(42, 42);"
        " return [fg.projection(V, fg.loss(w, b, V).tangents), fg.exactGradient(w, b)] })()",
        weights.tolist(),
        data,
    )
    np.testing.assert_allclose(estimate, gradient, atol=1e-9 * np.linalg.norm(gradient))


def test_networks_learn_and_start_anew(page):
    def losses():
        rows = [text(page, f"#network-{way}").split() for way in (*NAMES, "exact")]
        return {row[0]: float(row[1]) for row in rows}

    def steps():
        return int(element(page, "#losses").get_attribute("aria-label").split("step ")[1].split(":")[0])

    slide(page, "network-k", 42)
    start = element(page, "#network-start")
    start.click()
    until(page, lambda: steps() >= 12)
    start.click()
    paused = steps()
    assert start.text == "Go on"
    after = losses()
    assert after["exact"] == after["projection"], "42 tangents span everything"
    assert after["exact"] < after["mean"] < after["single"] < 0.9
    cosines = {way: text(page, f"#network-{way}").split()[2:] for way in ("projection", "exact")}
    assert set(map(tuple, cosines.values())) == {("1.00", "1.00")}
    time.sleep(0.1)
    assert steps() == paused, "it does nothing while it is paused"

    element(page, "#network-reset").click()
    assert (steps(), start.text) == (0, "Start")
    for way, loss in after.items():  # what was shown is what such a learner comes to, at every start
        again = call(
            page,
            "(() => { const learner = fg.learner(a, 42, fg.moons(60, 5), 3, 0.5); let last;"
            " for (let i = 0; i < b; i++) last = learner.step().loss; return last })()",
            way,
            paused,
        )
        assert abs(again - loss) <= 0.5001e-3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_and_all_can_be_read(page, width, scheme):
    show(page, PAGE, width, scheme)
    full(page)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    outside = page.execute_script(
        """
        const out = (inner, outer) => inner.left < outer.left - 1 || inner.right > outer.right + 1
          || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
        const cut = (text) => out(text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect());
        return [...document.querySelectorAll("svg text")].filter(cut).map((text) => text.textContent);
        """
    )
    assert outside == []

    for ground in ("paper", "panel"):
        for ink in ("ink", "faint", *NAMES):
            assert contrast(page, ink, ground) >= 4.5, f"{ink} on {ground}: WCAG 2, level AA"


def test_everything_has_a_name_for_screen_readers(page):
    selector = "input, button, [role=slider], [role=meter], svg[role=img], [role=group]"
    for thing in page.find_elements(By.CSS_SELECTOR, selector):
        assert thing.accessible_name, thing.get_attribute("outerHTML")[:200]


def test_it_is_one_small_file():
    assert PAGE.stat().st_size < 100_000
    assert list(PAGE.parent.iterdir()) == [PAGE]
