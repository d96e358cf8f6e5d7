"""The report in a real browser: search, sorting, and that names stay names."""

import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans

import lineage_clust as lc

pytestmark = pytest.mark.slow
NASTY = ["<script>document.title='broken'</script>", 'a&b"c', "<img src=x onerror=document.title='broken'>", "x,y"]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    with playwright.sync_playwright() as running:
        try:
            started = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"Chromium cannot be started: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(scope="module")
def tc(make_adata):
    """Of 130 genes, some with names that are markup, in three clusters."""
    adata = make_adata(n_cells=120, n_genes=130, kind="dense")
    adata.var_names = [*NASTY, *adata.var_names[len(NASTY) :]]
    fitter = lc.TrendClusterer(lineage="A", n_points=50, clusterer=KMeans(3, random_state=0))
    return fitter.fit(adata)


@pytest.fixture(scope="module")
def file(tc, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    tc.report(path, title="Of <A> & B")
    return path


@pytest.fixture
def page(browser, file):
    """The report, opened; complaints of the browser and requests to the network fail the test."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900}, accept_downloads=True)
    opened.set_default_timeout(10_000)
    complaints = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    opened.goto(file.as_uri())
    yield opened
    opened.close()
    assert complaints == []


def genes(page):
    return page.locator("#gene-table tbody th").all_inner_texts()


def expected_order(tc):
    return [gene for genes in tc.genes_by_cluster(unassigned=True).values() for gene in genes]


def test_it_opens(page, tc):
    assert page.title() == page.inner_text("h1") == "Of <A> & B"
    assert genes(page) == expected_order(tc)[:100]
    assert page.inner_text("#count") == "130 genes"
    assert page.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 0)")
    assert page.locator("#gene-table svg").count() == 100
    assert page.locator("#gene-table .line path.trend").first.evaluate("path => path.getTotalLength()") > 50


def test_all_rows_come_when_asked_for(page, tc):
    assert page.inner_text("#more") == "Show 30 more of 30"
    page.click("#more")
    assert genes(page) == expected_order(tc)
    assert page.locator("#more").is_hidden()


def test_search(page, tc):
    page.fill("#search", "PEAK1")
    wanted = [gene for gene in expected_order(tc) if "peak1" in gene]
    assert len(wanted) > 5
    assert genes(page) == wanted
    assert page.inner_text("#count") == f"{len(wanted)} of 130 genes"
    page.fill("#search", "peak1, rise2 fall3")
    assert sorted(genes(page)) == ["fall3", "peak1", "rise2"]
    page.fill("#search", "no such gene")
    assert genes(page) == []
    assert page.inner_text("#count") == "0 of 130 genes"
    page.fill("#search", "")
    assert len(genes(page)) == 100


@pytest.mark.parametrize("name", NASTY)
def test_names_are_text(page, name):
    page.fill("#search", name)
    assert genes(page) == [name]
    assert page.title() == "Of <A> & B"


def test_one_cluster_is_chosen(page, tc):
    page.select_option("#cluster", "1")
    assert genes(page) == tc.genes_by_cluster()[1][:100]
    page.fill("#search", "1")
    assert genes(page) == [gene for gene in tc.genes_by_cluster()[1] if "1" in gene]
    page.click("[data-cluster='2']")  # of the cluster table
    assert page.input_value("#search") == ""
    assert genes(page) == tc.genes_by_cluster()[2][:100]
    page.select_option("#cluster", "-1")
    assert sorted(genes(page)) == sorted(tc.genes_by_cluster(unassigned=True)[-1])


@pytest.mark.parametrize("column", ["peak", "qvalue", "deviance_explained", "gene"])
def test_sorting(page, tc, column):
    table = tc.gene_table_.rename_axis("gene").reset_index()
    head = page.locator("#gene-table thead th", has=page.get_by_role("button", name=column, exact=True))
    directions = []
    for _ in range(2):
        page.get_by_role("button", name=column, exact=True).click()
        direction = head.get_attribute("aria-sort")
        directions.append(direction)
        found = table.set_index("gene").loc[genes(page)].reset_index()[column]
        expected = table[column].sort_values(ascending=direction == "ascending", key=_as_shown).iloc[:100]
        if column == "gene":
            assert found.iloc[-1] != found.iloc[0]
            assert sorted(
                found[found.str.fullmatch(r"[a-z]+\d+")], key=_natural, reverse=direction == "descending"
            ) == (found[found.str.fullmatch(r"[a-z]+\d+")].tolist())
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert sorted(directions) == ["ascending", "descending"]
    assert page.locator("[aria-sort]").count() == 1


def _as_shown(values):
    """Six digits are embedded."""
    return values if values.dtype == object else values.map(lambda value: float(f"{value:.6g}"))


def _natural(name):
    return name.rstrip("0123456789"), int(name[len(name.rstrip("0123456789")) :])


def test_details_are_shown_when_asked_for(page, tc):
    def heads():
        return page.locator("#gene-table thead th").all_inner_texts()

    assert "lambda" not in heads()
    page.check("#details")
    assert "lambda" in heads()
    cells = page.locator("#gene-table tbody tr").first.locator("td, th").count()
    assert cells == len(heads())
    page.uncheck("#details")
    assert "lambda" not in heads()


def test_the_saved_table_is_what_is_shown(page, tc, tmp_path):
    page.fill("#search", "rise")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "genes.csv")
    saved = pd.read_csv(tmp_path / "genes.csv", index_col="gene")
    assert saved.index.tolist() == [gene for gene in expected_order(tc) if "rise" in gene]
    for column in ("qvalue", "peak", "cluster"):
        np.testing.assert_allclose(saved[column], tc.gene_table_.loc[saved.index, column], rtol=1e-5)


def test_it_works_by_keyboard(page):
    page.focus("#search")
    page.keyboard.type("fall1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "cluster"
    page.get_by_role("button", name="peak", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.locator("[aria-sort]").inner_text().startswith("peak")


def test_it_is_dark_where_the_reader_wants_that(browser, file):
    brightness = {}
    for scheme in ("light", "dark"):
        opened = browser.new_page(color_scheme=scheme)
        opened.goto(file.as_uri())
        color = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness[scheme] = sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))
        opened.close()
    assert brightness["dark"] < 150 < 700 < brightness["light"]


def test_it_fits_a_narrow_window(browser, file):
    opened = browser.new_page(viewport={"width": 360, "height": 700})
    opened.goto(file.as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    opened.close()


def test_without_a_script_it_says_where_the_table_is(browser, file):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(file.as_uri())
    assert "gene_table_" in opened.inner_text("#genes")
    assert opened.locator("#cluster-table tbody tr").count() == 3
    context.close()
