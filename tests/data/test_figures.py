import math

import numpy as np
import pytest
import torch

from harness.data.figures import PALETTE, PARTS, Figures
from harness.data.rendering.bodies import FAMILIES
from harness.data.rendering.capsules import Frame, Sculptor, Solids, turn
from harness.data.rendering.raycast import first_parts, intersect, rays, render
from harness.ops.geometry import orbit, project

ALL = list(PARTS)
HEADS = {"biped": [-0.1491, 0.0185, 0.3529], "quadruped": [-0.4469, 0.3994, 0.0301], "bird": [0.0917, -0.3404, 0.4387]}
CAMERA = orbit([0.0], [0.0]).matrices[0].double().numpy()  # at (4, 0, 0), sees y to the right and z up


def balls(*places_and_radii: tuple[tuple[float, float, float], float]) -> Solids:
    sculptor = Sculptor([str(part) for part in range(len(places_and_radii))])
    for part, (place, radius) in enumerate(places_and_radii):
        sculptor.ball(str(part), Frame(), place, (radius, radius, radius))
        sculptor.centre(str(part), np.array(place, float))
    return sculptor.figure().solids


@pytest.mark.parametrize(("origin", "direction", "half", "expected"), [
    ((0, 0, 5), (0, 0, -1), 0.0, 4.0),  # unit ball from above
    ((0, 0, 5), (0, 0, -1), 1.0, 3.0),  # the capsule's end is one half higher
    ((3, 0, 0.5), (-1, 0, 0), 1.0, 2.0),  # its side
    ((3, 0, 0.5), (-2, 0, 0), 1.0, 1.0),  # t counts directions, not lengths
    ((3, 0, 1.6), (-1, 0, 0), 1.0, 2.2),  # its upper ball: x = 0.8 at 0.6 above the end
    ((3, 0, 2.1), (-1, 0, 0), 1.0, math.inf),
    ((3, 1.1, 0), (-1, 0, 0), 1.0, math.inf),
])
def test_a_ray_meets_a_capsule_where_geometry_says(origin, direction, half, expected):
    assert float(intersect(np.array(origin, float), np.array(direction, float), half)) == pytest.approx(expected)


def test_a_ball_is_seen_as_large_as_perspective_says():
    _, labels = render(balls(((0, 0, 0), 0.5)), np.ones((1, 3)), CAMERA, np.array([0, 0, 1.0]), np.zeros((64, 64, 3)))
    focal = 0.5 / math.tan(math.radians(15))
    radius_px = 64 * focal * 0.5 / math.sqrt(4**2 - 0.5**2)
    assert (labels == 0).sum() == pytest.approx(math.pi * radius_px**2, rel=0.02)


def test_the_nearer_ball_hides_the_other():
    solids = balls(((1, 0, 0), 0.2), ((-1, 0, 0), 0.2), ((0, 0.5, 0.5), 0.2))
    points = project(orbit([0.0], [0.0]), torch.tensor([[1, 0, 0], [-1, 0, 0], [0, 0.5, 0.5], [0, -0.8, 0]]))[0].numpy()
    assert first_parts(solids, rays(CAMERA, points)).tolist() == [0, 0, 2, -1]
    behind = orbit([180.0], [0.0]).matrices[0].double().numpy()
    assert first_parts(solids, rays(behind, np.array([[0.5, 0.5]]))).tolist() == [1]


def test_testing_solids_only_near_their_image_misses_none():
    scene = Figures(family="bird", views=1)
    figure = scene._figure("fit", 3)
    matrix = scene._cameras("fit", 3)[0].matrices[0].double().numpy()
    _, labels = render(figure.solids, np.ones((10, 3)), matrix, np.array([0, 0, 1.0]), np.zeros((48, 48, 3)))
    ticks = (np.arange(48) + 0.5) / 48
    grid = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2)
    assert (labels.ravel() == first_parts(figure.solids, rays(matrix, grid))).all()


