import io

import numpy as np
import pytest
import torch
from PIL import Image

from harness.method.results import Exhibit
from harness.ops.tensors import generator
from harness.report.pictures import sheet
from harness.report.pictures.panels import panel
from harness.report.pictures.sheet import MARGIN_PX, font, wrapped
from harness.report.pictures.tiles import colours, heated, marked, photo, spot

RED, BLUE = (255, 0, 0), (0, 0, 255)
GREY = Image.new("RGB", (128, 128), (128, 128, 128))


def near(image, place_yx, colour, within=60):
    x, y = round(place_yx[1] * image.width), round(place_yx[0] * image.height)
    pixel = np.asarray(image)[min(y, image.height - 1), min(x, image.width - 1)].astype(int)
    return np.abs(pixel - colour).max() <= within


def count(image, colour, within=40):
    return int((np.abs(np.asarray(image).astype(int) - colour).max(-1) <= within).sum())


def exhibit(scenes=2, views=6, keypoints=4, kept=5, match=(2, -1, 0, 4), side=(32, 32)):
    random = generator("exhibit", scenes, views, keypoints)
    maps = torch.rand(scenes, views, kept, 16, 16, generator=random)
    return Exhibit(
        tuple(f"set/{e}" for e in range(scenes)), torch.rand(scenes, views, 3, *side, generator=random),
        torch.rand(scenes, views, keypoints, 2, generator=random),
        torch.rand(scenes, views, keypoints, generator=random) < 0.7,
        torch.rand(scenes, views, kept, 2, generator=random), torch.rand(scenes, views, kept, 2, generator=random),
        match, match, maps, maps.flip(2), tuple(f"part {k}" for k in range(keypoints)),
    )


def opened(png):
    return Image.open(io.BytesIO(png)).convert("RGB")


def test_photo_puts_rows_down_and_columns_across():
    view = np.zeros((3, 2, 4))
    view[:, 0, 3] = 1.0
    pixels = np.asarray(photo(view, (40, 20)))
    assert pixels.shape == (20, 40, 3)
    assert pixels[2, 37].min() > 240
    assert pixels[17, 2].max() < 15


def test_dot_line_and_ring_stand_where_the_points_are():
    truth, found = np.array([[0.25, 0.75]]), np.array([[0.75, 0.25]])
    tile = marked(GREY, truth, np.array([True]), found, [RED])
    assert near(tile, found[0], RED)
    assert near(tile, (0.5, 0.5), RED, within=120)  # the line between them
    assert near(tile, (0.25, 0.75 + 4.3 / 128), (255, 255, 255))


def test_hidden_keypoint_has_a_small_dot_and_no_ring():
    truth, found = np.array([[0.25, 0.75]]), np.array([[0.75, 0.25]])
    shown = marked(GREY, truth, np.array([True]), found, [RED])
    hidden = marked(GREY, truth, np.array([False]), found, [RED])
    assert near(hidden, found[0], RED)
    assert count(hidden, (255, 255, 255)) == 0
    assert 0 < count(hidden, RED) < count(shown, RED)


def test_keypoint_without_a_token_has_a_ring_and_no_dot():
    tile = marked(GREY, np.array([[0.5, 0.5]]), np.array([True]), np.full((1, 2), np.nan), [RED])
    assert count(tile, RED) == 0
    assert count(tile, (255, 255, 255)) > 0


def test_heat_is_brightest_at_the_peak_whatever_the_scale_of_the_map():
    heat = np.full((16, 16), 1e-4)
    heat[4, 12] = 1e-2
    tile = heated(GREY, heat, np.full(2, np.nan), RED)
    brightness = np.asarray(tile).astype(int).sum(-1)
    y, x = np.unravel_index(brightness.argmax(), brightness.shape)
    assert (y / 128, x / 128) == pytest.approx((4.5 / 16, 12.5 / 16), abs=1 / 32)


def test_map_of_zeros_draws_the_view_alone():
    tile = np.asarray(heated(GREY, np.zeros((8, 8)), np.full(2, np.nan), RED))
    assert len(np.unique(tile.reshape(-1, 3), axis=0)) == 1


def test_colours_differ():
    found = np.array(colours(24))
    distance = np.abs(found[:, None] - found[None]).sum(-1) + 1000 * np.eye(24)
    assert distance.min() >= 40
    assert near(spot(RED, 13), (0.5, 0.5), RED)


