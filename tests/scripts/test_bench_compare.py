"""`bench.py --compare` names what became slower, and nothing else; a run is written with its machine."""

import copy
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import bench
from _bench import _compare, _document, _turns, selection

FIGURES = {"groups": {"tiny": _turns.paired(
    "plain", {"plain": [1.0, 1.0, 2.0], "ours": [2.0, 2.02, 3.96], "noisy": [2.0, 3.0, 8.0]},
    {"plain": 10.0, "ours": 100.0, "noisy": 1.0})}}


def changed(case, **values):
    figures = copy.deepcopy(FIGURES)
    figures["groups"]["tiny"]["cases"][case].update(values)
    return figures


def scaled(case, factor):
    found = FIGURES["groups"]["tiny"]["cases"][case]
    return changed(case, **{name: factor * found[name] for name in ("seconds", "ratio", "low", "high")})


@pytest.mark.parametrize(("now", "lines"), [
    (FIGURES, []),
    (scaled("ours", 1.05), []),
    (scaled("ours", 0.5), []),
    (scaled("ours", 1.3), ["step, tiny: ours is slower: 2.6 times plain, it was 2 (+30%; noise 10%)"]),
    (scaled("noisy", 1.3), []),  # its rounds differ by more
    (scaled("noisy", 4.0), ["step, tiny: noisy is slower: 12 times plain, it was 3 (+300%; noise 67%)"]),
    (changed("ours", seconds=100.0), []),  # a slow machine: the ratio is the same
    (changed("ours", megabytes=108.0), []),
    (changed("noisy", megabytes=3.0), []),
    (changed("ours", megabytes=120.0), ["step, tiny: ours takes more memory: 120 MB, it was 100 MB"]),
])
def test_what_became_slower_by_more_than_the_noise_is_named(now, lines):
    assert _compare.worse({"step": FIGURES}, {"step": now}) == lines


def test_what_the_old_run_lacks_is_not_compared():
    old = {"step": {"groups": {"large": FIGURES["groups"]["tiny"]}}, "plan": {"target": 5.0}}
    assert _compare.worse(old, {"step": FIGURES, "plan": {"target": 5.0}}) == []
    assert _compare.unshared(old, {"step": FIGURES}) == ["step, tiny: plain", "step, tiny: ours", "step, tiny: noisy"]


@pytest.fixture
def measured(monkeypatch):
    """Let the section `selection` return what the test puts there."""
    found = {"figures": FIGURES}
    monkeypatch.setattr(selection, "measure", lambda **sizes: found["figures"])
    return found


def test_a_run_is_written_and_the_next_one_compared_with_it(tmp_path, measured, capsys):
    old = tmp_path / "made" / "bench.json"
    assert bench.main(["selection", "--output", str(old)]) == 0
    written = json.loads(old.read_text())
    assert written["sections"] == {"selection": FIGURES}
    assert written["machine"].keys() >= {"device", "cpu_count", "python", "torch", "diffusers", "threads"}
    assert "| ours | 2.02 | 2 | 1.98 to 2.02 | 100 |" in old.with_suffix(".md").read_text()
    assert bench.main(["selection", "--compare", str(old)]) == 0
    measured["figures"] = scaled("ours", 1.5)
    capsys.readouterr()
    assert bench.main(["selection", "--compare", str(old)]) == 1
    assert capsys.readouterr().err == "selection, tiny: ours is slower: 3 times plain, it was 2 (+50%; noise 10%)\n"


@pytest.mark.parametrize("text", [None, "", "[]", '{"plan": {}}'])
def test_a_file_that_is_no_run_is_refused(tmp_path, measured, capsys, text):
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as left:
        bench.main(["selection", "--compare", str(path)])
    assert left.value.code == 2
    assert f"--compare {path}: " in capsys.readouterr().err


def test_a_promise_that_is_not_kept_ends_with_1(measured):
    measured["figures"] = {**FIGURES, "missed": ["nothing on disk"]}
    assert bench.main(["selection"]) == 1


def test_targets_for_full_sizes_do_not_count_for_quick_ones():
    assert not bench.met("plan", {"processor_seconds": 6.0, "target": 5.0})
    assert bench.met("plan", {"processor_seconds": 6.0, "target": 5.0}, quick=True)
    assert not bench.met("reading", {**FIGURES, "missed": ["nothing on disk"]}, quick=True)


def test_quick_gives_every_section_its_sizes(monkeypatch):
    asked = {}
    for name in bench.SECTIONS:
        section = bench.importlib.import_module(f"_bench.{name}")
        monkeypatch.setattr(section, "measure", lambda name=name, **sizes: asked.update({name: sizes}) or FIGURES)
    monkeypatch.setattr(bench, "met", lambda name, figures, **rest: True)
    assert bench.main(["--quick", "--json"]) == 0
    assert asked == bench.QUICK


def test_a_run_reads_as_markdown():
    gains = {"faster": 5.5, "less_memory": 8.0, "to_plain_forward": 2.9, "to_floor": 2.4, "goal": {"faster": 7.0},
             "maps_apart": 1e-9, "gradients_apart": 1e-7}
    made = _document.document({"step": {**FIGURES, "gains": {"tiny": gains}}, "plan": {"target": 5.0}}, quick=True)
    text = _document.markdown(made)
    assert "## step\n\n### tiny\n\n| case |" in text
    assert "time 5.5 (goal 7), and memory 8, ours is" in text
    assert "## plan\n\n- target: 5.0\n" in text
