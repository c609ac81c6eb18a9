"""What the frame of a figure holds: steps, bands and bars, and what a caption says of those that it cuts."""

import pytest
from matplotlib.collections import LineCollection

from harness.report.figures import _style, convergence, cost
from harness.report.figures._bands import DrawnLine, cut_note, limits
from harness.store.store import Store
from tests.report import stores
from tests.report.figures.test_numbers import SEEN, source


@pytest.mark.parametrize("steps", [1, 2, 3, 12])
def test_steps_are_whole_numbers_and_one_step_has_its_interval(tmp_path, steps):
    for seed, scale in enumerate((1.0, 1.2, 1.5)):
        stores.add(tmp_path, seed=seed, curve=stores.curve([scale * 2.0**-i for i in range(steps)]), scores=SEEN)
    shown = convergence.ConvergenceFigure.of(source(tmp_path, Store(tmp_path, "fake").records()))
    with _style.applied_style():
        figure = _style.new_figure(3.4, 2.4)
        shown.paint(figure)
        (axes,) = figure.axes
        ticks = [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    assert ticks
    assert all(tick == round(tick) for tick in ticks)
    low, high = axes.get_ylim()
    assert low <= min(shown.loss[0].low)
    assert max(shown.loss[0].high) <= high
    bars = [line for line in axes.collections if isinstance(line, LineCollection)]
    assert len(bars) == (steps == 1)  # with more steps there is a band


def line_of(mean, half):
    steps, (look,) = tuple(range(1, 1 + len(mean))), _style.looks(1)
    return DrawnLine("a", look, steps, tuple(mean), tuple(m - half for m in mean), tuple(m + half for m in mean))


def test_bands_are_whole_unless_they_would_flatten_the_lines_and_a_caption_says_what_is_cut():
    moderate, wide = line_of([1.0, 2.0], 1.0), line_of([1.0, 2.0], 100.0)
    assert limits([moderate]) == (0, 3)
    assert cut_note([moderate]) == ""
    low, high = limits([wide])
    assert (low, high) == (pytest.approx(0.88 - 1.5 * 1.24), pytest.approx(2.12 + 1.5 * 1.24))
    assert "cut" in cut_note([wide])
    assert limits([line_of([0.5, 0.9], 0.3)], (0.0, 1.0))[1] == 1
    assert "cut" in cut_note([line_of([0.5, 0.9], 0.3)], (0.0, 1.0))
    assert limits([line_of([1.0], 100.0)]) == (-99, 101)


@pytest.mark.parametrize(("spread", "is_cut"), [(0.001, False), (0.2, True)])
def test_a_bar_that_goes_on_beyond_the_frame_has_no_cap_and_the_caption_says_so(tmp_path, spread, is_cut):
    for i, name in enumerate(("none", "blend")):
        for seed in range(3):
            stores.add(tmp_path, seed=seed, fusion=stores.fusion(name), cost={"seconds_per_step": 1.0 + i},
                       scores={"pck@0.1": 0.4 + 0.1 * i + spread * (seed - 1)})
    shown = cost.CostFigure.of(source(tmp_path, Store(tmp_path, "fake").records()))
    assert shown.is_cut == is_cut
    assert ("A bar without a cap goes on beyond the frame." in shown.caption) == is_cut
    (left, right), (bottom, top) = shown.frame
    assert left >= 0
    assert 0 <= bottom < top <= 1
    assert right > 2


def test_one_seed_cuts_no_bar(tmp_path):
    for i, name in enumerate(("none", "blend")):
        stores.add(tmp_path, fusion=stores.fusion(name), cost={"seconds_per_step": 1.0 + 30 * i},
                   scores={"pck@0.1": 0.4})
    assert not cost.CostFigure.of(source(tmp_path, Store(tmp_path, "fake").records())).is_cut
