"""Methods paragraph for a paper: analysis steps, parameters, versions and references."""

from __future__ import annotations

from .._version import __version__
from ..clusterers.stability import StabilityCurve
from ..contracts.capabilities import fitted_value
from ..errors import counted
from ..results.result import FitResult
from .facts import counts, listed, names_of

_CITED = {
    "psplines": "Eilers PHC, Marx BD (1996). Flexible smoothing with B-splines and penalties. Statistical Science 11, "
    "89-121.",
    "reml": "Wood SN (2011). Fast stable restricted maximum likelihood and marginal likelihood estimation of semiparametric "
    "generalized linear models. Journal of the Royal Statistical Society B 73, 3-36.",
    "pvalue": "Wood SN (2013). On p-values for smooth components of an extended generalized additive model. Biometrika 100, "
    "221-228.",
    "bh": "Benjamini Y, Hochberg Y (1995). Controlling the false discovery rate. Journal of the Royal Statistical Society B "
    "57, 289-300.",
    "rubin": "Rubin DB (1987). Multiple Imputation for Nonresponse in Surveys. Wiley, New York.",
    "cauchy": "Liu Y, Xie J (2020). Cauchy combination test: a powerful test with analytic p-value calculation under "
    "arbitrary dependency structures. Journal of the American Statistical Association 115, 393-402.",
    "umap": "McInnes L, Healy J, Melville J (2018). UMAP: uniform manifold approximation and projection for dimension "
    "reduction. arXiv:1802.03426.",
    "leiden": "Traag VA, Waltman L, van Eck NJ (2019). From Louvain to Leiden: guaranteeing well-connected communities. "
    "Scientific Reports 9, 5233.",
    "louvain": "Blondel VD, Guillaume JL, Lambiotte R, Lefebvre E (2008). Fast unfolding of communities in large networks. "
    "Journal of Statistical Mechanics P10008.",
}


def methods(result: FitResult) -> tuple[str, list[str]]:
    """Return the paragraph and the cited references; components from elsewhere are only named."""
    cited: list[str] = []
    count = counts(result)
    names = names_of(result)
    along = f" along {listed(names)}" if names else " along pseudotime"
    sentences = [
        f"Expression trends of {count['fitted']:,} genes{along} were estimated with lineage_clust {__version__}.",
        _fitting(result, cited),
    ]
    if count["tested"]:
        cited += ["bh"]
        donors = result.reader.sample_key is not None  # which has a test of its own
        by = " (Wood 2013)" if _name(result.fitter.model) == "GAM" and not donors else ""
        cited += ["pvalue"] if by else []
        sentences.append(
            f"Each trend was tested against constant expression{by}, and p-values were adjusted for the number of genes "
            f"(Benjamini & Hochberg 1995); {'donors' if donors else 'cells, not donors,'} are the replicates of the test."
        )
    if result.reader.draw_ranges:
        cited += ["rubin"]
        n_draws = next(iter(result.reader.draw_ranges.values())).shape[1]
        sentences.append(
            f"Pseudotime was given as {n_draws} draws; the fits to all of them were pooled by Rubin's rules (Rubin 1987)"
            f"{', and their p-values combined as Cauchy variables (Liu & Xie 2020)' if count['tested'] else ''}."
        )
        cited += ["cauchy"] if count["tested"] else []
    if result.n_clusters:
        sentences.append(_clustering(result, cited, count))
    return " ".join(sentences), [_CITED[key] for key in dict.fromkeys(cited)]


def _fitting(result: FitResult, cited: list[str]) -> str:
    model, smoother = result.fitter.model, result.fitter.smoother
    if _name(model) != "GAM" or _name(smoother) != "BSplineSmoother":
        on = "" if _name(smoother) in ("str", "NoneType") else f" on the basis of {_name(smoother)}"
        return f"Trends were fitted by {_name(model)}{on}, on cells weighted by their membership of the lineage."
    cited += ["psplines"]
    how = {"reml": "restricted maximum likelihood (Wood 2011)", "gcv": "generalised cross-validation"}.get(
        str(model.smoothing), f"a fixed smoothing parameter of {model.smoothing}"
    )
    cited += ["reml"] if model.smoothing == "reml" else []
    family = str(model.family).replace("_", " ").replace("gaussian", "Gaussian")
    basis = f"{smoother.n_splines} basis functions of degree {smoother.degree}"
    return (
        f"For each gene, a penalised B-spline of pseudotime (Eilers & Marx 1996; {basis}) "
        f"was fitted with a {family} family to the cells, weighted by their membership of the lineage; "
        f"its smoothness was chosen by {how}."
    )