def test_of_two_solids_that_share_a_surface_the_first_is_seen():
    solids = balls(((0.1, 0.2, 0.3), 0.37), ((0.1, 0.2, 0.3), 0.37))
    _, labels = render(solids, np.ones((2, 3)), CAMERA, np.array([0, 0, 1.0]), np.zeros((64, 64, 3)))
    assert np.unique(labels).tolist() == [-1, 0]
    shrunk = Solids(solids.centres, solids.maps * (1 + np.array([1e-14, -1e-14]))[:, None, None], solids.halves,
                    solids.reach, solids.parts, solids.tints)
    _, rounded = render(shrunk, np.ones((2, 3)), CAMERA, np.array([0, 0, 1.0]), np.zeros((64, 64, 3)))
    assert (labels == rounded).all()


def test_a_turn_is_right_handed():
    assert turn(2, 90) @ [1, 0, 0] == pytest.approx([0, 1, 0])
    assert turn(0, 90) @ [0, 1, 0] == pytest.approx([0, 0, 1])
    assert turn(1, 90) @ [0, 0, 1] == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("family", ALL)
def test_left_is_to_the_left_of_right(family):
    for seed in range(20):
        joints = FAMILIES[family](np.random.default_rng(seed)).joints
        assert joints["left shoulder"][0][1] > joints["right shoulder"][0][1]


@pytest.mark.parametrize("views", [1, 6])
@pytest.mark.parametrize("family", ALL)
def test_a_scene_is_whole_and_always_the_same(family, views):
    first, again = (Figures(family=family, views=views).scene("fit", 5) for _ in range(2))
    assert first.views.shape == (views, 3, 64, 64)
    assert first.masks.shape == (views, 10, 64, 64)
    assert first.points_yx.shape == (views, 10, 2)
    assert first.visible.dtype == first.masks.dtype == torch.bool
    assert first.normaliser_px.shape == (views,)
    assert (first.condition is None) == (views == 1)
    for field in ("views", "points_yx", "visible", "normaliser_px", "points_xyz", "masks"):
        assert torch.equal(getattr(first, field), getattr(again, field)), field
    assert torch.equal((first.views * 255).round() / 255, first.views)


def test_the_stream_of_scenes_stays_as_published():
    """A changed value here means that VERSION must be raised and everything measured on figures measured again."""
    head = {family: Figures(family=family).scene("fit", 0).points_xyz[0].tolist() for family in ALL}
    assert head == {family: pytest.approx(xyz, abs=1e-4) for family, xyz in HEADS.items()}


def test_splits_and_indices_give_different_scenes():
    dataset = Figures(views=1, side_px=16)
    scenes = [dataset.scene(split, index).points_xyz for split in ("optimise", "fit", "test") for index in (0, 1)]
    assert all(not torch.allclose(a, b) for i, a in enumerate(scenes) for b in scenes[:i])


def test_views_and_background_leave_the_figure_alone():
    usual = Figures(side_px=16).scene("fit", 2)
    single = Figures(side_px=16, views=1).scene("fit", 2)
    gray, textured = (Figures(side_px=16, views=1, background=b).scene("fit", 2) for b in ("gray", "textured"))
    assert torch.equal(usual.points_xyz, single.points_xyz)
    assert usual.caption == single.caption
    assert torch.equal(gray.masks, single.masks)
    assert torch.equal(textured.views, single.views)
    assert not torch.equal(gray.views, single.views)
    corner = torch.full((3,), round(0.5 * 255) / 255)
    assert torch.equal(usual.views[0, :, 0, 0], corner)
    assert torch.equal(usual.condition[:, 0, 0], corner)


@pytest.mark.parametrize("family", ALL)
def test_points_are_projections_and_lie_inside_their_masks(family):
    dataset = Figures(family=family, side_px=128)
    for index in range(3):
        scene = dataset.scene("fit", index)
        assert torch.allclose(project(scene.cameras, scene.points_xyz), scene.points_yx, atol=1e-6)
        for view, point in scene.visible.nonzero().tolist():
            row, column = (scene.points_yx[view, point] * 128).long().tolist()
            assert scene.masks[view, point, row - 1 : row + 2, column - 1 : column + 2].any()
        covered = scene.masks.any(1)
        inside = (scene.points_yx * 128).long()
        hidden = [scene.masks[v, k, inside[v, k, 0], inside[v, k, 1]] for v, k in (~scene.visible).nonzero().tolist()]
        assert sum(map(bool, hidden)) <= 2  # only a pixel on the edge of what hides the point
        assert covered.any()


