"""Accessibility of the report (keyboard, screen reader, contrast) in a real browser."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

import lineage_clust as lc

pytestmark = pytest.mark.slow
AXE = os.environ.get("LINEAGE_CLUST_AXE", "node_modules/axe-core/axe.min.js")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = {"one lineage": ("light", 1280), "two lineages": ("dark", 390)}

# Of each text that is seen: its contrast to what is behind it (WCAG 2.1, 1.4.3), if that is below the least one.
FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
  };
  const over = (upper, lower) => [0, 1, 2].map((at) => upper[at] * upper[3] + lower[at] * (1 - upper[3])).concat(1);
  const behind = (element) => {
    if (!element) return rgba(getComputedStyle(document.body).backgroundColor);
    return over(rgba(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  };
  const light = (color) => color.slice(0, 3).map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement, style = getComputedStyle(element);
    if (!node.data.trim() || element.closest("script, style, option")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const ground = behind(element), ink = over(rgba(element.closest("svg") ? style.fill : style.color), ground);
    const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b), ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push([node.data.trim().slice(0, 30), ratio]);
  }
  return found;
}"""
# What has the focus: whether it is inside the window, on top of what is there, and looks otherwise than without.
FOCUSED = """() => {
  const element = document.activeElement, box = element.getBoundingClientRect(), style = getComputedStyle(element);
  const [x, y] = [(box.left + box.right) / 2, box.top + Math.min(box.height / 2, 8)];
  const there = document.elementFromPoint(x, y);
  return {
    what: element.outerHTML.slice(0, 80), body: element === document.body,
    seen: x >= 0 && x <= innerWidth && y >= 0 && y <= innerHeight,
    covered: !(there && (element.contains(there) || there.contains(element))),
    marked: (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1)
      || (element instanceof SVGElement && !["none", "rgba(0, 0, 0, 0)"].includes(style.stroke)),
  };
}"""


@pytest.fixture(scope="module", params=LOOKS)
def file(request, make_adata, tmp_path_factory):
    adata = make_adata(n_cells=120, n_genes=24, kind="dense")
    lineage = "A" if request.param == "one lineage" else ["A", "B"]
    tc = lc.TrendClusterer(n_points=40, alpha=None, clusterer=lc.GraphClusterer(n_neighbors=4), random_state=0)
    path = tmp_path_factory.mktemp("report") / "report.html"
    tc.fit(adata, lineage=lineage).report(path, adata)
    return path, LOOKS[request.param]


@pytest.fixture
def page(browser, file):
    """The report with everything open that can be, on a light and wide or a dark and narrow screen."""
    path, (scheme, width) = file
    opened = browser.new_page(viewport={"width": width, "height": 850}, color_scheme=scheme)
    opened.goto(path.as_uri())
    opened.locator("#gene-table tbody th button").first.wait_for()
    yield opened
    opened.close()


def open_everything(page):
    page.evaluate("""() => {
      document.querySelector("#details").click();
      for (const one of document.querySelectorAll("details")) one.open = true;
      document.querySelectorAll("#gene-table .pick input")[1].click();
      document.querySelector("#gene-table tbody th button").click();
    }""")
    page.evaluate("document.querySelector('#gene-table .values dt, #gene-table thead button').focus()")


def test_axe_finds_nothing(page):
    if not Path(AXE).is_file():
        pytest.skip(f"axe-core is not installed: there is no {AXE} (npm install axe-core, or set LINEAGE_CLUST_AXE)")
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    run = "tags => axe.run(document, { resultTypes: ['violations'], runOnly: { type: 'tag', values: tags } })"
    for state in (lambda _: None, open_everything, lambda page: page.fill("#search", "no such gene")):
        state(page)
        found = page.evaluate(run, TAGS)["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


def test_text_stands_out(page):
    assert page.evaluate(FAINT) == []
    open_everything(page)
    assert page.evaluate(FAINT) == []


def test_what_a_screen_reader_needs(page):
    open_everything(page)
    levels = page.locator(":is(h1, h2, h3, h4):visible").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate("document.documentElement.lang") == "en"
    named = "one => one.labels?.length || one.ariaLabel || (one.matches('button, a, summary') && one.innerText.trim())"
    controls = page.locator("main :is(input, select, button, a, summary):visible")
    assert controls.evaluate_all(f"all => all.filter(one => !({named})(one)).map(one => one.outerHTML)") == []
    drawn = page.locator("[role=img]:visible, img:visible")
    assert drawn.evaluate_all("all => all.filter(one => !(one.ariaLabel || one.alt)).map(one => one.outerHTML)") == []
    heads = page.locator("table:visible th")
    assert set(heads.evaluate_all("all => all.map(one => one.scope)")) <= {"row", "col"}
    tables = page.locator("table:visible")
    assert tables.evaluate_all(
        "all => all.every(one => one.querySelector('th[scope=col]') && one.querySelector('th[scope=row]'))"
    )
    ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(set(ids)) == len(ids)
    outside = "body > *:not(header, main, script, .skip)"
    assert page.locator(outside).count() == 0  # all content is in a landmark
    spots = page.locator(".over .spot").evaluate_all("all => all.map(one => one.dataset.spot)")
    buttons = page.locator("button[data-cluster]").evaluate_all("all => all.map(one => one.dataset.cluster)")
    assert set(spots) <= set(buttons) != set()  # what a click in a picture does, a button does too


def test_nothing_is_cut_at_the_side(page):
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_the_focus_is_always_seen(page):
    page.locator("#cluster-table button").last.focus()
    for key in ["Tab"] * 45 + ["Shift+Tab"] * 25:
        page.keyboard.press(key)
        focus = page.evaluate(FOCUSED)
        if focus["body"]:  # the end of the page
            break
        assert focus["seen"], focus
        assert not focus["covered"], focus
        assert focus["marked"], focus
