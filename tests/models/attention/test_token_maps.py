import pytest
import torch
import torch.nn.functional as F

from harness.models.attention import blocks
from harness.models.attention.capture import Captured
from harness.models.attention.token_maps import chosen_maps, token_maps

SIZE, TOKENS, TEXT = (9, 8), 6, 3
SHAPES = {"coarse": ((3, 4), 2), "fine": ((9, 5), 3), "own size": (SIZE, 1)}  # rows and columns, heads
DOUBLE = {"atol": 1e-12, "rtol": 1e-9}


def layers(*names, images=2):
    """Layers of several sizes and numbers of heads, whose tokens stand behind a text."""
    draws, captured = torch.Generator().manual_seed(1), []
    for name in names:
        size, heads = SHAPES[name]
        query, key = (torch.randn(images, heads, count, 4, generator=draws, dtype=torch.float64).requires_grad_()
                      for count in (size[0] * size[1], TEXT + TOKENS))
        captured.append(Captured(name, query, key, 0.5, size))
    return captured


def dense(captured):
    """All tokens' maps by plain operations, for autograd."""
    maps = []
    for layer in captured:
        logits = (layer.query @ layer.key.mT * layer.scale).mT.unflatten(-1, layer.size)  # (I A T h w)
        larger = F.interpolate(logits.flatten(0, 1), size=SIZE, mode="bicubic").unflatten(0, logits.shape[:2])
        maps.append(larger.softmax(2).mean(1)[:, TEXT:])
    return torch.stack(maps).mean(0)[:, None]  # (I 1 N H W)


def gradients(loss, captured):
    return torch.autograd.grad(loss, [state for layer in captured for state in (layer.query, layer.key)])


@pytest.mark.parametrize("elements", [2**30, 500, 1])
@pytest.mark.parametrize("names", [["coarse"], ["own size"], ["coarse", "fine", "own size"]])
def test_chosen_maps_and_their_gradients_are_those_of_plain_operations(monkeypatch, names, elements):
    monkeypatch.setitem(blocks.BLOCK_ELEMENTS, "cpu", elements)
    captured = layers(*names)
    expected = dense(captured)
    maps = token_maps(captured, SIZE, tokens=TOKENS, dtype=torch.float64)
    torch.testing.assert_close(maps, expected, **DOUBLE)
    first, second = torch.tensor([[[0, 4]], [[5, 5]]]), torch.tensor([[[4]], [[1]]])  # a token may be in both, or twice
    found = chosen_maps(captured, maps, first, second)
    plain = [torch.stack([expected[i, :, some[i, 0]] for i in range(2)]) for some in (first, second)]
    weights = [torch.randn(part.shape, dtype=torch.float64) for part in plain]
    ours = gradients(sum((part * weight).sum() for part, weight in zip(found, weights, strict=True)), captured)
    theirs = gradients(sum((part * weight).sum() for part, weight in zip(plain, weights, strict=True)), captured)
    torch.testing.assert_close(ours, theirs, **DOUBLE)


@pytest.mark.parametrize("resize", ["logits", "maps"])
def test_a_set_that_the_loss_does_not_use_costs_no_gradient(monkeypatch, resize):
    from harness.models.attention import token_maps as module
    columns = []
    whole = module.gradients
    monkeypatch.setattr(module, "gradients", lambda *args: columns.append(args[3].shape[1]) or whole(*args))
    captured = layers("coarse", "fine")
    maps = token_maps(captured, SIZE, tokens=TOKENS, dtype=torch.float64, resize=resize)
    first, second = torch.tensor([[[0, 4]], [[5, 2]]]), torch.tensor([[[4, 1, 3]], [[1, 0, 2]]])
    both = chosen_maps(captured, maps, first, second, resize=resize)
    alone, = chosen_maps(captured, maps, second, resize=resize)
    torch.testing.assert_close(gradients(both[1].square().sum(), captured),
                               gradients(alone.square().sum(), captured), **DOUBLE)
    assert columns == [3, 3, 3, 3]


def test_maps_of_all_tokens_carry_gradients():
    captured = layers("coarse", "fine")
    weights = torch.randn(2, 1, TOKENS, *SIZE, dtype=torch.float64)
    ours = gradients((token_maps(captured, SIZE, tokens=TOKENS, dtype=torch.float64) * weights).sum(), captured)
    torch.testing.assert_close(ours, gradients((dense(captured) * weights).sum(), captured), **DOUBLE)
