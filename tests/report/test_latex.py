from dataclasses import replace

import pytest

from harness.report.latex import escaped, render
from harness.report.tables import build
from harness.spec import ReportSpec

from .fakes import fusion_records, plain, record

FUSION = ReportSpec(("fusion",), {"fusion": "none"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5% #1 ${x}$", r"a\_b \& 5\% \#1 \$\{x\}\$"),
        ("back\\slash ~^", r"back\textbackslash{}slash \textasciitilde{}\textasciicircum{}"),
        ("<|>", r"\textless{}\textbar{}\textgreater{}"),
        ("0.5±.1 —", r"0.5$\pm$.1 ---"),
    ],
)
def test_escapes(text, expected):
    assert escaped(text) == expected


def test_small_table_letter_by_letter():
    records = [
        record(plain(seed, fusion={"name": name}), {"pck@0.1": level + seed / 100, "pck_mean_pose@0.1": 0.1})
        for name, level in (("none", 0.2), ("of_two", 0.4)) for seed in range(2)
    ]
    (table,) = build(records, FUSION)
    assert render([replace(table, notes=("5% note.",))]) == r"""\begin{table}
\centering
\caption{Keypoints: PCK and normalised mean error. 5\% note.}
\label{tab:pck}
\begin{tabular}{lrr}
\toprule
fusion & $n$ & PCK@0.1 \\
\midrule
none (baseline) & 2 & 0.205$\pm$.064 \\
of\_two & 2 & \textbf{0.405$\pm$.064} \\
\midrule
mean pose & 2 & 0.100$\pm$.000 \\
\bottomrule
\end{tabular}
\end{table}
"""


def test_wide_table_is_continued_under_its_own_label():
    values = {"entropy": 0.5} | {f"entropy_view{i}": 0.5 for i in range(6)}
    text = render(build([record(plain(), values)], ReportSpec()))
    assert text.count(r"\label{tab:attention") == 2
    assert r"\label{tab:attention-1}" in text


def test_every_row_has_as_many_cells_as_the_head():
    for table in build(fusion_records(), FUSION):
        body = [line for line in render([table]).splitlines() if line.endswith(r"\\")]
        assert len({line.count("&") for line in body}) == 1
