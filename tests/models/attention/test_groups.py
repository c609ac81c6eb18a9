"""Groups of a context: joint and separate softmaxes, bias of the text, shares that sum to 1."""

from types import SimpleNamespace

import pytest
import torch

from harness.models.attention.capture import CapturePass
from harness.models.attention.groups import Beside, group_maps, joined
from harness.models.attention.hooks import attend, heads

WIDTH, HEADS = 8, 2


@pytest.fixture
def layer():
    draws = torch.Generator().manual_seed(3)
    key, value = (torch.randn(WIDTH, WIDTH, generator=draws) for _ in range(2))
    attention = SimpleNamespace(to_k=lambda x: x @ key, to_v=lambda x: x @ value, heads=HEADS, scale=0.5)
    return attention, heads(torch.randn(2, 16, WIDTH, generator=draws), HEADS), draws


def groups_of(draws, **settings):
    text, tokens = torch.randn(1, 5, WIDTH, generator=draws), torch.randn(3, WIDTH, generator=draws)
    further = (("sketch", torch.randn(4, WIDTH, generator=draws)),)
    beside = Beside(text=True, further=further, **settings)
    return text, further[0][1], tokens, *joined(beside, text, tokens)


def captured(layer, context, groups):
    attention, query, _ = layer
    passed = CapturePass(["up"], (4, 4), whole=True, check=True, groups=groups)
    output = passed.cross("up", attention, query, context.expand(2, -1, -1))
    assert passed.residual.worst < 1e-6
    return passed.captured[0], output


def test_the_context_is_text_then_further_embeddings_then_tokens(layer):
    text, sketch, tokens, context, groups = groups_of(layer[2], text_tokens=2)
    assert (groups.names, groups.counts, groups.bias) == (("text", "sketch", "tokens"), (2, 4, 3), None)
    assert torch.equal(context, torch.cat([text[:, :2], sketch[None], tokens[None]], 1))


def test_one_softmax_over_all_is_the_layers_own(layer):
    *_, context, groups = groups_of(layer[2])
    layer_maps, output = captured(layer, context, groups)
    assert torch.equal(output, attend(layer[0], layer[1], context.expand(2, -1, -1)))
    assert layer_maps.probabilities().shape[-1] == 12


def test_separate_softmaxes_are_averaged_and_the_tokens_have_their_own(layer):
    text, sketch, tokens, context, groups = groups_of(layer[2], separate=True)
    layer_maps, output = captured(layer, context, groups)
    alone = [attend(layer[0], layer[1], part.expand(2, -1, -1)) for part in (text, sketch[None], tokens[None])]
    torch.testing.assert_close(output, sum(alone) / 3)
    torch.testing.assert_close(layer_maps.probabilities().sum(-1), torch.ones(2, HEADS, 16))
    assert layer_maps.probabilities().shape[-1] == 3


def test_a_bias_that_hides_the_text_leaves_the_other_groups_alone(layer):
    _, sketch, tokens, context, groups = groups_of(layer[2], text_bias=-100.0)
    rest = torch.cat([sketch, tokens])[None].expand(2, -1, -1)
    _, output = captured(layer, context, groups)
    torch.testing.assert_close(output, attend(layer[0], layer[1], rest))


@pytest.mark.parametrize("bias", [0.0, -2.0])
def test_shares_are_sums_of_probabilities(layer, bias):
    *_, context, groups = groups_of(layer[2], text_bias=bias)
    found, _ = captured(layer, context, groups)
    maps = group_maps(found.query, found.key, found.scale, groups)  # (B G S)
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 16))
    p = found.probabilities().mean(1)  # (B S T)
    for place, span in enumerate(groups.spans):
        torch.testing.assert_close(maps[:, place], p[..., span].sum(-1))


def test_tokens_alone_have_a_plain_context():
    tokens = torch.randn(3, WIDTH)
    context, groups = joined(Beside(), None, tokens)
    assert torch.equal(context, tokens[None])
    assert (groups.names, groups.bias, groups.separate) == (("tokens",), None, False)
