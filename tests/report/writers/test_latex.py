import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from harness.config.spec import ReportSpec
from harness.report.tables.build import build
from harness.report.writers.latex import escape, to_latex
from tests.report.fakes import fusion_records, plain, record

FUSION = ReportSpec(("fusion",), {"fusion": "none"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5% #1 ${x}$", r"a\_b \& 5\% \#1 \$\{x\}\$"),
        ("back\\slash ~^", r"back\textbackslash{}slash \textasciitilde{}\textasciicircum{}"),
        ("<|>", r"\textless{}\textbar{}\textgreater{}"),
        ("0.5±.1 —", r"0.5$\pm$.1 ---"),
        ("false → true ≤", r"false $\to$ true $\leq$"),
    ],
)
def test_escapes(text, expected):
    assert escape(text) == expected


def test_small_table_letter_by_letter():
    records = [
        record(plain(seed, fusion={"name": name}), {"pck@0.1": level + seed / 100, "pck_mean_pose@0.1": 0.1})
        for name, level in (("none", 0.2), ("of_two", 0.4)) for seed in range(2)
    ]
    (table,) = build(records, FUSION)
    text = to_latex([replace(table, notes=("5% note.",))], "fake")
    assert text == r"""% Needs \usepackage{booktabs,graphicx} in the preamble.
\begin{table}
\centering\small\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{4pt}
\caption{Keypoints: PCK and normalised mean error.}
\label{tab:fake:pck}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{\begin{tabular}{lrr}
\toprule
fusion & $n$ & PCK@0.1 \\
\midrule
none (baseline) & 2 & 0.205$\pm$.064 \\
of\_two & 2 & \textbf{0.405$\pm$.064} \\
\midrule
mean pose & 2 & 0.100$\pm$.000 \\
\bottomrule
\end{tabular}}
\par\smallskip
\begin{minipage}{\linewidth}\footnotesize 5\% note.\end{minipage}
\end{table}

\begin{table}
\centering\small\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{4pt}
\caption{Keypoints: PCK and normalised mean error: difference to none.}
\label{tab:fake:pck-differences}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{\begin{tabular}{lrr}
\toprule
fusion & $n$ & PCK@0.1 \\
\midrule
of\_two & 2 & $+$0.200$\pm$.000 \\
\midrule
mean pose & 2 & $-$0.105$\pm$.064 \\
\bottomrule
\end{tabular}}
\end{table}
"""


def test_wide_table_is_continued_under_its_own_label():
    values = {"entropy": 0.5} | {f"entropy_view{i}": 0.5 for i in range(6)}
    text = to_latex(build([record(plain(), values)], ReportSpec()), "fake")
    assert text.count(r"\label{tab:fake:attention") == 2
    assert r"\label{tab:fake:attention-1}" in text


def test_reports_in_one_paper_share_no_label():
    tables = build(fusion_records(), FUSION)
    texts = [to_latex(tables, name) for name in ("one", "one-pck", "one+two")]
    labels = [label for text in texts for label in re.findall(r"\\label\{(.*?)\}", text)]
    assert len(set(labels)) == len(labels) > 12


def test_the_packages_of_every_command_are_named():
    text = to_latex(build(fusion_records(), FUSION), "fake")
    assert text.splitlines()[0] == r"% Needs \usepackage{booktabs,graphicx} in the preamble."
    own = {"toprule": "booktabs", "midrule": "booktabs", "bottomrule": "booktabs", "resizebox": "graphicx"}
    plain = {"begin", "end", "centering", "small", "setlength", "tabcolsep", "belowcaptionskip", "caption", "label",
             "ifdim", "width", "linewidth", "else", "fi", "par", "smallskip", "footnotesize", "textbf", "textit", "pm",
             "leq", "_", "%", "usepackage", "\\"}
    assert set(re.findall(r"\\([a-zA-Z]+|.)", text)) <= own.keys() | plain


def test_a_label_is_no_argument_of_the_command_before_it():
    names = ["[x] y", " *star*", "a[1]*", "none"]
    records = [record(plain(0, fusion={"name": name}), {"pck@0.1": 0.5}) for name in names]
    lines = to_latex(build(records, FUSION), "fake").splitlines()
    first = lines.index(r"\midrule") + 1
    assert [line.split(" & ")[0] for line in lines[first : first + 4]] == ["{}[x] y", "{} *star*", "a[1]*",
                                                                         "none (baseline)"]


def test_marks_of_the_best_the_tied_and_the_starred():
    (table,) = build([record(plain(), {"pck@0.1": 0.5})], ReportSpec())
    (cell,) = table.rows[0].cells

    def shown(**marks):
        row = replace(table.rows[0], cells=(replace(cell, **marks),))
        return to_latex([replace(table, rows=(row,))], "fake").split("fake & 1 & ")[1].split(r" \\")[0]

    assert shown(best=True) == r"\textbf{0.500}"
    assert shown(text="-0.5") == "$-$0.5"
    assert shown(text="—") == "---"
    assert shown(tied=True, star=True) == r"\textit{0.500}$^{*}$"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_tables_compile_and_nothing_is_wider_than_the_text(tmp_path):
    awkward = plain(0, fusion={"name": "a_b & 5% #1 ${x}$ \\ ~^<|>±—"})
    bracket = record(plain(0, fusion={"name": "[x] y"}), {"pck@0.1": 0.5})
    views = {f"entropy_view{i}": 0.5 for i in range(6)}
    records = [bracket, *fusion_records(9), record(awkward, {"pck@0.1": 0.5, **views})]
    (tmp_path / "tables.tex").write_text(to_latex(build(records, FUSION), "fake"))
    (tmp_path / "main.tex").write_text(r"""\documentclass{article}\usepackage{booktabs,graphicx}
\begin{document}\input{tables}\end{document}""")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert "Overfull" not in run.stdout


def test_every_row_has_as_many_cells_as_the_head():
    for table in build(fusion_records(), FUSION):
        for part in to_latex([table], "fake").split(r"\end{table}"):
            assert len({line.count("&") for line in part.splitlines() if line.endswith(r"\\")}) <= 1
