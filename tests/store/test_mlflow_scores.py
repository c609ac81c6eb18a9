import pytest

from harness.store.mlflow_scores import GROUPS, MOST, OTHER, chosen, curves, grouped, metric_name


@pytest.mark.parametrize(("name", "taken"), [
    ("pck@0.1", "pck_at_0.1"), ("curve/loss", "curve/loss"), ("a=b", "a_b"), ("H_error@3px", "H_error_at_3px")])
def test_metric_names_hold_what_mlflow_takes(name, taken):
    assert metric_name(name) == taken


def test_groups_are_in_the_order_of_their_names_and_pck_is_first():
    assert list(GROUPS) == sorted(GROUPS)
    assert max(GROUPS) < OTHER
    assert min(grouped(score) for scores in GROUPS.values() for score in scores).startswith("1_pck/")
    first, *_ = chosen({"entropy": 1.0, "nme": 2.0, "pck@0.1": 3.0}, {"seconds_total": 4.0})
    assert first == "1_pck/pck_at_0.1"


def test_details_are_left_out_and_new_scores_are_kept():
    scores = {"pck@0.1": 0.5, "pck_oracle@0.05": 0.1, "entropy_view3": 0.9, "entropy_8x8": 0.9, "nvs_loss@t200": 0.1,
              "nme_untrained": 0.2, "symmetry": 0.7}
    assert list(chosen(scores, {})) == ["1_pck/pck_at_0.1", "7_other/symmetry"]


def test_a_run_has_at_most_so_many_metrics():
    scores = {"pck@0.1": 0.5} | {f"new{'x' * i}": float(i) for i in range(100)}
    assert len(chosen(scores, {"seconds_total": 1.0})) == MOST
    assert list(chosen(scores, {}, 1)) == ["1_pck/pck_at_0.1"]


def test_weighted_copies_of_losses_are_no_curves():
    assert curves(["step", "loss", "nvs", "nvs_weighted"]) == ["loss", "nvs"]
