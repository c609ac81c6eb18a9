import torch

from harness import registry
from harness.method.metrics.authenticity import Authenticity
from harness.method.metrics.base import Metric, Observations


def test_residuals_are_scores():
    residuals = {"attention_residual": 2e-7, "row_sum_residual": 1e-7}
    seen = Observations(
        torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1) > 0, torch.ones(1, 1), (8, 8), {}, residuals=residuals
    )
    assert Authenticity()(seen) == residuals


def test_every_family_copes_with_a_trial_that_observed_nothing():
    seen = Observations(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1) > 0, torch.ones(1, 1), (8, 8), {})
    for name in registry.names("metrics"):
        metric = registry.build("metrics", name)
        assert isinstance(metric, Metric)
        assert metric(seen) == {}, name
