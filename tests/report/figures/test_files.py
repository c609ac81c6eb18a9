"""The files of figures: every kind in every format, equal bytes for equal numbers, readable without colour."""

import csv
import io
import re
import warnings
from pathlib import Path

import pytest
from PIL import Image

from harness import user_cache
from harness.report import figures
from harness.report.figures import _style
from harness.report.figures._base import to_bytes
from harness.report.figures._source import LINES
from harness.report.figures.keypoints import KeypointsFigure
from tests.report import stores
from tests.report.figures.test_numbers import source


@pytest.fixture(scope="module")
def charts(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    return figures.charts(source(results, stores.study(results)))


@pytest.fixture(scope="module")
def drawn(charts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return folder, figures.save_all(charts, folder)


def test_every_kind_is_drawn_in_every_format(charts, drawn):
    folder, paths = drawn
    assert set(charts) == set(figures.kinds())
    assert {path.name for path in paths} == {
        f"{kind}.{form}" for kind in figures.kinds() for form in ("pdf", "svg", "png", "csv")}
    assert set(paths) == set(folder.iterdir())
    for kind in figures.kinds():
        assert (folder / f"{kind}.pdf").read_bytes().startswith(b"%PDF")
        with Image.open(folder / f"{kind}.png") as picture:
            assert picture.size == pytest.approx([220 * side for side in charts[kind].size_in()], abs=1)


@pytest.mark.parametrize("kind", figures.kinds())
def test_equal_numbers_give_equal_bytes(kind, charts, drawn):
    again = figures.to_bytes(charts[kind])
    assert {form: (drawn[0] / f"{kind}.{form}").read_bytes() == again[form] for form in again} == dict.fromkeys(
        again, True)


def test_files_of_equal_numbers_are_kept_and_others_drawn(charts, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(user_cache, "changed_since_start", lambda: False)
    monkeypatch.setattr("harness.report.figures._base.to_bytes",
                        lambda chart, forms: drawn.append(chart) or dict.fromkeys(forms, b"drawn"))
    first, second = list(charts.values())[:2]
    paths = figures.save(first, tmp_path, "one")
    assert figures.save(first, tmp_path, "one") == paths
    assert drawn == [first]
    for change in (lambda path: path.write_bytes(b"edited"), Path.unlink):
        change(paths[0])
        figures.save(first, tmp_path, "one")
        assert paths[0].read_bytes() == b"drawn"
    assert drawn == [first] * 3
    figures.save(second, tmp_path, "one")  # other numbers
    figures.save(first, tmp_path / "elsewhere", "one")
    monkeypatch.setattr(_style, "STYLE", tmp_path / "style")
    _style.STYLE.write_text("")
    figures.save(second, tmp_path, "one")
    monkeypatch.setattr(user_cache, "_code_state", lambda: "other code")
    figures.save(second, tmp_path, "one")
    assert drawn[3:] == [second, first, second, second]


def test_a_folder_whose_name_is_not_unicode_takes_figures(charts, tmp_path):
    folder = tmp_path / "caf\udce9"  # as Python spells a byte that is not UTF-8
    assert all(path.is_file() for path in figures.save(next(iter(charts.values())), folder, "one"))


@pytest.mark.parametrize("kind", figures.kinds())
def test_files_hold_no_date_and_fonts_that_printers_take(kind, drawn):
    folder, _ = drawn
    pdf, svg = (folder / f"{kind}.pdf").read_bytes(), (folder / f"{kind}.svg").read_text()
    assert b"Date" not in pdf
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf  # TrueType, embedded: fonttype 42
    assert "<dc:date>" not in svg
    assert not re.search(r"<(image|text)\b", svg)  # outlines alone: the same on every machine


@pytest.mark.parametrize("kind", figures.kinds())
def test_the_numbers_stand_beside_the_figure(kind, charts, drawn):
    rows = list(csv.DictReader(io.StringIO((drawn[0] / f"{kind}.csv").read_text())))
    assert len(rows) == len(charts[kind].rows()) > 0
    number = next(name for name, value in charts[kind].rows()[0].items() if isinstance(value, float))
    assert float(rows[0][number]) == charts[kind].rows()[0][number]


def test_rows_differ_in_more_than_colour_and_the_baseline_is_a_solid_line_in_ink():
    looks = _style.looks(8, baseline=3)
    assert (looks[3].colour, looks[3].dashes) == (_style.INK, "-")
    assert len({(str(look.dashes), look.marker) for look in looks}) == 8
    assert len({look.marker for look in looks}) == 8
    assert all(look.colour != _style.INK for i, look in enumerate(looks) if i != 3)


@pytest.mark.parametrize("baseline", [None, 0, 3])
def test_no_two_rows_of_a_figure_have_one_colour(baseline):
    assert len({look.colour for look in _style.looks(LINES, baseline)}) == LINES


def test_the_style_file_has_the_colours_that_a_page_replaces_by_its_own():
    import matplotlib as mpl

    style = mpl.rc_params_from_file(_style.STYLE, use_default_template=False)
    colours = {value for name, value in style.items() if name.endswith("color") and not name.endswith("facecolor")}
    assert colours == {_style.INK, _style.FAINT, _style.GRID}


def test_drawing_leaves_matplotlibs_settings_alone_and_does_not_read_the_users(charts, drawn):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    try:
        mpl.rcParams["lines.linewidth"] = 9
        mpl.rcParams["font.size"] = 40
        assert figures.to_bytes(charts["cost"], ("svg",))["svg"] == (drawn[0] / "cost.svg").read_bytes()
        assert mpl.rcParams["lines.linewidth"] == 9
    finally:
        mpl.rcParams.update(before)


def test_no_window_and_no_global_figure_is_made(charts):
    import sys

    figures.to_bytes(charts["cost"], ("png",))
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_a_figure_replaces_an_older_one(charts, tmp_path: Path):
    (tmp_path / "cost.csv").write_text("old")
    figures.save(charts["cost"], tmp_path, "cost", ("svg",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cost.csv", "cost.svg"]
    assert (tmp_path / "cost.csv").read_text().startswith("row,tokens,")


def test_a_heat_map_of_long_labels_is_drawn_whole():
    """A search's rows name a dozen settings; their labels must leave room for the cells."""
    label = "fusion=concat " + " ".join(f"losses.term{number}.weight=0.123456" for number in range(9))
    chart = KeypointsFigure(("head", "left lower leg"), (label, label), ((0.5, 0.25), (None, 1.0)), "", "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns if no room is left
        assert b"<svg" in to_bytes(chart, ("svg",))["svg"]
    assert all(label in row.values() for row in chart.rows())  # the CSV has the whole label
