"""AutoLink's regressors and figures, data set by data set."""

import torch

from harness.data.human36m import HUMAN36M_MIRROR
from harness.method.metrics import _autolink as autolink
from tests.parity.golden import covers


def found(given, part, scale=1.0, bias=False):
    """AutoLink's detections lie in [-1, 1]."""
    return autolink.features(given[f"in.{part}_det"] * 0.5 + 0.5, scale, bias=bias)


def predicted(x, regressors):
    return torch.einsum("mf,kcf->mkc", x.double(), regressors)


@covers("autolink_cub")
def check_cub(given):
    seen = {part: given[f"in.{part}_visibility"].bool() for part in ("train", "test")}
    counted = seen["train"][..., None].expand(-1, -1, 2)
    fitted = autolink.fit_visible(found(given, "train"), given["in.train_kp"], counted)
    given.check(fitted.transpose(-1, -2).flatten(1), "out.betas")
    for part, visible in seen.items():
        error = autolink.pooled(predicted(found(given, part), fitted), given[f"in.{part}_kp"].double(), visible)
        given.check(error, f"out.{part}_value")


@covers("autolink_taichi")
def check_taichi(given):
    counted = {part: given[f"in.{part}_kp"] != -1 for part in ("train", "test")}
    x = {part: found(given, part, 255, bias=True) for part in counted}
    fitted = autolink.fit_visible(x["train"], given["in.train_kp"], counted["train"])
    given.check(fitted.flatten(0, 1), "out.betas")
    for part in counted:
        error = autolink.by_coordinate(predicted(x[part], fitted), given[f"in.{part}_kp"].double(), counted[part])
        given.check(error, f"out.{part}_value")


@covers("autolink_deepfashion")
def check_deepfashion(given):
    x = {part: found(given, part, 255) for part in ("train", "test")}
    fitted = autolink.least_squares(x["train"], given["in.train_kp"].flatten(1))
    given.check(fitted, "out.beta")
    for part in x:
        truth = given[f"in.{part}_kp"].double()
        share = autolink.below_6px((x[part].double() @ fitted).view_as(truth), truth)
        given.check(-share, f"out.{part}_value")  # the reference minimises it


@covers("autolink_celeba")
def check_celeba(given):
    x = {part: found(given, part) for part in ("train", "test")}
    fitted = autolink.least_squares(x["train"], given["in.train_kp"].flatten(1))
    given.check(fitted, "out.beta")
    for part in x:
        truth = given[f"in.{part}_kp"].double()
        eyes = (truth[:, 0] - truth[:, 1]).norm(dim=-1)
        torch.testing.assert_close(eyes.float(), given[f"in.{part}_eye_distance"])
        given.check(autolink.by_eyes((x[part].double() @ fitted).view_as(truth), truth, eyes), f"out.{part}_value")


@covers("autolink_h36m")
def check_human36m(given):
    mirror = torch.tensor(HUMAN36M_MIRROR)
    fitted, errors = autolink.fit_mirrored(found(given, "train"), given["in.train_kp"], mirror)
    given.check(fitted, "out.beta")
    given.check(errors.mean(), "out.train_value")
    truth = given["in.test_kp"].double()
    guess = (found(given, "test").double() @ fitted).view_as(truth)
    given.check(autolink.mirrored(guess, truth, mirror), "out.test_value")
