"""Peaks, Gaussians and masks of single maps, as StableKeypoints computes them."""

import torch

from harness.ops import maps
from tests.parity.golden import covers


def sides(values):
    return torch.tensor(values.shape[-2:])


@covers("sk_gaussian_circles")
def check_gaussians(given):
    size, sigma = given.constants["size"], given.constants["sigma"]
    circles = maps.gaussians(given["in.pos"], size, size, sigma)
    given.check(circles[0], "out.circle_first_subject")
    given.check(circles.mean(0), "out.circles_mean")


@covers("sk_find_max_pixel")
def check_peaks(given):
    values, square = given["in.maps"], given["in.square_maps"]
    given.check(maps.peaks(values) * sides(values), "out.max_pixel")
    given.check(maps.peaks(square) * sides(square), "out.max_pixel_square")
    given.check(maps.several_peaks(square, given.constants["k"]) * sides(square), "out.k_max_pixels")
    away = maps.outside(given["in.radius_centres"], *values.shape[-2:], given.constants["radius"])
    given.check(values * away, "out.masked")
    radius = float(given.constants["distance"])
    zeroed = values * ~maps.outside(maps.peaks_px(values).float(), *values.shape[-2:], radius)
    given.check(zeroed, "out.weighted_avg_zeroed_maps")
    # the reference adds 1e-6 to the sum that it divides by, relative to the sum of the values in the window
    for radius_px, kept, name in ((radius, zeroed, "out.weighted_avg"), (None, values, "out.weighted_avg_global")):
        pulled = kept.sum((-2, -1)) / (kept.sum((-2, -1)) + 1e-6)
        index_px = maps.soft_peaks(values, radius_px) * sides(values) - 0.5
        given.check(index_px * pulled[:, None] + 0.5, name)


@covers("sk_position_helpers")
def check_helpers(given):
    values = given["in.maps"]
    centroid = maps.soft_peaks(values) * sides(values) - 0.5
    given.check(centroid, "out.differentiable_argmax")
    given.check(maps.peaks_px(values).flip(-1) / (sides(values).flip(-1) - 1), "out.pos_from_index")
    given.leave("out.variance_loss", "out.gaussian_loss", "out.kernel",
                why="loss terms that the reference defines beside its run and never uses")


@covers("sk_mask_attn")
def check_lit(given):
    given.check(maps.mask_black(given["in.maps"], given["in.image"][0]), "out.masked")
    given.check(given["in.x"].softmax(-1), "out.softmax")
