import torch

from harness import maps
from tests.parity.golden import case


def sides(values):
    return torch.tensor(values.shape[-2:])


def test_gaussians_are_the_reference_circles():
    given = case("sk_gaussian_circles")
    size, sigma = given.constants["size"], given.constants["sigma"]
    circles = maps.gaussians(given["in.pos"], size, size, sigma)
    given.check(circles[0], "out.circle_first_subject")
    given.check(circles.mean(0), "out.circles_mean")


def test_peaks_are_the_largest_pixels():
    given = case("sk_find_max_pixel")
    for maps_name, peaks_name in (("in.maps", "out.max_pixel"), ("in.square_maps", "out.max_pixel_square")):
        values = given[maps_name]
        given.check(maps.peaks(values) * sides(values), peaks_name)


def test_soft_peaks_are_the_weighted_average():
    given = case("sk_find_max_pixel")
    values, radius = given["in.maps"], given.constants["distance"]
    # the reference adds 1e-6 to the sum that it divides by, relative to the sum of the values in the window
    for radius_px, kept, name in (
        (float(radius), given["out.weighted_avg_zeroed_maps"], "out.weighted_avg"),
        (None, values, "out.weighted_avg_global"),
    ):
        pulled = kept.sum((-2, -1)) / (kept.sum((-2, -1)) + 1e-6)
        index_px = maps.soft_peaks(values, radius_px) * sides(values) - 0.5
        given.check(index_px * pulled[:, None] + 0.5, name)


def test_position_helpers():
    given = case("sk_position_helpers")
    values = given["in.maps"]
    centroid = maps.soft_peaks(values) * sides(values) - 0.5
    given.check(centroid, "out.differentiable_argmax")
    given.check(maps.peaks_px(values).flip(-1) / (sides(values).flip(-1) - 1), "out.pos_from_index")


def test_kl_to_peak_ranks_tokens():
    given = case("sk_find_top_k_gaussian")
    found = maps.kl_to_peak(given["in.maps"], given.constants["sigma"], "softmax")
    given.check(found, "out.kl")
    given.check(found.argsort()[:given.constants["top_k"]], "out.indices")


def test_entropy_ranks_tokens():
    given = case("sk_entropy_selection")
    found, top_k = maps.entropy(given["in.maps"], "softmax"), given.constants["top_k"]
    given.check(found[0], "out.entropy")
    given.check(found[0].argsort()[:top_k], "out.indices")
    given.check(found.sum(0), "out.common_entropy")
    common = found.sum(0).argsort()[:top_k]
    given.check(common, "out.common_indices")
    given.check(maps.peaks(given["in.maps"][:, common]) * sides(given["in.maps"]), "out.points")


def test_maps_are_kept_where_the_image_is_lit():
    given = case("sk_mask_attn")
    given.check(maps.keep_lit(given["in.maps"], given["in.image"][0]), "out.masked")
