"""The report in a real browser: search, sorting, and escaped names."""

import json
import zlib
from base64 import b64decode
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans

import lineage_clust as lc
from lineage_clust.report.columns import Vocabulary

pytestmark = pytest.mark.slow
NASTY = [
    "=cmd|' /C calc'!A0",
    "<script>document.title='broken'</script>",
    'a&b"c',
    "<img src=x onerror=document.title='broken'>",
    "x,y",
]


@pytest.fixture(scope="module")
def tc(make_adata):
    """Of 130 genes, some with names that are markup, in three clusters."""
    adata = make_adata(n_cells=120, n_genes=130, kind="dense")
    adata.var_names = [*NASTY, *adata.var_names[len(NASTY) :]]
    fitter = lc.TrendClusterer(lineage="A", n_points=50, clusterer=KMeans(3, random_state=0))
    fitter.fit(adata)
    fitter.cells = adata
    return fitter


@pytest.fixture(scope="module")
def file(tc, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    tc.report(path, tc.cells, title="Of <A> & B")
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
    opened.locator("#gene-table tbody tr").first.wait_for()
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
    page.click("#cluster-table [data-cluster='2']")
    assert page.input_value("#search") == ""
    assert genes(page) == tc.genes_by_cluster()[2][:100]
    page.select_option("#cluster", "-1")
    assert sorted(genes(page)) == sorted(tc.genes_by_cluster(unassigned=True)[-1])


@pytest.mark.parametrize("column", ["peak", "qvalue", "deviance_explained", "gene"])
def test_sorting(page, tc, column):
    table = tc.gene_table_.rename_axis("gene").reset_index()
    button = page.locator("#gene-table").get_by_role("button", name=Vocabulary([]).heading(column), exact=True)
    head = page.locator(
        "#gene-table thead th", has=page.get_by_role("button", name=Vocabulary([]).heading(column), exact=True)
    )
    directions = []
    for _ in range(2):
        button.click()
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

    assert "smoothing (lambda)" not in heads()
    page.check("#details")
    assert "smoothing (lambda)" in heads()
    cells = page.locator("#gene-table tbody tr").first.locator("td, th").count()
    assert cells == len(heads()) + 1  # the column of ticks has no heading
    page.uncheck("#details")
    assert "smoothing (lambda)" not in heads()


def test_the_saved_table_is_what_is_shown(page, tc, tmp_path):
    page.fill("#search", "rise")
    page.select_option("#format", "csv")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "genes.csv")
    saved = pd.read_csv(tmp_path / "genes.csv", index_col="gene")
    assert saved.index.tolist() == [gene for gene in expected_order(tc) if "rise" in gene]
    for column in ("qvalue", "peak", "cluster"):
        np.testing.assert_allclose(saved[column], tc.gene_table_.loc[saved.index, column], rtol=1e-4)


def test_lists_are_saved_as_names_and_as_gene_sets(page, tc, tmp_path):
    def saved(kind):
        page.select_option("#format", kind)
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / kind)
        return (tmp_path / kind).read_text()

    page.select_option("#cluster", "1")
    assert saved("names").splitlines() == tc.genes_by_cluster()[1]
    page.select_option("#cluster", "")
    tc.write_gene_lists(tmp_path / "genes.gmt")
    expected = {
        line.split("\t")[0]: set(line.split("\t")[2:]) for line in (tmp_path / "genes.gmt").read_text().splitlines()
    }
    sets = {line.split("\t")[0]: line.split("\t")[1:] for line in saved("gmt").splitlines()}
    assert {name: set(genes[1:]) for name, genes in sets.items() if name != "A_unassigned"} == expected
    assert {genes[0] for genes in sets.values()} == {"lineage_clust"}  # a description that is no gene


def test_the_list_is_copied(page, tc):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.select_option("#cluster", "0")
    page.click("#copy")
    page.get_by_text("genes copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").split("\n")[:-1] == tc.genes_by_cluster()[0]


def test_a_row_opens_its_trend(page, tc):
    page.fill("#search", "rise1")
    page.locator("#gene-table tbody tr").first.click()
    assert page.locator("#gene-table .chart path.trend").first.evaluate("path => path.getTotalLength()") > 100
    assert page.locator("#gene-table .chart path.band").count() == 1
    assert page.locator("#gene-table .chart circle.cells").count() > 10
    gene = genes(page)[0]
    said = page.locator("#gene-table .values").inner_text()
    assert f"{tc.gene_table_.loc[gene, 'edf']:.3g}" in said
    assert page.locator("#gene-table tbody th button").first.get_attribute("aria-expanded") == "true"
    page.locator("#gene-table tbody tr").first.click()
    assert page.locator("#gene-table .chart").count() == 0


@pytest.mark.parametrize("picture", ["panels", "heatmap"])
def test_a_cluster_in_a_picture_lists_its_genes(page, tc, picture):
    box = page.locator(f".over[data-picture={picture}] [data-spot='1']").bounding_box()
    page.mouse.move(box["x"], box["y"])
    page.locator(f".over[data-picture={picture}] [data-spot='1']").click()
    assert page.input_value("#cluster") == "1"
    assert genes(page) == tc.genes_by_cluster()[1][:100]