def _clustering(result: FitResult, cited: list[str], count: dict[str, float]) -> str:
    clusterer = result.clusterer
    gate = "all genes" if result.gate.alpha is None else f"genes with q < {result.gate.alpha:g}"
    scaled = {"zscore": "standardised to mean 0 and standard deviation 1", "minmax": "scaled from 0 to 1"}
    shape = scaled.get(str(result.scale), "as they are" if result.scale is None else "scaled")
    said = f"The trends of {gate}, {shape}, were clustered by {_name(clusterer)}"
    if _name(clusterer) == "GraphClusterer":
        cited += ["umap"] if clusterer.weights == "umap" else []
        cited += [clusterer.method] if clusterer.method in _CITED else []
        names = {"leiden": "Leiden (Traag et al. 2019)", "louvain": "Louvain (Blondel et al. 2008)"}
        by = names.get(str(clusterer.method), clusterer.method)
        weighted = " (edges weighted as by UMAP, McInnes et al. 2018)" if clusterer.weights == "umap" else ""
        said = (
            f"The trends of {gate}, {shape}, were connected in a graph of their {clusterer.n_neighbors} nearest neighbours, "
            f"counting the gene itself{weighted}. The graph was divided into communities by {by}{_number(result)}"
        )
    out = counted(int(count["left_out"]), "gene")
    chance = f" Clusters whose genes could all be false discoveries were left out ({out})." if count["left_out"] else ""
    found = f"{counted(int(count['clustered']), 'gene')} in {counted(result.n_clusters, 'cluster')}"
    return f"{said}. The result is {found}.{chance}"


def _number(result: FitResult) -> str:
    """Return how the number of clusters was selected by a GraphClusterer."""
    clusterer = result.clusterer
    refined = ", and each gene was then assigned to the nearest cluster mean"
    if clusterer.n_clusters is None and clusterer.resolution != "auto":
        return f" at resolution {fitted_value(clusterer, 'resolution_'):.3g}{refined if clusterer.refine else ''}"
    curve = fitted_value(clusterer, "stability_")
    if clusterer.n_clusters is not None or curve is None or curve.chosen != result.n_clusters:
        return f". The communities were merged{refined}; the number of clusters was set"
    distinct = (
        f"agreement of independent halves of the data (kappa at least {clusterer.min_support:g}) and the correlation of "
        f"their means (at most {clusterer.max_correlation:g})"
    )
    contrary = ". Genes that contradict the mean of their cluster form further clusters" if curve.n_divided else ""
    if curve.of_continuum:
        return (
            f". No clear groups among the communities describe the trends. The trends were therefore divided in two "
            f"repeatedly by k-means. The two parts of a division had to be distinct by the {distinct}. The division had to "
            f"explain at least {_shares(curve)}{contrary}"
        )
    if curve.of_overlapping:
        return (
            f". The communities were merged{refined}. No clear groups among them describe the trends, but overlapping groups "
            f"explain more of the variance than divisions in two. They are distinct by the {distinct}. No division of one of "
            f"them into two distinct parts explains at least {_shares(curve)}{contrary}"
        )
    return (
        f". The communities were merged{refined}. The number of clusters is the largest for which no cluster can be divided "
        f"into two distinct ones, and all pairs have a gap between them or are distinct by a factor of three. Clusters are "
        f"distinct by the weight of the edges between them (at most {clusterer.max_connectivity:g} times that expected by "
        f"chance), the {distinct}{contrary}"
    )


def _shares(curve: StabilityCurve) -> str:
    return (
        f"{100 * curve.bounds.explained:g} % of the variance of the scaled trends and, if it is the last one, "
        f"{100 * curve.bounds.within:g} % of that within the cluster, unless the means of the two parts are opposite"
    )


def _name(component: object) -> str:
    return type(component).__name__
