"""The command `lineage-clust compare`: files, summary and errors."""

import anndata
import numpy as np
import pandas as pd
import pytest

from lineage_clust import ConditionComparison
from lineage_clust.cli import main

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Eight donors, of whom those with an odd number are treated, which raises the first five genes."""
    rng = np.random.default_rng(0)
    donor = rng.permutation(np.arange(320) % 8)
    Y = 3 + 0.5 * rng.standard_normal((320, 20)) + 0.2 * rng.standard_normal((8, 20))[donor]
    Y[:, :5] += 1.5 * (donor % 2)[:, None]
    obs = pd.DataFrame({"dpt_pseudotime": rng.uniform(size=320)}, index=[f"cell{number}" for number in range(320)])
    obs["donor"], obs["drug"] = [f"d{number}" for number in donor], np.array(["no", "yes"])[donor % 2]
    adata = anndata.AnnData(Y, obs=obs, var=pd.DataFrame(index=[f"gene{number}" for number in range(20)]))
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.mark.slow
def test_tables_and_pictures(file, tmp_path, capsys):
    code = main(
        [
            "compare",
            str(file),
            "--condition",
            "drug",
            "--sample",
            "donor",
            "--out",
            str(tmp_path),
            "--backed",
            "--report",
            "--save",
        ]
    )
    out = capsys.readouterr().out
    assert code == 0
    assert "8 donors were taken as replicates" in out
    table = pd.read_csv(tmp_path / "conditions.csv", index_col="gene")
    assert (table["qvalue_level"].iloc[:5] < 0.05).all()
    assert set(table["replicates"]) == {"donors"}
    assert len(pd.read_csv(tmp_path / "conditions_samples.csv")) == 8
    assert (tmp_path / "conditions.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(ConditionComparison.load(tmp_path / "conditions.lclust")).splitlines()[0] in out
    for kind in ("genes", "volcano", "heatmap"):
        assert (tmp_path / f"conditions_{kind}.png").read_bytes().startswith(PNG)


def test_an_error_is_a_sentence_and_leaves_no_file(file, tmp_path, capsys):
    code = main(["compare", str(file), "--condition", "dug", "--out", str(tmp_path / "new")])
    assert code == 1
    assert "Did you mean 'drug'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--alpha", "5"], "alpha must be between 0 and 1; got 5.0"),
        (["--time-range", "0.8", "0.2"], "--time-range must start before it ends"),
        (["--seed", "-1"], "--seed must be None, an integer from 0"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_said_before_the_file_is_read(options, message, tmp_path, capsys):
    code = main(["compare", "none.h5ad", "--condition", "drug", *options, "--out", str(tmp_path / "new")])
    assert code == 2
    assert message in capsys.readouterr().err
