import torch

from harness import maps
from harness.matching import most_frequent
from harness.plugins import build
from harness.selection._fps import distances, furthest, spread_out
from tests.parity.golden import case


def test_furthest_points():
    given = case("sk_furthest_point_sampling")
    for maps_name, candidates_name, selected_name in (
        ("in.maps", "in.candidates", "out.selected"),
        ("in.tie_maps", "in.tie_candidates", "out.tie_selected"),
        ("in.maps", "in.few_candidates", "out.few_selected"),
    ):
        candidates = given[candidates_name]
        count = min(given.constants["top_k"], len(candidates))
        chosen = furthest(distances(given[maps_name][candidates]), count)
        given.check(candidates[chosen], selected_name)


def test_best_tokens_of_an_image_collection():
    given = case("sk_find_best_indices")
    images = given["in.maps"][:, None]
    scenes, _, tokens = images.shape[:3]
    constants = given.constants
    keypoints, candidates = constants["top_k"], constants["furthest_point_num_samples"]
    setting = {"keypoints": keypoints, "sigma_px": constants["sigma"]}
    in_order = torch.arange(tokens).expand(scenes, 1, tokens)
    by_entropy = maps.entropy(images, "softmax").argsort(dim=-1, stable=True)
    chosen = {
        "gaussian": build("selection", "gaussian_fps", {"candidates": candidates})(images, images, **setting),
        "entropy": spread_out(by_entropy, distances(images), candidates=candidates, keypoints=keypoints),
        "consistent": spread_out(in_order, distances(images), candidates=candidates, keypoints=keypoints),
    }
    for strategy, indices in chosen.items():
        given.check(indices[:, 0], f"out.per_image_{strategy}")
        given.check(torch.bincount(indices.flatten(), minlength=tokens), f"out.counts_{strategy}")
        assert set(most_frequent(indices, tokens, keypoints).tolist()) == set(given[f"out.{strategy}"].tolist())