def test_selected_genes_are_marked_in_the_pictures(page, tc):
    """The curve that is drawn over a panel lies where the gene's trend is in it."""
    gene = tc.genes_by_cluster()[1][0]
    row = tc.genes_.index(gene)
    page.fill("#search", gene)
    page.locator("#gene-table .pick input").first.check()
    assert page.inner_text("#selected") == f"1 selected: {gene}"
    assert page.locator(".over[data-picture=heatmap] .marks .row.upper").count() == 1
    mark = page.locator(".over[data-picture=panels] .marks .curve.upper")
    assert mark.count() == 1
    found = mark.evaluate("""path => [0, 0.5, 1].map((share) => {
      const at = path.getPointAtLength(share * path.getTotalLength());
      const point = at.matrixTransform(path.transform.baseVal.consolidate().matrix);
      return [point.x, point.y];
    })""")
    packed = page.evaluate("JSON.parse(document.getElementById('gene-data').textContent).packed")
    spots = json.loads(zlib.decompress(b64decode(packed)))["spots"]["panels"]["curves"]
    [(_, (left, top, right, bottom), _, (low, high))] = [one for one in spots if one[0] == 1]
    scaled = tc.scaled_trends_[row]
    for x, y in found:
        expected = np.interp((x - left) / (right - left), np.linspace(0, 1, len(scaled)), scaled)
        assert low + (bottom - y) / (bottom - top) * (high - low) == pytest.approx(expected, abs=0.15)
    page.check("#only")
    page.fill("#search", "")
    assert genes(page) == [gene]
    page.click("#unselect")
    assert page.locator(".marks path").count() == 0
    assert len(genes(page)) == 100


def test_directions_are_filtered(page, tc):
    page.select_option("#direction", "up")
    wanted = tc.gene_table_.index[tc.gene_table_["direction"] == "up"]
    assert sorted(genes(page)) == sorted(wanted)[:100] if len(wanted) <= 100 else len(genes(page)) == 100


def test_no_hits_are_said(page, tc):
    page.fill("#search", "no such gene")
    assert "There is no gene of which “no such gene” is in its name" in page.inner_text("#gene-table .nothing")
    page.get_by_role("button", name="Show all genes").click()
    assert len(genes(page)) == 100
    page.fill("#search", "peak1, rise2, Hbb")
    assert page.inner_text("#absent") == "Not among these genes: hbb"


def test_the_heading_stays(page):
    page.evaluate("document.querySelectorAll('#gene-table tbody tr')[60].scrollIntoView()")
    assert abs(page.locator("#gene-table thead th").first.bounding_box()["y"]) < 2
    page.wait_for_selector("#top.there")
    page.click("#top")
    page.wait_for_timeout(200)
    assert page.evaluate("scrollY") < 60


def test_clusters_are_sorted(page, tc):
    page.locator("#cluster-table").get_by_role("button", name="genes", exact=True).first.click()
    sizes = [int(text) for text in page.locator("#cluster-table tbody td:nth-child(3)").all_inner_texts()]
    assert sizes == sorted(tc.cluster_table_["size"])


def test_it_works_by_keyboard(page):
    page.focus("#search")
    page.keyboard.type("fall1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "cluster"
    page.locator("#gene-table").get_by_role("button", name="highest at", exact=True).focus()
    assert page.locator("#help").inner_text() == "Pseudotime at which the trend is highest."
    page.keyboard.press("Enter")
    assert page.locator("[aria-sort]").inner_text().startswith("highest at")
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.locator("#gene-table tbody th button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#gene-table .chart").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#gene-table .chart").count() == 0
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.locator(".over[data-picture=panels] [data-spot='1']").focus()
    page.keyboard.press("Enter")
    assert page.input_value("#cluster") == "1"


def test_it_is_dark_where_the_reader_wants_that(browser, file):
    brightness = {}
    for scheme in ("light", "dark"):
        opened = browser.new_page(color_scheme=scheme)
        opened.goto(file.as_uri())
        opened.locator("#gene-table tbody tr").first.wait_for()
        color = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness[scheme] = sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))
        opened.close()
    assert brightness["dark"] < 150 < 700 < brightness["light"]


@pytest.mark.parametrize("width", [360, 820, 1000, 1280])
def test_nothing_is_cut(browser, file, width):
    """No table, picture or list is wider than the window, which would scroll or hide a part."""
    opened = browser.new_page(viewport={"width": width, "height": 700})
    opened.goto(file.as_uri())
    opened.locator("#gene-table tbody tr").first.wait_for()
    opened.locator("#gene-table tbody th button").first.click()
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    beyond = opened.evaluate(
        "[...document.querySelectorAll('main table, main img, main dl, .chart')].map((one) => one.getBoundingClientRect())"
        ".filter((box) => box.width && (box.right > innerWidth + 1 || box.left < 0)).length"
    )
    assert beyond == 0
    opened.close()


def test_pictures_are_dark_on_a_dark_page(browser, file):
    opened = browser.new_page(color_scheme="dark", viewport={"width": 1200, "height": 900})
    opened.goto(file.as_uri())
    opened.locator("#gene-table tbody tr").first.wait_for()
    image = plt.imread(BytesIO(opened.locator("#panels .wide-only").screenshot()))
    assert image[..., :3].mean() < 0.3
    opened.close()


def test_without_a_script_it_says_where_the_table_is(browser, file):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(file.as_uri())
    assert "gene_table_" in opened.inner_text("#genes")
    assert opened.locator("#cluster-table tbody tr").count() == 3
    context.close()


def test_tables_are_printed_as_tables(browser, file):
    page = browser.new_page(viewport={"width": 718, "height": 1050})  # a sheet of A4 without its margins
    page.emulate_media(media="print")
    page.goto(file.as_uri())
    name = page.locator("#gene-table tbody th button").first
    name.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    assert name.evaluate("one => getComputedStyle(one.closest('tr')).display") == "table-row"
    assert name.bounding_box()["height"] < 20  # on one line
    assert not page.locator("#gene-tools").is_visible()
    page.close()
