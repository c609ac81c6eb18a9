"""Published error measures, on found keypoints and linear regressors that the cases bring along."""

import torch

from harness.data.human36m import HUMAN36M_MIRROR
from harness.method.metrics import _errors, _official
from harness.ops.matching import apply_regressor
from tests.parity.golden import covers


@covers("pck_dift_spair")
def check_spair(given):
    given_points = given["in.pred"].shape[1]
    counted = torch.arange(given_points) < given["in.n_pts"][:, None]
    errors = _errors.errors_px(given["in.pred"].double(), given["in.trg_kps"].double(), (1, 1))
    box = given["in.trg_bndbox"]
    side = torch.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]).double()
    hit = torch.stack([_errors.hits(errors, side, alpha) for alpha in given.constants["alphas"]])
    per_image = _errors.share_per_image(hit, counted)
    given.check(counted.sum(), "out.total")
    given.check((hit & counted).sum((1, 2)), "out.correct")
    given.check(per_image, "out.per_image")
    given.check(per_image.mean(-1), "out.mean_per_image")
    given.check(torch.tensor([_errors.share(row, counted) for row in hit], dtype=torch.float64), "out.per_point")


@covers("pck_dhpf")
def check_dhpf(given):
    counted = torch.arange(given["in.pred"].shape[2]) < given["in.n_pts"][:, None]
    errors = _errors.errors_px(given["in.pred"].mT, given["in.trg_kps"].mT, (1, 1))
    box = given["in.trg_bbox"]
    sides = {"bbox": torch.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]),
             "img": given["in.img_hw"].amax(1).float()}
    for rule, side in sides.items():
        hit = torch.stack([_errors.hits(errors, side, alpha) for alpha in given.constants["alphas"]])
        given.check(side, f"out.threshold_{rule}")
        given.check(100 * _errors.share_per_image(hit, counted), f"out.pck_{rule}")
        if f"out.correct_counts_{rule}" in given:
            given.check((hit & counted).sum(-1), f"out.correct_counts_{rule}")


MEASURES = {
    "sk_eval_inter_eye_distance": lambda p, t, given: _official.inter_eye(p, t),
    "sk_eval_visible": lambda p, t, given: _official.mean_of_visible(p, t, given["in.visibility"] > 0),
    "sk_eval_mean_average_error": lambda p, t, given: _official.sum_of_visible_px(p, t, given["in.visibility"] > 0),
    # strictly below 6 px; `pck@<alpha>` of every trial counts errors equal to the limit, as SPair-71k's own does
    "sk_eval_pck": lambda p, t, given: _official.below_6px(p, t),
    "sk_eval_orientation_invariant":
        lambda p, t, given: _official.orientation_invariant(p, t, torch.tensor(HUMAN36M_MIRROR)),
}


@covers(*MEASURES)
def check_stablekeypoints(given):
    found_yx = (given["in.peaks"].float() + 0.5) / 512  # the maps on which the reference finds points
    values = MEASURES[given.name](apply_regressor(given["in.regressor"], found_yx), given["in.kpts"], given)
    given.check(values, "out.per_image")
    given.check(values.mean(), "out.mean")
