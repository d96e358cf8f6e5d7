"""Facts about a release are the same in all files that state them."""

import hashlib
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lineage_clust import __version__

ROOT = Path(__file__).resolve().parents[1]


def text_of(name):
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("CITATION.cff", r"^version: (\S+)$"),
        ("CHANGELOG.md", r"^## \[(\d[^\]]*)\]"),
        ("README.md", r"version (\S+)\.\*$"),
        ("ecosystem/meta.yaml", r"^version: v(\S+)$"),
    ],
)
def test_version(name, line):
    assert re.search(line, text_of(name), flags=re.MULTILINE)[1] == __version__


def test_lowest_versions_that_are_tested_are_those_that_are_asked_for():
    asked = dict(one.split(">=") for one in tomllib.loads(text_of("pyproject.toml"))["project"]["dependencies"])
    lines = [line for line in text_of(".ci/lowest.txt").splitlines() if not line.startswith("#")]
    tested = dict(line.split("==") for line in lines)
    assert tested.keys() == asked.keys()
    for name, version in asked.items():
        assert (tested[name] + ".0.0").startswith(version + "."), name


def test_tests_that_run_with_the_lowest_and_newest_versions_are_there():
    named = re.search(r"^tests=\((.*?)^\)", text_of(".ci/matrix"), flags=re.MULTILINE | re.DOTALL)[1].split()
    assert [name for name in named if not (ROOT / name).exists()] == []


# ---- configuration of the services that build, test and list the package

WORKFLOWS = ("tests", "docs", "package", "release")
YAML = [
    ".pre-commit-config.yaml",
    ".readthedocs.yaml",
    "CITATION.cff",
    "ecosystem/meta.yaml",
    ".github/dependabot.yml",
    *(f".github/workflows/{name}.yml" for name in WORKFLOWS),
    *(f".github/ISSUE_TEMPLATE/{name}.yml" for name in ("bug", "config", "feature", "question")),
]
CONDA_NAMES = {"igraph": "python-igraph", "matplotlib": "matplotlib-base"}  # where conda-forge has another name


def yaml_of(text):
    yaml = pytest.importorskip("yaml")
    return yaml.load(text, yaml.BaseLoader)  # all values as text: `on` and `3.10` stay what they are


def recipe_of(text):
    jinja2 = pytest.importorskip("jinja2")
    return yaml_of(jinja2.Template(text).render(PYTHON="python"))


def project():
    return tomllib.loads(text_of("pyproject.toml"))["project"]


@pytest.mark.parametrize("name", YAML)
def test_yaml_is_valid(name):
    assert yaml_of(text_of(name))


def test_forms_for_issues_have_what_github_asks_for():
    for name in ("bug", "feature", "question"):
        form = yaml_of(text_of(f".github/ISSUE_TEMPLATE/{name}.yml"))
        assert form.keys() == {"name", "description", "labels", "body"}
        ids = [part["id"] for part in form["body"]]
        assert len(ids) == len(set(ids))
        assert all(part["attributes"]["label"] for part in form["body"])


def test_every_supported_python_is_tested():
    supported = {one.rpartition(" ")[2] for one in project()["classifiers"] if re.search(r":: 3\.\d+$", one)}
    jobs = yaml_of(text_of(".github/workflows/tests.yml"))["jobs"]
    assert set(jobs["tests"]["strategy"]["matrix"]["python"]) == supported
    lowest = min(supported, key=lambda name: int(name.partition(".")[2]))
    assert project()["requires-python"] == f">={lowest}"
    wheels = yaml_of(text_of(".github/workflows/package.yml"))["jobs"]["wheel"]["strategy"]["matrix"]["include"]
    assert {"python": lowest, "environment": f"{lowest}-lowest"} in wheels
    assert all(one["environment"].startswith(one["python"] + "-") for one in wheels)


def test_only_the_upload_may_ask_for_a_token_and_it_waits_for_the_tests():
    release = yaml_of(text_of(".github/workflows/release.yml"))
    publish = release["jobs"].pop("publish")
    assert publish["permissions"] == {"id-token": "write"}
    assert set(publish["needs"]) == release["jobs"].keys()
    for name in WORKFLOWS:
        assert yaml_of(text_of(f".github/workflows/{name}.yml"))["permissions"] == {"contents": "read"}
        assert ("id-token" in text_of(f".github/workflows/{name}.yml")) == (name == "release")
    for called in release["jobs"].values():
        assert "workflow_call" in yaml_of(text_of(called["uses"].removeprefix("./")))["on"]


def test_the_recipe_asks_for_what_the_package_asks_for():
    recipe, asked = recipe_of(text_of("recipe/meta.yaml")), project()
    python, *others = recipe["requirements"]["run"]
    assert python == f"python {asked['requires-python']}"
    names = (one.split(">=") for one in asked["dependencies"])
    assert others == sorted(f"{CONDA_NAMES.get(name, name)} >={least}" for name, least in names)
    assert recipe["package"] == {"name": asked["name"], "version": __version__}
    assert recipe["build"]["entry_points"] == [f"{name} = {target}" for name, target in asked["scripts"].items()]
    assert recipe["about"]["license"] == asked["license"]
    build_system = tomllib.loads(text_of("pyproject.toml"))["build-system"]
    assert set(build_system["requires"]) < {one.partition(" ")[0] for one in recipe["requirements"]["host"]}


