import pytest
import torch
import torch.nn.functional as F

from harness.models.attention import blocks
from harness.models.attention.blocks import resample
from harness.models.attention.canvas import assemble
from harness.models.attention.capture import Captured, map_size, up_layers
from harness.models.attention.token_maps import native_maps, token_maps

NAMES = ["down_blocks.0.attentions.0.transformer_blocks.0.attn2", "up_blocks.0.attentions.0.transformer_blocks.0.attn1",
         "up_blocks.0.attentions.0.transformer_blocks.0.attn2", "mid_block.attentions.0.transformer_blocks.0.attn2"]


def layer(size=(4, 3), tokens=5, batch=2, seed=0):
    draws = torch.Generator().manual_seed(seed)
    query = torch.randn(batch, 2, size[0] * size[1], 8, generator=draws)
    return Captured("up", query, torch.randn(batch, 2, tokens, 8, generator=draws), 0.5, size)


def test_only_the_up_path_is_captured():
    assert up_layers(NAMES) == ["up_blocks.0.attentions.0.transformer_blocks.0.attn2"]


@pytest.mark.parametrize(("latent", "positions", "expected"), [
    ((120, 80), 9600, (120, 80)), ((120, 80), 600, (30, 20)), ((120, 80), 150, (15, 10)), ((9, 5), 15, (5, 3)),
])
def test_a_layers_size_comes_from_its_positions(latent, positions, expected):
    assert map_size(positions, latent) == expected


def test_positions_that_no_level_has_are_refused():
    with pytest.raises(ValueError, match="7 positions"):
        map_size(7, (8, 8))


def test_resample_is_torchs_bicubic():
    values = torch.randn(2, 3, 5, 7)
    expected = F.interpolate(values, size=(12, 4), mode="bicubic", align_corners=False)
    torch.testing.assert_close(resample(values, (12, 4)), expected, atol=1e-5, rtol=1e-5)


def test_probabilities_of_half_precision_are_checked_in_the_arithmetic_of_the_maps():
    draws = torch.Generator().manual_seed(3)
    query, key = (2 * torch.randn(1, 2, count, 8, generator=draws) for count in (12, 5))  # logits of about 10
    one = Captured("up", query.bfloat16(), key.bfloat16(), 0.5, (4, 3))
    exact = (one.query.double() @ one.key.double().transpose(-1, -2) * 0.5).softmax(-1)
    assert (one.probabilities(torch.float32) - exact).abs().max() < 1e-6
    assert (one.probabilities() - exact).abs().max() > 3e-3
    maps = native_maps(one, tokens=5)[0, 0].flatten(1)
    torch.testing.assert_close(one.probabilities(torch.float32)[0].mean(0).T, maps, atol=1e-6, rtol=1e-4)


def test_logits_are_resized_before_the_softmax_over_tokens():
    one = layer()
    logits = (one.query @ one.key.transpose(-1, -2) * one.scale).transpose(-1, -2).unflatten(-1, one.size)
    larger = F.interpolate(logits.flatten(0, 1), size=(8, 6), mode="bicubic").unflatten(0, (2, 2))
    expected = larger.softmax(2).mean(1)
    torch.testing.assert_close(token_maps([one], (8, 6), tokens=5)[:, 0], expected, atol=1e-6, rtol=1e-5)


def test_maps_of_all_tokens_sum_to_one_and_are_never_negative():
    for resize in ("logits", "maps"):
        maps = token_maps([layer()], (8, 6), tokens=5, resize=resize)
        assert maps.min() >= 0
    torch.testing.assert_close(token_maps([layer()], (8, 6), tokens=5).sum(2), torch.ones(2, 1, 8, 6))


def test_the_two_resizes_are_two_quantities():
    logits, maps = (token_maps([layer()], (8, 6), tokens=5, resize=resize) for resize in ("logits", "maps"))
    assert (logits - maps).abs().max() > 1e-3


def test_appended_tokens_share_the_softmax_with_the_text():
    one = layer()
    whole = one.probabilities().mean(1).transpose(-1, -2).unflatten(-1, one.size)
    torch.testing.assert_close(native_maps(one, tokens=2)[:, 0], whole[:, -2:])


def test_a_canvas_is_split_before_it_is_resized():
    one = layer(size=(6, 4), batch=1)
    maps = token_maps([one], (4, 4), tokens=5, views=6)
    assert maps.shape == (1, 6, 5, 4, 4)
    alone = one.query.unflatten(2, one.size)[:, :, 2:4, 2:4].flatten(2, 3)  # row 1, column 1: view 3
    expected = token_maps([Captured("up", alone, one.key, one.scale, (2, 2))], (4, 4), tokens=5)
    torch.testing.assert_close(maps[:, 3:4], expected)


def test_a_grid_of_native_maps_is_the_canvas():
    one = layer(size=(6, 4), batch=1)
    whole = native_maps(one, tokens=5)[:, 0]
    torch.testing.assert_close(assemble(native_maps(one, tokens=5, views=6)), whole)


def test_blocks_give_the_same_maps_and_gradients(monkeypatch):
    found = []
    for elements in (2**30, 1):
        monkeypatch.setitem(blocks.BLOCK_ELEMENTS, "cpu", elements)
        one = layer()
        one.key.requires_grad_()
        maps = token_maps([one], (8, 6), tokens=5)
        maps.square().sum().backward()
        found.append((maps.detach(), one.key.grad))
    torch.testing.assert_close(found[0], found[1])
