import json

from harness.config.spec import RESULTS_VERSION, ReportSpec
from harness.report.inputs import ReportInputs, make_report
from harness.report.writers.document import to_document, to_text
from tests.report.fakes import fusion_records, plain, record


def test_what_is_written_is_the_document_a_row_and_a_trial_to_a_line():
    layout = ReportSpec(("fusion",), {"fusion": "none"})
    content = to_document(make_report(ReportInputs("fake", tuple(fusion_records()), layout)))
    text = to_text(content)
    assert json.loads(text) == json.loads(json.dumps(content))
    assert sum(line.startswith('{"setting"') for line in text.splitlines()) == sum(
        len(table["rows"]) for table in content["tables"])
    assert max(line.count('"results_version"') for line in text.splitlines()) == 1


def test_a_trials_origin():
    marks, environment = {"data": "d9", "weights": "w9"}, {"git_commit": "c" * 40, "git_dirty": True}
    one = record(plain(3), {"pck@0.1": 0.5}, fingerprints=marks, reason="", environment=environment, ended="today")
    found = to_document(make_report(ReportInputs("fake", (one,), ReportSpec())))
    (origin,) = found["trials"].values()
    assert origin == {"experiment": "fake", "seed": 3, "status": "finished", "reason": "", "ended": "today",
                      "results_version": RESULTS_VERSION, "git_commit": "c" * 40, "git_dirty": True, "data": "d9",
                      "weights": "w9"}


def test_a_report_of_nothing_is_a_document_too():
    content = to_document(make_report(ReportInputs("fake", (), ReportSpec())))
    assert json.loads(to_text(content)) == content
