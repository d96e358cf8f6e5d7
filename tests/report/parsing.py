"""Parser of the page of a report."""

import base64
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pandas as pd

VOID = {"meta", "input", "img", "link", "br"}


class Page(HTMLParser):
    """Collects the elements of a page, and checks that each is closed where it was opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def headings(self):
        return [text for text in self.texts["h2"] if text.strip()]


def unpacked(text):
    """What the page's script makes of the data."""
    data = json.loads(text)
    more = json.loads(zlib.decompress(base64.b64decode(data.pop("packed"))))
    for one, values in zip(data["columns"], more.pop("values"), strict=True):
        one.setdefault("values", values)
    return {**data, **more}


def table_of(text):
    """The gene table as it stands in the page."""
    data = unpacked(re.search(r'id="gene-data">(.*?)</script>', text, flags=re.DOTALL)[1])
    columns = {one["name"]: one["values"] for one in data["columns"]}
    return pd.DataFrame(columns).set_index("gene"), data


def points(path):
    start, steps = re.fullmatch(r"M(\d+ \d+)l([-\d ]+)", path).groups()
    numbers = np.array([int(number) for number in re.findall(r"-?\d+", steps)]).reshape(-1, 2)
    return np.cumsum([[int(number) for number in start.split()], *numbers], axis=0)
