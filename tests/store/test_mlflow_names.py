from harness.store.mlflow_names import LONGEST_NAME, Names, read_plan


def spec(seed=0, steps=40, **fusion):
    return {"model": {"name": "tiny"}, "fusion": {"name": "blend", **fusion}, "steps": steps, "seed": seed,
            "losses": {"nvs": {"weight": 1.0}, "sharpening": {"weight": 2.0}}, "timestep": 50}


def test_a_name_starts_with_what_varies_and_ends_with_the_seed():
    names = Names("study", ["fusion", "steps", "losses"])
    setting = names.setting(spec(seed=3))
    assert setting == "blend steps=40 nvs+sharpening"
    assert names.run("blend steps=40", spec(seed=3)) == "blend steps=40 seed=3"
    assert names.run("blend alpha=0.3 steps=40", spec(seed=3)) == "blend 0.3 40 seed=3"
    cut = names.run("hierarchical gaussian_fps steps=40", spec(seed=11))
    assert cut == "hierarchical ga… seed=11"
    assert len(cut) == LONGEST_NAME


def test_where_only_seeds_vary_the_setting_is_the_experiment():
    assert Names("study").setting(spec()) == "study"
    assert Names("study", ["seed"]).setting(spec(), "seed=4") == "study"
    assert Names("study").setting(spec(), "fusion=blend seed=4") == "fusion=blend"


def test_knobs_that_differ_between_variants_of_one_name_are_named():
    both = [spec(alpha=alpha, depth=1) for alpha in (0.3, 0.5)]
    names = Names("study", ["fusion"], both)
    assert [names.setting(each) for each in both] == ["blend alpha=0.3", "blend alpha=0.5"]
    assert list(names.params(both[0]).items())[:3] == [("fusion", "blend"), ("fusion.alpha", "0.3"), ("seed", "0")]
    axis = Names("study", ["fusion", "fusion.alpha"], both)
    assert axis.setting(both[0]) == "blend alpha=0.3"


def test_params_are_few_and_begin_with_those_that_vary():
    params = Names("study", ["steps", "fusion.alpha"]).params(spec(alpha=0.1 + 0.2))
    assert list(params) == ["steps", "fusion.alpha", "seed", "model", "fusion", "losses"]
    assert params["fusion.alpha"] == "0.30000000000000004"
    assert params["losses"] == "nvs+sharpening"


def test_two_settings_never_share_a_name():
    names, marks = Names("study", ["fusion"]), {"data": "d", "weights": "w"}
    first, one = names.distinct(spec(), marks, "blend")
    again, same = names.distinct(spec(seed=7), marks, "blend")
    longer, other = names.distinct(spec(steps=50), marks, "blend")
    retrained, _ = names.distinct(spec(), {**marks, "weights": "new"}, "blend")
    assert (first, again, longer) == ("blend", "blend", f"blend {other[:4]}")
    assert one == same != other
    assert retrained not in (first, longer)
    later = Names("study", ["fusion"])
    later.learn(first, one)
    later.learn(longer, other)
    assert later.distinct(spec(steps=50), marks, "blend")[0] == longer


def test_a_damaged_plan_is_an_empty_one():
    assert read_plan(None) == read_plan(b"{torn") == read_plan(b"[1]") == {}
    assert read_plan(b'{"axes": ["fusion"]}') == {"axes": ["fusion"]}
