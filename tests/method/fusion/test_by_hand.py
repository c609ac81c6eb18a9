"""Each fusion on numbers small enough to work out: attention that returns the sum of its (biased) context."""

import math

import pytest
import torch

from harness.method.fusion.base import Guidance
from harness.method.fusion.blend import Blend
from harness.method.fusion.concat import Concat
from harness.method.fusion.hierarchical import Hierarchical
from harness.method.fusion.spatial import Spatial
from harness.method.fusion.weighted import Weighted

CONTEXT = torch.tensor([[[1.0, 0.0]]])
TOKENS = torch.tensor([[0.0, 2.0], [4.0, 0.0]])
MAPS = torch.tensor([[[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]])
MASS = torch.tensor([[0.1, 0.3]])
SEEN = Guidance(TOKENS, MAPS, MASS)


def total(context, bias=None, change=None):
    weights = torch.ones(context.shape[1]) if bias is None else bias.exp()
    weights = weights if change is None else change(weights)
    return (context * weights[None, :, None]).sum(1, keepdim=True).expand(-1, 4, -1)


def test_concat_scales_the_tokens_share_by_strength():
    assert Concat()(total, CONTEXT, SEEN, {})[0, 0].tolist() == [5.0, 2.0]
    torch.testing.assert_close(Concat(strength=0.5)(total, CONTEXT, SEEN, {})[0, 0], torch.tensor([3.0, 1.0]))


def test_weighted_by_relative_mass():
    a, b = math.exp(0.5), math.exp(1.5)  # masses 0.1 and 0.3 over their mean 0.2
    weights = torch.tensor([2 * a / (a + b), 2 * b / (a + b)])
    expected = torch.tensor([1 + 4 * weights[1], 2 * weights[0]])
    torch.testing.assert_close(Weighted()(total, CONTEXT, SEEN, {})[0, 0], expected)


def test_weighted_by_spatial_sums_saturates_and_shrinks():
    a, b = math.exp(0.4), math.exp(1.2)  # sums over four positions
    expected = torch.tensor([1 + 4 * b / (a + b), 2 * a / (a + b)])
    torch.testing.assert_close(Weighted(normalise="sum")(total, CONTEXT, SEEN, {})[0, 0], expected)


def test_hierarchical_starts_with_the_baselines_context_and_appends_parts():
    way = Hierarchical()
    assert way(total, CONTEXT, SEEN, way.gates(2))[0, 0].tolist() == pytest.approx([1 + 1.5 * 4, 0.5 * 2])


def test_hierarchical_gate_looks_at_the_parts():
    parts = torch.tensor([[0.0, 1.0], [6.0, 0.0]])
    looked = (torch.tensor([[0.0, 6.0]]) / math.sqrt(2)).softmax(-1) @ parts
    output = Hierarchical()(total, CONTEXT, SEEN, {"context": torch.tensor(0.5)})
    torch.testing.assert_close(output[0, 0], CONTEXT[0, 0] + 0.5 * looked[0] + parts.sum(0))


def test_spatial_gates_by_the_mean_map():
    gated = Spatial()(total, CONTEXT, SEEN, {})[0, :, 0]
    torch.testing.assert_close(gated, 1 + 0.3 * (torch.tensor([1.0, 2.0, 1.0, 0.0]) - 1))


def test_the_literal_spatial_form_guides_nothing():
    two = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    literal = Spatial(form="literal")(total, two, SEEN, {})[0]
    torch.testing.assert_close(literal, torch.full((4, 2), 0.5))  # the second softmax of equal weights


def test_blend_mixes_outputs_of_two_attentions():
    assert Blend(strength=0.5)(total, CONTEXT, SEEN, {})[0, 0].tolist() == pytest.approx([0.85 + 0.15 * 4, 0.15 * 2])
