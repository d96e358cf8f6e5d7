"""Upgrades of older file formats, one version at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from ...contracts.slots import with_defaults
from ...lineage.lineage import Reader
from ...results.gating import Gate
from ...results.result import FitResult
from ...results.tables import deciding_table
from ...trends.lineage_fit import TrendFitter
from ...trends.pairing import resolve_pair
from ...trends.trends import concatenate

RESULT_OF_FORMAT_2 = "result of format 2"
_OF_THE_ESTIMATOR = ("feature_names_in_", "n_features_in_", "_n_features_out", "_sklearn_output_config")

# parameters of GraphClusterer up to format 1
_GONE = ("merge_correlation", "consensus", "uncertainty")


def from_1_to_2(manifest: dict) -> dict:
    """Return a manifest without the removed parameters of GraphClusterer and its stability curve by resolution."""
    return {**manifest, "estimator": _changed(manifest["estimator"], _without_old_parts)}


def _changed(value: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """Return a tree of values after applying `change` to each object, inner ones first."""
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _changed(entry, change) for key, entry in value.items()}
    return change(found) if found.get("kind") == "object" else found


def _without_old_parts(value: dict[str, Any]) -> dict[str, Any] | None:
    if value.get("class") == "StabilityCurve":
        return None
    if value.get("class") == "GraphClusterer":
        return {**value, "parameters": {name: one for name, one in value["parameters"].items() if name not in _GONE}}
    return value


def from_2_to_3(manifest: dict) -> dict:
    """Return a manifest in which the results of `fit` are one object instead of attributes of the estimator."""
    tree = _changed(manifest["estimator"], _with_tests_together)
    kept = {name: value for name, value in tree["state"].items() if name in _OF_THE_ESTIMATOR}
    found = {name: value for name, value in tree["state"].items() if name not in _OF_THE_ESTIMATOR}
    parameters = {name: _changed(value, _again) for name, value in tree["parameters"].items()}
    given = {"parameters": _dictionary(parameters), "state": _dictionary(found)}
    result = {"kind": "object", "class": RESULT_OF_FORMAT_2, "number": -1, "parameters": given, "state": {}}
    return {**manifest, "estimator": {**tree, "state": {**kept, "_result": result}}}


def result_of_format_2(parameters: dict[str, Any], state: dict[str, Any]) -> FitResult:
    """Return the FitResult from the attributes of an estimator of format 2."""
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
        made={"gene_table": state["gene_table_"], "cluster_table": state["cluster_table_"]},
    )


def _with_tests_together(value: dict[str, Any]) -> dict[str, Any]:
    """Return a GAM with statistics and p-values in one attribute; other objects are returned unchanged."""
    if value.get("class") != "GAM" or "pvalue_" not in value["state"]:
        return value
    state = dict(value["state"])
    tests = {"kind": "tuple", "items": [state.pop("statistic_"), state.pop("pvalue_")]}
    return {**value, "state": {**state, "_tests": tests}}


def _again(value: dict[str, Any]) -> dict[str, Any]:
    """Return a reference to an object that occurred before."""
    return {"kind": "same", "number": value["number"]}


def _dictionary(entries: dict) -> dict:
    return {"kind": "dict", "items": [[key, value] for key, value in entries.items()]}


UPGRADES: dict[int, Callable[[dict], dict]] = {1: from_1_to_2, 2: from_2_to_3}
"""`UPGRADES[n]` turns a manifest of format n into one of format n + 1."""
