"""The base class of smoothers, tested with a minimal smoother: powers of pseudotime."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import NotFittedError

from lineage_clust.smoothers.base import DOMAIN, BaseSmoother, check_size


class Powers(BaseSmoother):
    def __init__(self, domain=None):
        self.domain = domain

    _constraints = {"domain": DOMAIN}

    def _fit_column(self, x):
        return self._domain_of(x)

    def _design(self, x, basis):
        u = (x - basis[0]) / (basis[1] - basis[0])
        return sparse.csr_matrix(np.column_stack([np.ones_like(u), u, u**2]))

    def _penalty(self, basis):
        return np.diag([0.0, 0.0, 1.0])


def test_tables_as_output():
    x = pd.DataFrame({"t": np.linspace(0, 1, 5)}, index=list("abcde"))
    plain = Powers().fit(x).transform(x)
    assert sparse.issparse(plain)
    with config_context(transform_output="pandas"):
        tables = [Powers().fit_transform(x)]
    tables.append(Powers().set_output(transform="pandas").fit_transform(x))
    for table in tables:
        assert list(table.columns) == ["t_sp_0", "t_sp_1", "t_sp_2"]
        assert list(table.index) == list("abcde")
        np.testing.assert_array_equal(table.to_numpy(), plain.toarray())


def test_each_column_has_its_own_basis_and_block_of_the_penalty():
    x = np.column_stack([np.linspace(0, 1, 5), np.linspace(10, 30, 5)])
    smoother = Powers().fit(x)
    design = smoother.transform(x)
    assert smoother.bases_ == [(0.0, 1.0), (10.0, 30.0)]
    np.testing.assert_allclose(design.toarray()[:, :3], design.toarray()[:, 3:])
    np.testing.assert_array_equal(smoother.penalty_, np.diag([0, 0, 1, 0, 0, 1]))
    assert list(smoother.get_feature_names_out()) == [
        f"{column}_sp_{power}" for column in ("x0", "x1") for power in range(3)
    ]


def test_the_domain_is_given_or_the_data_s_or_around_a_single_value():
    x = np.array([[2.0], [4.0]])
    assert Powers(domain=(0, 10)).fit(x).bases_ == [(0.0, 10.0)]
    assert Powers().fit(x).bases_ == [(2.0, 4.0)]
    assert Powers().fit(np.full((3, 1), 7.0)).bases_ == [(6.5, 7.5)]


def test_transform_before_fit_and_other_columns_are_errors():
    with pytest.raises(NotFittedError):
        Powers().transform([[1.0]])
    with pytest.raises(ValueError, match="2 features, but Powers is expecting 1"):
        Powers().fit([[0.0], [1.0]]).transform([[1.0, 2.0]])


@pytest.mark.parametrize("value", [0, -3, 2.0, True, "3", None])
def test_check_size(value):
    check_size("n", 1, 1)
    check_size("n", np.int64(7), 1)
    with pytest.raises(ValueError, match="n must be an integer of at least 1; got"):
        check_size("n", value, 1)


def test_the_number_of_splines_is_bounded_with_advice():
    check_size("n_splines", 1000, 3)
    with pytest.raises(
        ValueError, match=r"n_splines must be at most 1,000; got 1001\. The penalty controls smoothness"
    ):
        check_size("n_splines", 1001, 3)
