import torch

from harness.losses._base import Evidence
from harness.plugins import build
from tests.parity.golden import case


def evidence(views, warped=None, theta=None, sigma_px=1.0):
    return Evidence(views, views, views, warped, theta, torch.zeros(1, 1), None, None, sigma_px)


def test_sharpening():
    given = case("sk_sharpening_loss")
    maps = given["in.attn_map"].requires_grad_()
    loss = build("losses", "sharpening")(evidence(maps[None, None], sigma_px=given.constants["sigma"]))
    loss.backward()
    given.check(loss.detach(), "out.loss_1")
    given.check(maps.grad, "out.grad_1")


def test_equivariance():
    given = case("sk_equivariance_loss")
    maps, warped = given["in.attn"].requires_grad_(), given["in.attn_transformed"].requires_grad_()
    term = build("losses", "equivariance", {"border": "zeros"})
    losses = [
        term(evidence(maps[None, None], warped[None, b:b + 1], given["in.theta"][None, b:b + 1]))
        for b in range(len(warped))
    ]
    losses[0].backward()
    given.check(torch.stack(losses).detach(), "out.loss")
    given.check(maps.grad, "out.grad_attn")
    given.check(warped.grad, "out.grad_attn_transformed")
