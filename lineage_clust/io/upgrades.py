"""Files of older formats, brought up to date one version at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from ..contracts.slots import with_defaults
from ..lineage.reader import Reader
from ..results.gating import Gate
from ..results.result import FitResult
from ..results.tables import deciding_table
from ..trends.fitter import TrendFitter
from ..trends.pairing import resolve_pair
from ..trends.trends import concatenate

RESULT_OF_FORMAT_2 = "result of format 2"
_OF_THE_ESTIMATOR = ("feature_names_in_", "n_features_in_", "_n_features_out", "_sklearn_output_config")

# Of GraphClusterer, until format 1.
_GONE = ("merge_correlation", "consensus", "uncertainty")


def from_1_to_2(manifest: dict) -> dict:
    """Return a manifest without the parameters that GraphClusterer lost, and without its stability curve by resolution."""
    return {**manifest, "estimator": _without_old_parts(manifest["estimator"])}


def _without_old_parts(value: object) -> object:
    if isinstance(value, list):
        return [_without_old_parts(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "object" and value.get("class") == "StabilityCurve":
        return None
    changed: dict[str, Any] = {key: _without_old_parts(entry) for key, entry in value.items()}
    if value.get("kind") == "object" and value.get("class") == "GraphClusterer":
        kept = changed["parameters"].items()
        changed["parameters"] = {name: entry for name, entry in kept if name not in _GONE}
    return changed


def from_2_to_3(manifest: dict) -> dict:
    """Return a manifest in which what fit found is one object, and not attributes of the estimator."""
    tree = _with_tests_together(manifest["estimator"])
    kept = {name: value for name, value in tree["state"].items() if name in _OF_THE_ESTIMATOR}
    found = {name: value for name, value in tree["state"].items() if name not in _OF_THE_ESTIMATOR}
    parameters = {name: _again(value) for name, value in tree["parameters"].items()}
    result = {
        "kind": "object",
        "class": RESULT_OF_FORMAT_2,
        "number": -1,
        "parameters": {"parameters": _dictionary(parameters), "state": _dictionary(found)},
        "state": {},
    }
    return {**manifest, "estimator": {**tree, "state": {**kept, "_result": result}}}


def result_of_format_2(parameters: dict[str, Any], state: dict[str, Any]) -> FitResult:
    """Return the result of a fit whose parts were attributes of the estimator."""
    lineage, fits, scaled = state["lineage_"], state["models_"].fits, state["scaled_trends_"]
    joint = isinstance(lineage, list)
    trends = concatenate([fit.trends for fit in fits], lineage) if joint else fits[0].trends
    known = {field.name for field in fields(Reader)}
    reader = Reader(**{name: value for name, value in parameters.items() if name in known})
    smoother, model = resolve_pair(parameters["smoother"], parameters["model"])
    fitter = TrendFitter(
        smoother, with_defaults(model, random_state=parameters["random_state"]), parameters["n_points"],
        parameters["callback"], parameters["filter_cells"], reader.for_callbacks(parameters["filter_cells"]),
        parameters["n_jobs"], parameters["backend"], parameters["show_progress_bar"],
    )  # fmt: skip
    gate = Gate(
        parameters["alpha"], parameters.get("min_deviance_explained"), parameters.get("min_range"),
        state["_pvalue_limit"],
    )  # fmt: skip
    decisions = deciding_table(trends)
    passed = np.flatnonzero((np.ptp(scaled, axis=1) > 0) & gate.passes(decisions))
    return FitResult(
        lineage=lineage,
        reader=reader.with_symbols(state.get("_gene_ids")),
        fitter=fitter,
        fits=fits,
        models=state["models_"],
        trends=trends,
        scale=parameters["scale"],
        scaled=scaled,
        location=state["gene_location_"],
        spread=state["gene_scale_"],
        decisions=decisions,
        gate=gate,
        grouped=state.get("_grouped", passed),
        clusterer=state["clusterer_"],
        labels=state["labels_"],
        order=state["_cluster_order"],
        centers=state["cluster_centers_"],
        n_cells=state.get("n_cells_"),
        gene_means=state["_gene_means"],
        gene_stds=state["_gene_stds"],
        seed=0,
        arranged_by_name=state.get("_arranged_by_name", False),
        made={"tables": (state["gene_table_"], state["cluster_table_"])},
    )


def _with_tests_together(value: Any) -> Any:
    """Return a value in which GAMs have statistics and p-values of their tests in one attribute."""
    if isinstance(value, list):
        return [_with_tests_together(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _with_tests_together(entry) for key, entry in value.items()}
    if value.get("kind") == "object" and value.get("class") == "GAM" and "pvalue_" in changed["state"]:
        state = changed["state"]
        state["_tests"] = {"kind": "tuple", "items": [state.pop("statistic_"), state.pop("pvalue_")]}
    return changed


def _again(value: object) -> object:
    """Return a value that was met before: objects in it are only referred to."""
    if isinstance(value, list):
        return [_again(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "object":
        return {"kind": "same", "number": value["number"]}
    return {key: _again(entry) for key, entry in value.items()}


def _dictionary(entries: dict) -> dict:
    return {"kind": "dict", "items": [[key, value] for key, value in entries.items()]}


UPGRADES: dict[int, Callable[[dict], dict]] = {1: from_1_to_2, 2: from_2_to_3}
"""`UPGRADES[n]` turns a manifest of format n into one of format n + 1."""