def test_the_entry_of_the_ecosystem_agrees_with_the_package():
    entry, asked = yaml_of(text_of("ecosystem/meta.yaml")), project()
    assert entry["install"] == {"pypi": asked["name"]}
    assert entry["license"] == asked["license"]
    assert entry["version"] == f"v{__version__}"


def test_authors_are_those_to_cite():
    cited = yaml_of(text_of("CITATION.cff"))["authors"]
    assert [one["name"] for one in project()["authors"]] == [one["name"] for one in cited]


# ---- the address, which one command writes into all files


FILES_WITH_ADDRESS = ("pyproject.toml", "CITATION.cff", "recipe/meta.yaml", "ecosystem/meta.yaml")


def addresses(root):
    """Return where each file says that the source is, or None."""
    text = {name: (root / name).read_text(encoding="utf-8") for name in FILES_WITH_ADDRESS}
    return [
        tomllib.loads(text["pyproject.toml"])["project"].get("urls", {}).get("Repository"),
        yaml_of(text["CITATION.cff"]).get("repository-code"),
        recipe_of(text["recipe/meta.yaml"])["about"].get("dev_url"),
        yaml_of(text["ecosystem/meta.yaml"]).get("project_home"),
    ]


def test_all_files_name_the_same_address_or_none():
    text_of("pyproject.toml")
    assert len(set(addresses(ROOT))) == 1


def test_one_command_writes_the_address(tmp_path):
    for name in FILES_WITH_ADDRESS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text_of(name), encoding="utf-8")
    (tmp_path / "a.tar.gz").write_bytes(b"")
    texts = []
    for owner in ("first", "second", "second"):
        places = ["--repository", f"https://example.org/{owner}/", "--documentation", f"https://{owner}.example.org"]
        people = ["--maintainer", owner, "--maintainer", "another"]
        command = [sys.executable, ROOT / ".ci" / "address", *places, *people, "--sdist", tmp_path / "a.tar.gz"]
        subprocess.run([*command, "--root", tmp_path], check=True)
        assert addresses(tmp_path) == 4 * [f"https://example.org/{owner}"]
        texts.append([(tmp_path / name).read_text(encoding="utf-8") for name in FILES_WITH_ADDRESS])
    assert texts[0] != texts[1] == texts[2]
    recipe = recipe_of((tmp_path / "recipe/meta.yaml").read_text(encoding="utf-8"))
    assert recipe["extra"]["recipe-maintainers"] == ["second", "another"]
    assert recipe["source"]["sha256"] == hashlib.sha256(b"").hexdigest()
    entry = yaml_of((tmp_path / "ecosystem/meta.yaml").read_text(encoding="utf-8"))
    # what the schema of scverse/ecosystem-packages requires
    assert {"name", "description", "project_home", "documentation_home", "install", "license"} < entry.keys()
    assert {"tags", "primary_category", "language", "version", "category"} < entry.keys()
    assert entry["contact"] == ["second", "another"]


# ---- the speed of versions


@pytest.fixture
def versions(monkeypatch):
    text_of("benchmarks/versions.py")
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.versions")


def figures(name, **medians):
    ratios = {key: {"median": value, "lower": 0.9 * value, "upper": 1.1 * value} for key, value in medians.items()}
    return {"version": name, "size": {"n_cells": 10}, "ratios": ratios}


def test_a_slower_version_is_noticed(versions):
    then, now = figures("1.0.0", fit=0.1, tables=0.2, gone=1.0), figures("1.1.0", fit=0.2, tables=0.21, new=5.0)
    assert versions.slower(now, then) == ["fit"]
    assert versions.slower(then, now) == []
    assert versions.slower(now, None) == []
    assert "+100%" in versions.table(now, then)
    now["ratios"]["fit"]["lower"] = 0.1  # rounds that differ as much as the versions do
    assert versions.slower(now, then) == []


def test_versions_measured_on_other_sizes_are_not_compared(versions):
    then, now = figures("1.0.0", fit=0.1), figures("1.1.0", fit=0.1)
    then["size"] = {"n_cells": 20}
    with pytest.raises(ValueError, match=r"1\.0\.0 was measured on .*20.* measure it again"):
        versions.slower(now, then)


def test_the_version_before_is_found_by_its_number(versions, tmp_path):
    for name in ("0.9.0", "0.10.0", "0.11.0"):
        (tmp_path / f"{name}.json").write_text(json.dumps(figures(name)), encoding="utf-8")
    assert versions.before(tmp_path, "0.11.0")["version"] == "0.10.0"
    assert versions.before(tmp_path, "0.11.0", or_same=True)["version"] == "0.11.0"
    assert versions.before(tmp_path, "0.9.0") is None


def test_the_figures_of_this_version_are_kept(versions):
    kept = versions.before(versions.HISTORY, __version__, or_same=True)
    assert kept["version"] == __version__
    assert kept["size"] == versions.SIZE
