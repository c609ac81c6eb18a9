"""Saved views of an experiment's runs: which columns and charts MLflow's page shows, grouped by setting over seeds.

A view is a tag of the experiment, read by MLflow's pages: JSON with a name and the state of the page. Its key is fixed,
so that writing it again replaces it. The format is that of MLflow's own button "Save view"; a version that does not
know it ignores the tags, and the page opens with its own columns.
"""

import base64
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.store.mlflow_links import MAIN_VIEW, VIEW_TAG
from harness.store.mlflow_scores import grouped

CREATED = 1_700_000_000_000  # of every view; a time of now would change the tag at each run
TRIALS_ONLY = "tags.setting LIKE '%'"  # the parent run has no setting
RUNS_IN_CHART = 100
RUN_NAME = "attributes.`Run Name`"
NAME_WIDTH, SCORE_WIDTH = 250, 140  # pixels


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


def view_tags(axes: Sequence[str], metrics: Collection[str] = ()) -> dict[str, str]:
    """Return the tags of every view; ``metrics`` are those that runs have, empty if that is not known yet."""
    return {VIEW_TAG + view.key: _tag(view.name, _state(view, axes, metrics)) for view in VIEWS}


def _tag(name: str, state: Mapping[str, Any]) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    return json.dumps({"name": name, "createdAt": CREATED, "state": f"deflate;{packed}"})


def _state(view: View, axes: Sequence[str], metrics: Collection[str]) -> dict[str, Any]:
    """Return the state of the page; without runs that have the first column's score, others are sorted by."""
    def present(scores: Sequence[str]) -> list[str]:
        names = [grouped(score) for score in scores]
        return [name for name in names if name in metrics or not metrics] or names

    columns = [f"metrics.`{name}`" for name in present(view.columns)]
    shown = [*columns, *(f"params.`{axis}`" for axis in axes), "params.`seed`", "tags.`status`"]
    bars = [_bar(view.key, name) for name in present(view.bars)]
    lines = [_line(view.key, f"curve/{name.replace('@', '_at_')}") for name in view.curves]
    return {
        "searchFilter": TRIALS_ONLY, "orderByKey": columns[0], "orderByAsc": False, "startTime": "ALL",
        "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": shown, "columnOrder": shown,
        "columnWidths": {RUN_NAME: NAME_WIDTH, **dict.fromkeys(columns, SCORE_WIDTH)},
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
