"""StableKeypoints' random affine warps."""

import torch

from harness.ops import warps
from tests.parity.golden import covers


@covers("sk_affine")
def check_affine(given):
    degrees, scale, *shift = given["in.params"].unbind(-1)
    theta = warps.affine(degrees, scale, torch.stack(shift, -1))
    given.check(theta, "out.theta")
    warped = warps.warp(given["in.img"], theta)
    given.check(warped, "out.warped")
    given.check(warps.unwarp(warped, theta), "out.unwarped")
    given.check(warps.unwarp(torch.ones_like(warped), theta), "out.inverse_ones")
    check_draws(given)
    check_zoom(given)


def check_draws(given):
    constants = given.constants
    scale, translate = tuple(constants["scale"]), tuple(constants["translate"])
    draws = torch.Generator().manual_seed(constants["torch_seed"])
    theta = warps.random_affine(draws, len(given["in.img"]), constants["degrees"], scale, translate)
    given.check(theta, "out.random_theta")
    given.check(warps.warp(given["in.img"], theta), "out.random_warped")


def check_zoom(given):
    """A zoom on a place, which the reference turns the other way round."""
    degrees = torch.tensor([-given.constants["return_theta_degrees"]])
    scale = torch.tensor([given.constants["return_theta_scale"]])
    given.check(warps.affine(degrees, scale, (2 * given["in.loc"] - 1).flip(-1)[None]), "out.return_theta")
