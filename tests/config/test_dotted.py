import pytest

from harness.config import dotted

PLAIN = {"fusion": {"name": "blend", "alpha": 0.3}, "steps": 0, "layers": (0, 2)}


def test_a_dotted_path_leads_to_a_setting_or_to_what_is_missing():
    assert dotted.get(PLAIN, "fusion.alpha") == 0.3
    assert dotted.get(PLAIN, "steps", "none") == 0
    assert dotted.get(PLAIN, "fusion.beta", "none") == "none"
    assert dotted.get(PLAIN, "steps.more", "none") == "none"
    assert dotted.get(PLAIN, "fusion.alpha.more") is None


@pytest.mark.parametrize(("found", "wanted", "meant"), [
    (1.0, 1, True),  # YAML's 1 stands for a float knob's 1.0
    (0.5, 1, False),
    ((0, 2), [0, 2], True),
    ((0, 2), [2, 0], False),
    ({"name": "blend", "alpha": 0.3}, "blend", True),
    ({"name": "blend", "alpha": 0.3}, {"name": "blend"}, True),
    ({"name": "blend", "alpha": 0.3}, {"name": "blend", "alpha": 0.5}, False),
    ({"nvs": {"weight": 1.0}, "separation": {"weight": 2.0}}, ["separation", "nvs"], True),
    ({"nvs": {"weight": 1.0}, "separation": {"weight": 2.0}}, ["nvs"], False),
    ({"nvs": {"weight": 1.0}, "separation": {"weight": 2.0}}, {"nvs": {"weight": 1}}, False),
    ({"nvs": {"weight": 1.0}}, {"nvs": {"weight": 1}}, True),
])
def test_a_setting_is_the_wanted_one_whatever_it_leaves_open(found, wanted, meant):
    assert dotted.matches(found, wanted) is meant
