"""Report of a comparison: content, escaping of names, and use in a browser without network."""

import json
import re
from base64 import b64decode
from dataclasses import replace
from zlib import decompress

import numpy as np
import pandas as pd
import pytest

from lineage_clust.report.comparison import render_comparison

NASTY = "<img src=x onerror=document.title='broken'>"


@pytest.fixture(scope="module")
def named(found):
    """The comparison, with markup for names."""
    genes = [NASTY, "=cmd()", *found.genes[2:]]
    treated = {"treated": "<i>treated</i>"}
    return replace(
        found, genes=genes, table=found.table.set_axis(pd.Index(genes, name="gene")),
        conditions=[treated.get(name, name) for name in found.conditions],
        samples=found.samples.assign(condition=found.samples["condition"].replace(treated)),
        gaps=pd.DataFrame({"condition": ["<i>treated</i>"], "start": [0.4], "end": [0.5]}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def page_text(named):
    return render_comparison(named)


def data_of(text):
    data = json.loads(re.search(r'<script type="application/json" id="gene-data">(.*?)</script>', text)[1])
    return data, json.loads(decompress(b64decode(data["packed"])))


@pytest.mark.slow
def test_it_says_what_was_compared_and_replicated(page_text):
    assert "8 donors were taken as replicates" in page_text
    assert "&lt;i&gt;treated&lt;/i&gt; has hardly any cells from 0.4 to 0.5" in page_text
    assert "https://" not in page_text
    assert "<i>treated" not in page_text
    assert "<img src=x" not in page_text


@pytest.mark.slow
def test_the_table_and_curves_are_those_of_the_comparison(page_text, named):
    data, hidden = data_of(page_text)
    place = [one["name"] for one in data["columns"]].index("qvalue_both")
    assert hidden["values"][place] == pytest.approx(named.table["qvalue_both"].tolist(), rel=1e-5)
    assert all(one["help"] for one in data["columns"])
    curves = hidden["curves"]
    n_points = len(curves["time"])
    codes = np.array([ord(letter) - 40 for letter in curves["trends"]["coded"][0]])
    levels = np.cumsum(np.where(codes % 2, -(codes + 1) // 2, codes // 2)) % 256
    assert len(levels) == n_points * (3 * 2 + 8)
    low, high = curves["trends"]["low"][0], curves["trends"]["high"][0]
    inside = named.pseudotime >= named.common_range[0]
    assert low + (high - low) * levels[0] / 250 == pytest.approx(named.trends[0, 0, inside][0], abs=0.02 * (high - low))


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_it_works_in_a_browser(browser, page_text, tmp_path, scheme, width):
    (tmp_path / "page.html").write_text(page_text, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("#gene-table tbody tr").first.wait_for()
    page.locator("#search").fill("onerror")
    row = page.locator("#gene-table tbody tr[data-gene]")
    assert row.count() == 1
    row.locator("th button").click()
    assert page.locator(".opened svg.chart").count() == 2
    assert page.locator(".opened .thin").count() == 8
    assert page.locator(".opened .key").inner_text().split() == ["control", "<i>treated</i>"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.title() == "<i>treated</i> compared with control"
    page.close()
    assert complaints == []
