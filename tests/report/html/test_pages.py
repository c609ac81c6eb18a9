"""A report's pages: valid HTML that fetches nothing, with links from every number to its trials."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from PIL import Image

from harness.config.spec import ReportSpec
from harness.report import html
from harness.report.html._collect import collect
from harness.report.html._svg import inline
from harness.report.statistics import Interval
from harness.report.tables.build import build
from harness.report.tables.cells import Cell, Row, Table
from harness.report.tables.columns import Column
from tests.report import stores

VOID = {"meta", "link", "br", "img", "hr", "input", "path", "use", "rect"}


class Reader(HTMLParser):
    """Reads a page: elements must nest and close; collects ids, addresses, and the links of every table cell."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.sources, self.cells = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found and tag == "a" else []
        self.sources += [found[name] for name in ("src", "srcset", "data", "poster") if name in found]
        self.sources += [found["href"]] if "href" in found and tag not in ("a", "use") else []
        if tag in ("td", "th"):
            self.cells.append([tag, [], ""])
        elif tag == "a" and self.cells and "td" in self.open:
            self.cells[-1][1].append(found["href"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_data(self, data):
        if self.cells and {"td", "th"} & set(self.open):
            self.cells[-1][2] += data

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, f"{tag} at {self.getpos()}"


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (1600, 400), (9, 99, 199)).save(buffer, "PNG")
    return buffer.getvalue()


def report(results, records, home=None, baseline=None, **more):
    tables = build(records, ReportSpec((), baseline or {"fusion": "none"}))
    trials = collect(records, results, home or results / "fake", {}, "harness ui")
    return html.Content("fake", tables, trials, **more)


def written(folder, found):
    """Write a report's pages and return its own, read."""
    (folder / f"{found.stem}.html").write_text(html.report_page(found))
    for name, content in html.setting_pages(found):
        (folder / unquote(name)).parent.mkdir(exist_ok=True)
        (folder / unquote(name)).write_text(content)
    return Reader((folder / f"{found.stem}.html").read_text())


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    records = stores.study(results, seeds=3, panel=picture())
    found = report(results, records)
    return results / "fake", found, written(results / "fake", found)


def test_every_link_resolves_to_a_file_and_a_place_in_it(study):
    folder, found, page = study
    assert len(page.links) > 50
    pages = [("", page),
             *((name, Reader((folder / unquote(name)).read_text())) for name, _ in html.setting_pages(found))]
    by_name = {f"{found.stem}.html": page} | dict(pages)
    for name, one in pages:
        assert len(set(one.ids)) == len(one.ids)
        for target in one.links:
            path, _, place = target.partition("#")
            if not path:
                assert place in one.ids
                continue
            file = (folder / unquote(name)).parent / unquote(path) if name else folder / unquote(path)
            assert file.is_file(), target
            assert not place or place in by_name[path].ids


def test_every_number_opens_to_the_ids_of_its_trials(study):
    _, found, page = study
    for table in found.tables:
        for row in table.rows:
            for cell in row.cells:
                if cell.trials:
                    own = [found.addresses[trial] for trial in cell.trials]
                    words = cell.text + "*" * cell.star
                    assert any(links == own and text.startswith(words) for _, links, text in page.cells)


def test_a_trials_page_tells_what_it_was_and_what_it_gave(study):
    _, found, _ = study
    name, text = next(iter(html.setting_pages(found)))
    assert name == "report-trials/001-none.html"
    record = found.trials[found.settings[0][1][0]].record
    assert f'id="t-{record["id"]}"' in text
    for words in ("seed 0", "seed 2", f"{record['scores']['pck@0.1']:.5g}", "a" * 40, "harness run made-up", "finished",
                  f"../trials/{record['id']}/panel.png", f"../trials/{record['id']}/record.json", "harness ui"):
        assert words in text


def test_pages_fetch_nothing(study):
    _, found, _ = study
    for text in (html.report_page(found), *(content for _, content in html.setting_pages(found))):
        assert not re.search(r"<(script|link|iframe|object|embed|base)\b|@import|url\((?!#)", text)
        assert [source for source in Reader(text).sources if ":" in source and not source.startswith("data:image/")
                ] == []
        assert "http" not in "".join(Reader(text).links)


def test_elsewhere_pictures_are_carried_along_reduced_and_the_store_is_not_linked(study, tmp_path):
    folder, found, _ = study
    records = [trial.record for trial in found.trials.values()]
    away = report(folder.parent, records, home=tmp_path, stem="fusion")
    written(tmp_path, away)
    for name, text in html.setting_pages(away):
        assert name.startswith("fusion-trials/")
        reader = Reader(text)
        assert len(reader.sources) == 3
        assert all(source.startswith("data:image/jpeg;base64,") for source in reader.sources)
        assert "../fusion.html" in reader.links
        assert not any("panel.png" in target or "record.json" in target for target in reader.links)


def test_words_that_look_like_html_stay_words(tmp_path):
    records = [stores.add(tmp_path, seed=seed, fusion=stores.fusion(name), scores={"pck@0.1": 0.5}, panel=picture())
               for seed in (0, 1) for name in ("none", '<script>alert("1")</script>&')]
    found = replace(report(tmp_path, records), name="<b>me</b>")
    page = written(tmp_path / "fake", found)
    text = (tmp_path / "fake" / "report.html").read_text()
    assert "script" not in page.open
    assert "<script" not in text
    assert "<b>me" not in text
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;" in text


def test_a_run_in_mlflow_is_linked_where_its_address_is_known(tmp_path):
    record = stores.add(tmp_path, scores={"pck@0.1": 0.5}, panel=picture())
    run = "https://mlflow.example/#/experiments/1/runs/abc"
    trials = collect([record], tmp_path, tmp_path / "fake", {(record["id"], record["started"]): run}, "harness ui")
    assert trials[record["id"]].run == run
    found = html.Content("fake", build([record], ReportSpec()), trials)
    _, text = next(iter(html.setting_pages(found)))
    assert run in Reader(text).links
    assert "harness ui" not in text


def test_best_tied_and_starred_cells_are_marked_for_eye_and_ear():
    columns = (Column("pck@0.1", "PCK@0.1", 1),)
    cells = (Cell(Interval(0.5, 0.1, 2), "0.500", best=True), Cell(Interval(0.4, 0.1, 2), "0.400", tied=True),
             Cell(Interval(0.1, 0.1, 2), "0.100", star=True))
    rows = tuple(Row((name,), 2, (cell,), "d") for name, cell in zip("abc", cells, strict=True))
    table = Table("pck", "Keypoints", ("fusion",), columns, rows, ("Bold: best.",))
    text = html.report_page(html.Content("x", [table], {}))
    for words in ("<strong>0.500</strong>", "<em>0.400</em>", "0.100<sup>*</sup>", '<th scope="row">a</th>',
                  '<th scope="col">PCK@0.1</th>', "Bold: best."):
        assert words in text


def test_a_report_of_ten_thousand_trials_stays_a_page():
    columns = tuple(Column(f"s{i}", f"score {i}", 1) for i in range(8))
    rows = []
    for i in range(1000):
        cell = Cell(Interval(0.5, 0.01, 10), "0.500\N{PLUS-MINUS SIGN}.010", values=(0.5,) * 10,
                    trials=tuple(f"{i:08x}{k:08x}" for k in range(10)))
        rows.append(Row((f"setting {i}",), 10, (cell,) * len(columns), "d", is_baseline=i == 999))
    found = html.Content("big", [Table(f"t{i}", f"Table {i}", ("x",), columns, tuple(rows), ()) for i in range(7)], {})
    text = html.report_page(found)
    assert len(text) < 6_000_000
    assert "200 settings of 1000" in text
    assert "setting 999" in text  # the baseline
    assert f'href="{found.addresses["00000001" + "00000003"]}"' in text


def test_a_figures_ids_are_its_own_and_its_ink_the_pages():
    svg = ('<?xml version="1.0"?><svg xmlns:xlink="x" viewBox="0 0 9 9" width="9"><metadata>m</metadata><defs>'
           '<path id="a" style="stroke: #1b1b1b"/></defs><use xlink:href="#a"/><g clip-path="url(#a)"/></svg>')
    text = inline(svg, "pck", 'PCK "1"')
    assert text == ('<svg viewBox="0 0 9 9" role="img" aria-label="PCK &quot;1&quot;"><defs>'
                    '<path id="pck-a" style="stroke: currentColor"/></defs><use href="#pck-a"/>'
                    '<g clip-path="url(#pck-a)"/></svg>')
