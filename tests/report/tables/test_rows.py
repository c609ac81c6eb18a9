import json

import pytest

from harness.config.spec import ReportSpec
from harness.report.tables.rows import group_records, is_baseline, row_name
from tests.report.fakes import plain, record

LOSSES = {"sharpening": {"weight": 100.0}, "equivariance": {"weight": 1000.0}}


def labels(specs, rows=()):
    heads, groups = group_records([record(spec) for spec in specs], ReportSpec(tuple(rows)))
    return heads, [group.labels for group in groups]


def test_seeds_of_one_setting_make_one_row():
    heads, groups = group_records([record(plain(seed)) for seed in range(3)], ReportSpec(("fusion",)))
    assert heads == ("fusion",)
    assert [(group.labels, len(group.records)) for group in groups] == [(("none",), 3)]


def test_settings_that_differ_are_found_without_being_asked_for():
    assert labels([plain(tokens=16), plain(tokens=32, seed=5)]) == (("tokens",), [("16",), ("32",)])


def test_a_difference_that_was_not_asked_for_is_never_averaged_away():
    specs = [plain(fusion={"name": "none"}, steps=60), plain(fusion={"name": "none"}, steps=90)]
    assert labels(specs, ["fusion"]) == (("fusion", "steps"), [("none", "60"), ("none", "90")])


def test_knobs_are_named_only_where_they_tell_rows_apart():
    fusions = [{"name": "none"}, *({"name": "spatial", "strength": strength, "tau": 1} for strength in (0.5, 1.0))]
    assert labels([plain(fusion=fusion) for fusion in fusions])[1] == [
        ("none",), ("spatial strength=0.5",), ("spatial strength=1",)
    ]


def test_rows_named_by_a_knob_do_not_repeat_its_choice():
    specs = [plain(data={"name": "figures", "family": family}) for family in ("biped", "bird")]
    assert labels(specs, ["data.family"]) == (("family",), [("biped",), ("bird",)])


def test_a_row_of_several_settings_is_named_by_setting_and_value():
    specs = [plain(tokens=tokens, steps=steps) for tokens, steps in ((16, 60), (60, 16))]
    heads, groups = group_records([record(spec) for spec in specs], ReportSpec(("tokens", "steps")))
    assert [group.name for group in groups] == ["tokens=16 steps=60", "tokens=60 steps=16"]
    assert row_name(heads, ("untrained tokens: 16", "60"), is_reference=True) == "untrained tokens: 16 steps=60"
    assert row_name(heads, ("mean pose", ""), is_reference=True) == "mean pose"
    assert row_name(("model", "scaling"), ("tiny_sd", "\N{EM DASH}")) == "model=tiny_sd"
    assert row_name(("fusion",), ("blend",)) == "blend"


def test_heads_are_short_and_keys_whole():
    spec = plain(model={"name": "tiny_sd"}, data={"name": "figures", "family": "biped"})
    paths = ("model.name", "data.family", "losses.sharpening.weight", "losses.equivariance.weight")
    heads, (group,) = group_records([record(spec)], ReportSpec(paths))
    assert heads == ("model", "family", "sharpening.weight", "equivariance.weight")
    assert group.keys == paths
    paths = ("model.name", "data.name", "fusion.name", "model.name")
    heads, (group,) = group_records([record(spec)], ReportSpec(paths))
    assert heads == ("model", "data", "fusion")
    twice = {"name": "blend", "weight": 1, "data": {"weight": 2}}
    heads, (group,) = group_records([record(plain(fusion=twice))], ReportSpec(("fusion.weight", "fusion.data.weight")))
    assert heads == group.keys == ("fusion.weight", "fusion.data.weight")


def test_losses_are_named_by_what_they_add():
    more = {**LOSSES, "consistency_pixel": {"weight": 0.3}}
    most = {**LOSSES, "consistency_pixel": {"weight": 1.0}}
    assert labels([plain(losses=losses) for losses in (LOSSES, more, most)])[1] == [
        ("sharpening + equivariance",), ("consistency_pixel weight=0.3",), ("consistency_pixel weight=1",)
    ]


def test_other_weights_or_data_with_the_same_setting_are_other_rows():
    records = [record(plain(), fingerprints={"data": "d1", "weights": name}) for name in ("w1", "w2")]
    heads, groups = group_records(records, ReportSpec(("fusion",)))
    assert heads == ("fusion", "weights")
    assert [group.labels for group in groups] == [("none", "w1"), ("none", "w2")]


def test_a_lone_setting_is_called_by_its_experiment():
    assert labels([plain()]) == (("experiment",), [("fake",)])


def test_specs_read_back_from_json_equal_those_in_memory():
    specs = [plain(layers=(0, 1)), json.loads(json.dumps(plain(layers=(0, 1), seed=1)))]
    assert len(labels(specs)[1]) == 1


def test_groups_know_what_data_they_were_scored_on():
    specs = [plain(), plain(test_scenes=7), plain(tokens=16)]
    _, (one, other, same) = group_records([record(spec) for spec in specs], ReportSpec())
    assert one.test_data != other.test_data
    assert one.test_data == same.test_data


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ({"fusion": "none"}, True),
        ({"fusion": "concat"}, False),
        ({"fusion.name": "none"}, True),
        ({"tokens": 128}, True),
        ({"losses": ["equivariance", "sharpening"]}, True),
        ({"losses": ["sharpening"]}, False),
        ({"losses": {"sharpening": {"weight": 100.0}}}, False),
        ({"data": {"family": "biped"}}, True),
        ({"data": {"family": "biped"}, "tokens": 16}, False),
        ({"no.such": 1}, False),
    ],
)
def test_baseline(baseline, expected):
    assert is_baseline(plain(), baseline) is expected


def test_other_data_beside_a_column_of_data_has_a_head_of_its_own():
    settings = (("biped", "d1"), ("biped", "d2"), ("bird", "d3"))
    records = [record(plain(data={"name": "figures", "family": family}), fingerprints={"data": data, "weights": "w1"})
               for family, data in settings]
    heads, groups = group_records(records, ReportSpec())
    assert heads == ("data", "data fingerprint")
    assert [group.labels[1] for group in groups] == ["d1", "d2", "d3"]


def test_view_scores_are_measured_on_more_than_the_test_data():
    few, many = (group_records([record(plain(view_scenes=count))], ReportSpec())[1][0] for count in (6, 40))
    assert few.measured_on("nvs_loss") != many.measured_on("nvs_loss")
    for name in ("pck@0.1", "psnr", "nvs_final"):
        assert few.measured_on(name) == many.measured_on(name)
