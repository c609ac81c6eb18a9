import torch

from harness import warps
from tests.parity.golden import case


def test_affine_matrix_warp_and_unwarp():
    given = case("sk_affine")
    degrees, scale, *shift = given["in.params"].unbind(-1)
    theta = warps.affine(degrees, scale, torch.stack(shift, -1))
    given.check(theta, "out.theta")
    warped = warps.warp(given["in.img"], theta)
    given.check(warped, "out.warped")
    given.check(warps.unwarp(warped, theta), "out.unwarped")
    given.check(warps.unwarp(torch.ones_like(warped), theta), "out.inverse_ones")


def test_random_affine_draws_in_the_reference_order():
    given = case("sk_affine")
    constants = given.constants
    scale, translate = constants["scale"], constants["translate"]
    assert scale[1] == 1
    assert translate[0] == translate[1]
    generator = torch.Generator().manual_seed(constants["torch_seed"])
    theta = warps.random_affine(generator, len(given["in.img"]), constants["degrees"], scale[0], translate[0])
    given.check(theta, "out.random_theta")
    given.check(warps.warp(given["in.img"], theta), "out.random_warped")
