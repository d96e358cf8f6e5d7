import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.model_selection import PseudotimeKFold


class FakeMuData:
    """What a MuData is to this library: AnnData of several modalities by name."""

    def __init__(self, **modalities):
        self.mod = modalities
        self.obs = next(iter(modalities.values())).obs

    def __getitem__(self, name):
        return self.mod[name]


def test_a_mudata_is_told_which_part_of_it_to_pass(make_adata):
    adata = make_adata(60, 8)
    mdata = FakeMuData(atac=adata[:, :4].copy(), rna=adata)
    fit = lc.TrendClusterer(lineage="A", alpha=None, random_state=0).fit
    with pytest.raises(TypeError, match=r"got FakeMuData. Pass mdata\['rna'\].*contains 'atac', 'rna'"):
        fit(mdata)
    assert fit(mdata["rna"]).lineage_ == "A"


@pytest.mark.parametrize(
    "call",
    [
        lambda mdata: lc.lineage_drivers(mdata, "A"),
        lambda mdata: lc.DriverSelector("A").fit(mdata),
        lambda mdata: lc.cluster_lineage(mdata, None, ["g"], "A"),
        lambda mdata: next(PseudotimeKFold().split(mdata)),
    ],
)
def test_every_way_in_says_so(call, make_adata):
    with pytest.raises(TypeError, match=r"Pass mdata\['only'\], the AnnData of one modality.$"):
        call(FakeMuData(only=make_adata(60, 8)))


def test_a_matrix_is_told_to_be_wrapped():
    with pytest.raises(TypeError, match=r"Wrap a matrix with anndata.AnnData\(X, obs=..., var=...\)"):
        lc.TrendClusterer().fit(np.ones((3, 3)))