@pytest.mark.parametrize(("scenes", "views"), [(3, 6), (1, 6), (3, 1), (1, 1)])
def test_panel_is_a_png_of_at_most_1600_px(scenes, views):
    image = opened(panel(exhibit(scenes, views), "a title"))
    assert 900 <= image.width <= 1600
    assert np.asarray(image)[:MARGIN_PX].min() == 255


def test_panel_is_the_same_each_time_and_follows_the_points():
    one = exhibit()
    assert panel(one, "t") == panel(one, "t")
    moved = Exhibit(**{**vars(one), "found_yx": one.found_yx.flip(1)})
    before, after = opened(panel(one, "t")), opened(panel(moved, "t"))
    changed = np.flatnonzero((np.asarray(before) != np.asarray(after)).any((0, 2)))
    assert len(changed) > 0
    upper = np.asarray(before)[:300] != np.asarray(after)[:300]
    assert np.flatnonzero(upper.any((0, 2))).min() > before.width // 2  # optimised tokens stand on the right


def test_every_view_has_the_token_in_its_keypoints_colour():
    one = exhibit(scenes=1, keypoints=2, kept=2, match=(1, 0))
    places = torch.tensor([[0.25, 0.25], [0.75, 0.75]]).expand(1, 6, 2, 2)
    still = Exhibit(**{**vars(one), "found_yx": places, "found_untrained_yx": places,
                       "visible": torch.zeros(1, 6, 2, dtype=torch.bool), "views": torch.full((1, 6, 3, 32, 32), 0.5)})
    points = np.asarray(opened(panel(still, "t")))[100:260].astype(int)
    first, second = ((np.abs(points - colour).max(-1) <= 40).any(1) for colour in colours(2))
    assert np.flatnonzero(first).mean() > np.flatnonzero(second).mean()  # keypoint 0 is token 1, the lower one
    across = (np.abs(points - colours(2)[0]).max(-1) <= 40).any(0)
    assert np.count_nonzero(np.diff(across.astype(int)) == 1) == 12  # six views, before and after


def test_nothing_matched_leaves_out_the_maps():
    full, bare = exhibit(), exhibit(match=(-1, -1, -1, -1))
    assert opened(panel(bare, "t")).height < opened(panel(full, "t")).height


def test_wide_views_and_many_keypoints_still_fit():
    many = exhibit(1, 6, keypoints=40, kept=40, match=tuple(range(40)), side=(24, 48))
    assert opened(panel(many, "a long title " * 40)).width <= 1600


def test_long_text_is_broken_into_lines_and_nothing_of_it_is_lost():
    text = "mine: tokens=16, losses.sharpening.weight=10 " + "x" * 200 + "  end"
    lines = wrapped(text, 20, 300)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert len(lines) > 5
    assert max(font(20).getlength(line) for line in lines) <= 300
    assert wrapped("short", 20, 300) == ["short"]
    assert wrapped("", 20, 300) == [""]


@pytest.mark.parametrize("views", [1, 6])
def test_no_text_of_a_panel_runs_into_its_margin(views):
    image = np.asarray(opened(panel(exhibit(1, views), "a long title " * 40)))
    assert image[:, -MARGIN_PX:].min() == 255
    assert image.shape[0] > opened(panel(exhibit(1, views), "a title")).height  # further lines of the title


def test_the_strips_caption_ends_with_what_is_left_out(monkeypatch):
    drawn = []
    monkeypatch.setattr(sheet, "write_lines", lambda draw, place, lines, size_px, colour=None: drawn.append(lines))
    panel(exhibit(1, 1), "t")
    (strip,) = [" ".join(lines) for lines in drawn if lines[0].startswith("maps of")]
    assert strip.endswith("each scaled to its own maximum; ring: the point found")


def test_without_annotated_keypoints_every_kept_token_is_shown():
    none = exhibit(scenes=1, keypoints=0, kept=2, match=())
    named = exhibit(scenes=1, keypoints=2, kept=2, match=(0, 1))
    as_keypoints = Exhibit(**{**vars(none), "match": (0, 1), "match_untrained": (0, 1), "truth_yx": named.truth_yx,
                              "visible": torch.zeros(1, 6, 2, dtype=torch.bool),
                              "keypoint_names": ("token 0", "token 1")})
    assert panel(none, "t") == panel(as_keypoints, "t")
