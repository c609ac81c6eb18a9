import json

from harness.config.spec import RESULTS_VERSION, ReportSpec
from harness.report.inputs import Part, reported
from harness.report.writers.document import document, written
from tests.report.fakes import fusion_records, plain, record


def test_what_is_written_is_the_document_a_row_and_a_trial_to_a_line():
    content = document(reported(Part("fake", tuple(fusion_records()), ReportSpec(("fusion",), {"fusion": "none"}))))
    text = written(content)
    assert json.loads(text) == json.loads(json.dumps(content))
    assert sum(line.startswith('{"setting"') for line in text.splitlines()) == sum(
        len(table["rows"]) for table in content["tables"])
    assert max(line.count('"results_version"') for line in text.splitlines()) == 1


def test_a_trials_origin():
    marks, environment = {"data": "d9", "weights": "w9"}, {"git_commit": "c" * 40, "git_dirty": True}
    found = document(reported(Part("fake", (record(plain(3), {"pck@0.1": 0.5}, fingerprints=marks, reason="",
                                                   environment=environment, ended="today"),), ReportSpec())))
    (origin,) = found["trials"].values()
    assert origin == {"experiment": "fake", "seed": 3, "status": "finished", "reason": "", "ended": "today",
                      "results_version": RESULTS_VERSION, "git_commit": "c" * 40, "git_dirty": True, "data": "d9",
                      "weights": "w9"}


def test_a_report_of_nothing_is_a_document_too():
    content = document(reported(Part("fake", (), ReportSpec())))
    assert json.loads(written(content)) == content
