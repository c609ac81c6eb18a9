"""How StableKeypoints ranks and picks tokens."""

from types import SimpleNamespace

import torch

from harness.config.spec import RunOptions
from harness.method.encode import Split
from harness.method.localise import choose
from harness.method.passes import Passes
from harness.method.selection._fps import distances, furthest, spread_out
from harness.ops import maps
from harness.ops.matching import most_frequent
from harness.registry import build
from tests.parity.golden import covers


@covers("sk_furthest_point_sampling")
def check_furthest_points(given):
    for maps_name, candidates_name, selected_name in (
        ("in.maps", "in.candidates", "out.selected"),
        ("in.tie_maps", "in.tie_candidates", "out.tie_selected"),
        ("in.maps", "in.few_candidates", "out.few_selected"),
    ):
        candidates = given[candidates_name]
        count = min(given.constants["top_k"], len(candidates))
        chosen = furthest(distances(given[maps_name][candidates]), count)
        given.check(candidates[chosen], selected_name)


@covers("sk_find_top_k_gaussian")
def check_ranking(given):
    """With the softmax of values that are probabilities already, as the reference ranks; ``sum`` needs none."""
    for suffix, subjects in (("", 1), ("_n", given.constants["n"])):
        found = maps.kl_to_peaks(given["in.maps"], given.constants["sigma"], "softmax", subjects)
        given.check(found, f"out.kl{suffix}")
        given.check(found.argsort()[:given.constants["top_k"]], f"out.indices{suffix}")


@covers("sk_entropy_selection")
def check_entropy(given):
    found, top_k = maps.entropy(given["in.maps"], "softmax"), given.constants["top_k"]
    given.check(found[0], "out.entropy")
    given.check(found[0].argsort()[:top_k], "out.indices")
    given.check(found.sum(0), "out.common_entropy")
    common = found.sum(0).argsort()[:top_k]
    given.check(common, "out.common_indices")
    given.check(maps.peaks(given["in.maps"][:, common]) * torch.tensor(given["in.maps"].shape[-2:]), "out.points")


@covers("sk_find_best_indices")
def check_best_of_a_collection(given):
    images, constants = given["in.maps"][:, None], given.constants
    scenes, _, tokens = images.shape[:3]
    keypoints, candidates = constants["top_k"], constants["furthest_point_num_samples"]
    knobs = {"candidates": candidates, "subjects": constants["num_subjects"]}
    in_order = torch.arange(tokens).expand(scenes, 1, tokens)
    by_entropy = maps.entropy(images, "softmax").argsort(dim=-1, stable=True)
    ranked = build("selection", "gaussian_fps", knobs)
    chosen = {
        "gaussian": ranked(images, images, keypoints=keypoints, sigma_px=constants["sigma"]),
        "entropy": spread_out(by_entropy, distances(images), candidates=candidates, keypoints=keypoints),
        "consistent": spread_out(in_order, distances(images), candidates=candidates, keypoints=keypoints),
    }
    for strategy, indices in chosen.items():
        given.check(indices[:, 0], f"out.per_image_{strategy}")
        given.check(torch.bincount(indices.flatten(), minlength=tokens), f"out.counts_{strategy}")
        # a set: the reference's order of equals is arbitrary
        given.check_set(most_frequent(indices, tokens, keypoints), f"out.{strategy}")
    given.check_set(choose(HandsOut(images, constants), OfImages(len(images)), torch.zeros(tokens, 1), ranked),
                    "out.gaussian")


class HandsOut(Passes):
    """Passes that hand out a collection's maps; those of warped copies are others."""

    def __init__(self, images, constants):
        spec = SimpleNamespace(loss_level="per_view", keypoints=constants["top_k"], sigma_px=constants["sigma"],
                               tokens=images.shape[2], map_side=images.shape[-1])
        model = SimpleNamespace(device=torch.device("cpu"))
        vars(self).update(images=images, options=RunOptions(), spec=spec, model=model)

    def maps(self, latents, tokens, condition):
        rows = latents.flatten().long()
        return self.images[rows] if (rows >= 0).all() else self.images[rows].flip(-1, -3)


class OfImages(Split):
    """A split of images; a latent is the image's number, that of a warped copy is below zero."""

    def __init__(self, count):
        images = torch.arange(count)
        vars(self).update(latents=images[:, None].float(), condition=images, warped=-1 - images[:, None, None].float())

    def __len__(self):
        return len(self.latents)
