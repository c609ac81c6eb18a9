"""StableKeypoints' loss terms and their gradients."""

import torch

from harness.method.losses.base import LossInputs
from harness.ops.maps import gaussians, several_peaks
from harness.ops.warps import unwarp
from harness.registry import build
from tests.parity.golden import covers


def loss_inputs(views, warped=None, theta=None, sigma_px=1.0):
    return LossInputs(views, views, views, warped, theta, torch.zeros(1, 1), None, None, sigma_px)


@covers("sk_sharpening_loss")
def check_sharpening(given):
    sigma = given.constants["sigma"]
    for suffix, subjects in (("1", 1), ("n", given.constants["n"])):
        maps = given["in.attn_map"].clone().requires_grad_()
        places = several_peaks(maps, subjects)
        given.check(places, f"out.pos_{suffix}")
        given.check(gaussians(places, *maps.shape[-2:], sigma).mean(0), f"out.target_{suffix}")
        loss = build("losses", "sharpening", {"subjects": subjects})(loss_inputs(maps[None, None], sigma_px=sigma))
        loss.backward()
        given.check(loss.detach(), f"out.loss_{suffix}")
        given.check(maps.grad, f"out.grad_{suffix}")


@covers("sk_equivariance_loss")
def check_equivariance(given):
    """With zeros outside the warped copy, as the reference has it; by default such pixels are left out."""
    maps, warped = given["in.attn"].requires_grad_(), given["in.attn_transformed"].requires_grad_()
    theta = given["in.theta"]
    term = build("losses", "equivariance", {"border": "zeros"})
    losses = [
        term(loss_inputs(maps[None, None], warped[None, b:b + 1], theta[None, b:b + 1])) for b in range(len(warped))
    ]
    losses[0].backward()
    given.check(torch.stack(losses).detach(), "out.loss")
    given.check(maps.grad, "out.grad_attn")
    given.check(warped.grad, "out.grad_attn_transformed")
    given.check(unwarp(warped.detach(), theta), "out.inverse_warped")
