"""What several files say about a release is the same in all of them."""

import re
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
