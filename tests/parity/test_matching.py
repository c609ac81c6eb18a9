from harness.matching import apply_regressor, fit_regressor
from tests.parity.golden import case


def points(flat):
    return flat.unflatten(-1, (-1, 2))


def test_regressor():
    given = case("sk_regressor")
    found, truth = points(given["in.X"]), points(given["in.Y"])
    regressor = fit_regressor(found, truth)
    given.check(regressor, "out.W")
    predicted = (given["in.X"] - 0.5) @ given["out.W"] + 0.5
    assert (apply_regressor(regressor, found).flatten(1) - predicted).abs().max() < given.tolerance["atol"]


def test_regressor_on_visible_rows():
    given = case("sk_regressor")
    visible = points(given["in.visible"]).bool()
    assert (visible[..., 0] == visible[..., 1]).all()
    given.check(fit_regressor(points(given["in.X"]), points(given["in.Y"]), visible[..., 0]), "out.W_visible")