@pytest.mark.parametrize("family", ALL)
def test_masks_are_disjoint_and_their_box_is_the_normaliser(family):
    scene = Figures(family=family).scene("test", 0)
    assert scene.masks.sum(1).max() == 1
    rows, columns = scene.masks[2].any(0).nonzero(as_tuple=True)
    longest = max(rows.max() - rows.min(), columns.max() - columns.min()) + 1
    assert scene.normaliser_px[2] == longest


def test_six_views_stand_where_zero123plus_puts_them():
    dataset = Figures(side_px=16)
    cameras, condition = dataset._cameras("fit", 0)
    azimuths = torch.rad2deg(torch.atan2(cameras.directions[:, 1], cameras.directions[:, 0]))
    start = torch.rad2deg(torch.atan2(condition.directions[0, 1], condition.directions[0, 0]))
    assert ((azimuths - start) % 360).tolist() == pytest.approx([30, 90, 150, 210, 270, 330], abs=1e-3)
    elevations = torch.rad2deg(torch.asin(cameras.directions[:, 2]))
    assert elevations.tolist() == pytest.approx([20, -10] * 3, abs=1e-3)
    assert torch.equal(dataset.scene("fit", 0).cameras.matrices, cameras.matrices)


@pytest.mark.parametrize("family", ALL)
def test_the_caption_names_every_part_in_its_colour(family):
    dataset = Figures(family=family, views=1, side_px=16)
    caption, phrases = dataset.scene("fit", 1).caption, dataset.phrases("fit", 1)
    assert len(phrases) == len(PARTS[family]) == 10
    places = [caption.index(phrase) for phrase in phrases]
    assert places == sorted(places)
    for phrase, part in zip(phrases, PARTS[family], strict=True):
        colour, name = phrase.split(" ", 1)
        assert colour in PALETTE
        assert name == part
    assert "a orange" not in caption


def test_every_colour_falls_to_every_part():
    seen = {phrase for index in range(120) for phrase in Figures().phrases("fit", index)}
    assert len(seen) == len(PALETTE) * 10


@pytest.mark.parametrize("family", ALL)
def test_the_mean_pose_finds_few_points(family):
    dataset = Figures(family=family, views=1, side_px=32)
    fit, test = ([dataset.scene(split, index) for index in range(60)] for split in ("fit", "test"))
    mean_yx = torch.stack([scene.points_yx[0] for scene in fit]).mean(0)
    near = [((scene.points_yx[0] - mean_yx).norm(dim=-1) * 32 <= 0.1 * scene.normaliser_px[0]) for scene in test]
    visible = torch.stack([scene.visible[0] for scene in test])
    assert (torch.stack(near) & visible).sum() / visible.sum() <= 0.15
    assert visible.float().mean() >= 0.6
    points = torch.stack([scene.points_yx for scene in fit + test])
    assert ((points > 0) & (points < 1)).all()


@pytest.mark.parametrize("family", ALL)
def test_joints_are_keypoints_too(family):
    dataset = Figures(family=family, keypoints="joints", side_px=16)
    scene = dataset.scene("fit", 0)
    names = dataset.keypoint_names
    assert {"left shoulder", "right shoulder"} <= set(names)
    assert scene.points_yx.shape == (6, len(names), 2)
    assert scene.visible.float().mean() > 0.4


def test_the_fingerprint_names_the_knobs():
    knobs = [{}, {"family": "bird"}, {"views": 1}, {"side_px": 32}, {"keypoints": "joints"}, {"background": "gray"}]
    prints = [Figures(**knob).fingerprint() for knob in knobs]
    assert len(set(prints)) == len(prints)
    assert Figures().fingerprint() == Figures().fingerprint()
    assert Figures().size("fit") is None
