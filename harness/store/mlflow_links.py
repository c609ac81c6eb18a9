"""Addresses of MLflow's pages: the runs of an experiment, in one of its saved views.

``workflowType`` makes the pages those of model training; without it a browser is sent to pages for language models.
"""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

TRAINING = "workflowType=machine_learning"
VIEW_TAG = "mlflow.sharedViewState."  # and a view's key: a tag of an experiment, which MLflow's runs page reads
MAIN_VIEW = "harness-main"
MOST_EXPERIMENTS = 1000
SECONDS = 10.0


def runs_page(server: str, experiment: str, view: str = "", *, charts: bool = False) -> str:
    """Return the address of an experiment's training runs, in one of its saved views if ``view`` is its key."""
    opened = f"&viewStateShareKey={view}" if view else ""
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?{TRAINING}{opened}{mode}"


def experiment_pages(server: str, shown: str = "") -> dict[str, str]:
    """Return the page of every experiment of a server that has runs of a store, by name.

    ``shown`` is the server's address for a browser, if it differs. Raises OSError or ValueError if no MLflow answers.
    """
    body = json.dumps({"max_results": MOST_EXPERIMENTS, "order_by": ["name ASC"]}).encode()
    request = urllib.request.Request(f"{server.rstrip('/')}/api/2.0/mlflow/experiments/search", body,
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        found = json.load(answer).get("experiments", [])
    return {each["name"]: _page(shown or server, each) for each in found if each["experiment_id"] != "0"}


def _page(server: str, experiment: Mapping[str, Any]) -> str:
    """Return the experiment's runs, in the main view if the mirror has written it."""
    has_view = any(tag["key"] == VIEW_TAG + MAIN_VIEW for tag in experiment.get("tags", ()))
    number = str(experiment["experiment_id"])
    return runs_page(server, number, MAIN_VIEW, charts=True) if has_view else runs_page(server, number)
