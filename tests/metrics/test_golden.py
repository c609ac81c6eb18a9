"""The reference systems' own numbers; tests/golden/cases.json says where each comes from and how close to be."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.metrics import _errors, _official

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = {case["name"]: case for case in json.loads((GOLDEN / "cases.json").read_text())["cases"]}
# Human3.6M as StableKeypoints mirrors it: 28 stands for the counterpart of both 20 and 21.
MIRROR = [0, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15]
MIRROR += [16, 25, 26, 27, 28, 28, 30, 31, 24, 17, 18, 19, 21, 29, 22, 23]


def load(name):
    return load_file(GOLDEN / CASES[name]["file"])


def close(found, expected, name):
    tolerance = CASES[name]["tolerance"]
    torch.testing.assert_close(
        found.to(expected.dtype), expected, atol=tolerance["atol"], rtol=tolerance["rtol"], check_device=False
    )


def test_dift_spair():
    name = "pck_dift_spair"
    case = load(name)
    counted = torch.arange(case["in.pred"].shape[1]) < case["in.n_pts"][:, None]
    errors = _errors.errors_px(case["in.pred"].double(), case["in.trg_kps"].double(), (1, 1))
    box = case["in.trg_bndbox"]
    side = torch.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]).double()
    assert counted.sum() == case["out.total"]
    for i, alpha in enumerate(CASES[name]["constants"]["alphas"]):
        hit = _errors.hits(errors, side, alpha)
        per_image = _errors.share_per_image(hit, counted)
        assert (hit & counted).sum() == case["out.correct"][i]
        close(per_image, case["out.per_image"][i], name)
        close(per_image.mean(), case["out.mean_per_image"][i], name)
        close(torch.tensor(_errors.share(hit, counted), dtype=torch.float64), case["out.per_point"][i], name)


@pytest.mark.parametrize("rule", ["bbox", "img"])
def test_dhpf(rule):
    name = "pck_dhpf"
    case = load(name)
    counted = torch.arange(case["in.pred"].shape[2]) < case["in.n_pts"][:, None]
    errors = _errors.errors_px(case["in.pred"].mT, case["in.trg_kps"].mT, (1, 1))
    box = case["in.trg_bbox"]
    limits = {
        "bbox": torch.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]),
        "img": case["in.img_hw"].amax(1).float(),
    }[rule]
    close(limits, case[f"out.threshold_{rule}"], name)
    for i, alpha in enumerate(CASES[name]["constants"]["alphas"]):
        hit = _errors.hits(errors, limits, alpha)
        close(100 * _errors.share_per_image(hit, counted), case[f"out.pck_{rule}"][i], name)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("sk_eval_inter_eye_distance", lambda p, t, c: _official.inter_eye(p, t)),
        ("sk_eval_visible", lambda p, t, c: _official.mean_of_visible(p, t, c["in.visibility"] > 0)),
        ("sk_eval_mean_average_error", lambda p, t, c: _official.sum_of_visible_px(p, t, c["in.visibility"] > 0)),
        ("sk_eval_pck", lambda p, t, c: _official.below_6px(p, t)),
        (
            "sk_eval_orientation_invariant",
            lambda p, t, c: _official.orientation_invariant(p, t, torch.tensor(MIRROR)),
        ),
    ],
)
def test_stablekeypoints_evaluation(name, measure):
    case = load(name)
    found_yx = (case["in.peaks"].float() + 0.5) / 512
    predicted_yx = ((found_yx.flatten(1) - 0.5) @ case["in.regressor"] + 0.5).unflatten(1, (-1, 2))
    values = measure(predicted_yx, case["in.kpts"], case)
    close(values, case["out.per_image"], name)
    close(values.mean(), case["out.mean"], name)
