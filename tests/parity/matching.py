"""StableKeypoints' linear regressors."""

import torch

from harness.data.human36m import HUMAN36M_MIRROR
from harness.ops.matching import apply_regressor, fit_regressor, fit_regressor_mirrored
from tests.parity.golden import covers


def points(flat):
    return flat.unflatten(-1, (-1, 2))


@covers("sk_regressor")
def check_regressors(given):
    found, truth, visible = points(given["in.X"]), points(given["in.Y"]), points(given["in.visible"]).bool()
    regressor = fit_regressor(found, truth)
    given.check(regressor, "out.W")
    predicted = (given["in.X"] - 0.5) @ given["out.W"] + 0.5
    torch.testing.assert_close(apply_regressor(regressor, found).flatten(1), predicted)
    assert (visible[..., 0] == visible[..., 1]).all()
    given.check(fit_regressor(found, truth, visible[..., 0]), "out.W_visible")
    mirror = torch.tensor(HUMAN36M_MIRROR)
    given.check(given["in.points"][:, mirror], "out.swapped_points")
    given.check(fit_regressor_mirrored(found, points(given["in.Y32"]), mirror), "out.W_human36m")
