"""Settings that differ from the defaults and between two trials."""

from harness.config.settings import fill_defaults, resolve
from harness.report.compare.setting_changes import changed, differing, settings, text
from tests.report.fakes import plain

DEFAULT = resolve(fill_defaults(None)).to_dict()


def test_nothing_differs_from_the_defaults_untold():
    assert changed(DEFAULT) == []
    assert "seed" not in [setting.name for setting in settings(DEFAULT)]
    assert {"model", "data.family", "losses.sharpening.weight", "steps"} <= {s.name for s in settings(DEFAULT)}


def test_settings_knobs_and_losses_that_differ_are_named_with_their_defaults():
    spec = {**DEFAULT, "steps": 7, "fusion": {"name": "blend", "strength": 1.0, "alpha": 0.9},
            "losses": {**DEFAULT["losses"], "nvs": {"weight": 3.0}}}
    found = {setting.name: (setting.value, setting.default) for setting in changed(spec)}
    assert found == {"steps": (7, 100), "fusion": ("blend", "none"), "fusion.alpha": (0.9, 0.3),
                     "losses": (["sharpening", "equivariance", "nvs"], ["sharpening", "equivariance"]),
                     "losses.nvs.weight": (3.0, 1.0)}


def test_lists_from_json_equal_tuples():
    assert changed({**DEFAULT, "layers": list(DEFAULT["layers"])}) == []


def test_a_variant_that_is_not_installed_has_knobs_without_defaults():
    spec = {**DEFAULT, "fusion": {"name": "theirs", "power": 3}}
    found = {(setting.name, setting.value, setting.default) for setting in changed(spec)}
    assert found == {("fusion", "theirs", "none"), ("fusion.power", 3, None)}


def test_two_trials_differ_in_what_one_lacks_too():
    one, other = plain(0, fusion={"name": "none", "strength": 1.0}), plain(1, fusion={"name": "blend", "alpha": 0.3})
    assert differing(one, other) == [("fusion", "none", "blend"), ("fusion.strength", 1.0, None),
                                     ("fusion.alpha", None, 0.3)]


def test_values_read_as_words():
    words = {"0.5": 0.5, "\N{EM DASH}": None, "1 2": [1, 2], "none": (), "True": True, "x": "x"}
    assert {name: text(value) for name, value in words.items()} == {name: name for name in words}
