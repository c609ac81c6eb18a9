"""A study opens in optuna-dashboard while its search runs."""

import io
import json
from wsgiref.util import setup_testing_defaults

import optuna
import pytest

from harness.runner.coordinator import run_trials
from harness.runner.executors.inline import Inline
from tests.search.synthetic import RUN, experiment, sweep


def get(app, path):
    """Return the dashboard's answer to a request, as a browser gets it."""
    environ, status = {"PATH_INFO": path, "QUERY_STRING": "after=0"}, []
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO()
    body = b"".join(app(environ, lambda line, *rest: status.append(line)))
    assert status == ["200 OK"], body
    return json.loads(body)


def test_the_dashboard_reads_the_study_while_the_search_writes_it(tmp_path, store):
    dashboard = pytest.importorskip("optuna_dashboard")
    source, seen = sweep(experiment(tmp_path, seeds=2), store), []

    def ended(trial, record):
        reader = optuna.storages.RDBStorage(f"sqlite:///{store.folder / 'study.db'}")
        app = dashboard.wsgi(reader)
        (study,) = get(app, "/api/studies")["study_summaries"]
        trials = get(app, f"/api/studies/{study['study_id']}")["trials"]
        seen.append((study["study_name"], [trial["state"] for trial in trials]))
        reader.remove_session()
        reader.engine.dispose()
        type(source).report_end(source, trial, record)

    source.report_end = ended
    assert run_trials(source, store, Inline(RUN)).done == 8
    source.close()
    assert seen[0] == ("hunt", ["Running"])
    assert seen[-1][1].count("Complete") == 3
