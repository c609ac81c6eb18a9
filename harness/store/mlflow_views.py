"""Saved views of an experiment's runs: which columns and charts MLflow's page shows, grouped by setting over seeds.

A view is a tag of the experiment, read by MLflow's pages: JSON with a name and the state of the page. Its key is fixed,
so that writing it again replaces it. The format is that of MLflow's own button "Save view"; a version that does not
know it ignores the tags, and the page opens with its own columns.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.store.mlflow_links import MAIN_VIEW, VIEW_TAG
from harness.store.mlflow_scores import grouped, metric_name

CREATED = 1_700_000_000_000  # of every view; a time of now would change the tag at each run
TRIALS_ONLY = "tags.setting LIKE '%'"  # the parent run has no setting
RUNS_IN_CHART = 100
LOADED = 100  # runs that MLflow's page loads at once
SEED = "params.`seed`"
SCORE_WIDTH = 140  # pixels


@dataclass(frozen=True)
class View:
    """One view: scores as columns, the first of which sorts the rows, scores as bars, and curves over the steps."""

    key: str
    name: str
    columns: tuple[str, ...]
    bars: tuple[str, ...]
    curves: tuple[str, ...] = ()


VIEWS = (
    View(MAIN_VIEW, "1 Keypoints: PCK, error, entropy, loss",
         ("pck@0.1", "nme", "nvs_loss", "entropy", "pck_untrained@0.1", "seconds_total"),
         ("pck@0.1", "nme", "nvs_loss", "entropy"), ("loss",)),
    View("harness-convergence", "2 Convergence: loss by step",
         ("loss_final", "steps_to_90", "area_under_curve", "diverged", "pck@0.1"),
         ("steps_to_90", "loss_final"), ("loss", "sharpening", "equivariance", "nvs", "pck_fit@0.1")),
    View("harness-attention", "3 Attention: entropy, peak mass, area",
         ("entropy", "entropy_untrained", "peak_mass", "effective_area", "entropy_view_pass", "pck@0.1"),
         ("entropy", "peak_mass", "effective_area", "entropy_view_pass")),
    View("harness-cost", "4 Cost: time and memory",
         ("seconds_total", "seconds_per_step", "peak_memory_mb", "peak_gpu_memory_mb", "parameters", "pck@0.1"),
         ("seconds_total", "seconds_per_step", "peak_memory_mb")),
)


def view_tags(axes: Sequence[str], runs: int) -> dict[str, str]:
    """Return the tags of every view of an experiment with so many runs."""
    return {VIEW_TAG + view.key: _tag(view.name, _state(view, axes, runs)) for view in VIEWS}


def _tag(name: str, state: Mapping[str, Any]) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    return json.dumps({"name": name, "createdAt": CREATED, "state": f"deflate;{packed}"})


def _state(view: View, axes: Sequence[str], runs: int) -> dict[str, Any]:
    """Return the state of the page.

    MLflow averages the runs that it has loaded. Where they are not all, they are sorted by seed: sorted by a score,
    each mean would be that of the setting's best seeds.
    """
    columns = [f"metrics.`{grouped(score)}`" for score in view.columns]
    shown = [*columns, *(f"params.`{axis}`" for axis in axes), SEED, "tags.`status`"]
    bars = [_bar(view.key, grouped(score)) for score in view.bars]
    lines = [_line(view.key, metric_name(f"curve/{name}")) for name in view.curves]
    is_whole = runs <= LOADED
    return {
        "searchFilter": TRIALS_ONLY, "orderByKey": columns[0] if is_whole else SEED, "orderByAsc": not is_whole,
        "startTime": "ALL", "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": shown, "columnOrder": shown,
        "columnWidths": dict.fromkeys(columns, SCORE_WIDTH),
        "runsHiddenMode": "SHOW_ALL", "viewMaximized": False, "runListHidden": False,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "setting"}]},
        "groupsExpanded": {}, "useGroupedValuesInCharts": True, "hideEmptyCharts": True, "isAccordionReordered": True,
        "compareRunCharts": [*bars[:1], *lines[:1], *bars[1:], *lines[1:]],
        "compareRunSections": [{"uuid": view.key, "name": view.name, "display": True, "isReordered": True,
                                "deleted": False, "isGenerated": False}],
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _bar(view: str, metric: str) -> dict[str, Any]:
    return {"uuid": f"{view}-{metric}", "type": "BAR", "metricKey": metric, "metricSectionId": view, "deleted": False,
            "isGenerated": False, "runsCountToCompare": RUNS_IN_CHART}


def _line(view: str, metric: str) -> dict[str, Any]:
    return {"uuid": f"{view}-{metric}", "type": "LINE", "metricKey": metric, "selectedMetricKeys": [metric],
            "metricSectionId": view, "deleted": False, "isGenerated": False, "runsCountToCompare": RUNS_IN_CHART,
            "xAxisKey": "step", "selectedXAxisMetricKey": "", "xAxisScaleType": "linear", "scaleType": "linear",
            "yAxisKey": "metric", "yAxisExpressions": [], "range": {}, "lineSmoothness": 0, "ignoreOutliers": False,
            "useGlobalXaxisKey": False, "useGlobalLineSmoothing": True}
