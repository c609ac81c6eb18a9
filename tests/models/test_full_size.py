"""The published UNets at full size with random weights on a CPU: one step of each pass, and the sizes it runs at."""

import resource

import pytest
import torch
from torch import nn

from harness import registry
from harness.method.passes import Passes
from harness.models.attention.groups import Beside
from harness.models.attention.token_maps import token_maps
from harness.models.pipelines.diffusion import Diffusion
from harness.models.pipelines.parts import Condition, Parts
from harness.models.pipelines.zero123plus import Zero123Plus
from tests.conftest import small_spec

pytestmark = [pytest.mark.slow, pytest.mark.huge, pytest.mark.timeout(7200)]

LEVELS = {"layers_per_block": 2, "block_out_channels": (320, 640, 1280, 1280), "norm_num_groups": 32,
          "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
          "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3}
SD15 = LEVELS | {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
ZERO123PLUS = LEVELS | {"sample_size": 96, "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20],
                        "use_linear_projection": True}
TEXT, TOKENS = 77, 16
GIGABYTES = 20


class Tokenizer:
    model_max_length = TEXT

    def __call__(self, texts, **options):
        return type("Ids", (), {"input_ids": torch.zeros(1, TEXT, dtype=torch.long)})


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, ids):
        return (torch.zeros(1, TEXT, self.width),)


def parts(settings, **extra):
    from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    scheduler = EulerAncestralDiscreteScheduler(prediction_type="v_prediction" if extra else "epsilon")
    encoder = Encoder(settings["cross_attention_dim"])
    return Parts(UNet2DConditionModel(**settings), AutoencoderKL(), encoder, Tokenizer(), scheduler, **extra)


class Sizes:
    """(positions that ask, positions that are asked) of every attention layer, in the order in which they run."""

    def __init__(self, unet):
        self.seen = []
        for name, module in unet.named_modules():
            if name.endswith(("attn1", "attn2")):
                self._watch(name[-5:], module)

    def _watch(self, kind, module):
        asking = []
        module.to_q.register_forward_hook(lambda _, given, output: asking.append(given[0].shape[1]))
        module.to_k.register_forward_hook(
            lambda _, given, output: self.seen.append((kind, asking[-1], given[0].shape[1])))

    def take(self, kind):
        found = {(asking, asked) for which, asking, asked in self.seen if which == kind}
        return sorted(found, reverse=True)


def assert_memory():
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < GIGABYTES * 2**20


def test_stable_diffusion():
    model = Diffusion(parts(SD15), "fp32", "cpu")
    sizes = Sizes(model.unet)
    assert sum(p.numel() for p in model.unet.parameters()) == 859_520_964
    assert len(model.up_layers) == 9
    tokens = torch.randn(TOKENS, model.width, requires_grad=True)
    noisy = torch.randn(1, 1, 4, 64, 64)
    passed = model.keypoint_pass(noisy, tokens, 0, layers=model.up_layers, canvas=False, beside=Beside(text=True))
    assert [layer.size for layer in passed.captured] == [(16, 16)] * 3 + [(32, 32)] * 3 + [(64, 64)] * 3
    assert sizes.take("attn2") == [(4096, 93), (1024, 93), (256, 93), (64, 93)]  # 77 of text and 16 tokens
    maps = token_maps(passed.captured[:4], (128, 128), tokens=TOKENS)
    assert maps.shape == (1, 1, TOKENS, 128, 128)
    maps.square().mean().backward()
    assert tokens.grad.isfinite().all()
    assert (tokens.grad != 0).all(1).all()
    assert_memory()


@pytest.fixture(scope="module")
def canvas():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    vision = CLIPVisionModelWithProjection(CLIPVisionConfig(num_hidden_layers=1, projection_dim=1024))
    model = Zero123Plus(parts(ZERO123PLUS, vision_encoder=vision, ramp=(0.5,) * TEXT), "fp32", "cpu")
    assert sum(p.numel() for p in model.unet.parameters()) == 865_910_724
    return model, Sizes(model.unet)


def test_zero123plus_paints_with_tokens(canvas):
    model, sizes = canvas
    sizes.seen.clear()
    passes = Passes(model, registry.build("fusion", "concat"), small_spec(fusion="concat"))
    condition = Condition(torch.randn(1, 4, 64, 64), torch.randn(1, 1024))
    maps, tokens = torch.rand(1, 6, TOKENS, 32, 32), torch.randn(TOKENS, model.width)
    noisy = torch.randn(1, 6, 4, 40, 40)
    with torch.no_grad():
        found, _ = passes.view(noisy, torch.tensor([500]), condition, torch.randn_like(condition.latents), maps=maps,
                               tokens=tokens, gates={})
    assert found.shape == noisy.shape
    assert found.isfinite().all()
    layers = len(model.hooks.names)
    referring, painting = sizes.seen[:layers], sizes.seen[layers:]
    sizes.seen = referring
    assert sizes.take("attn1") == [(4096, 4096), (1024, 1024), (256, 256), (64, 64)]
    assert sizes.take("attn2") == [(4096, 77), (1024, 77), (256, 77), (64, 77)]
    sizes.seen = painting
    assert sizes.take("attn1") == [(9600, 9600 + 4096), (2400, 2400 + 1024), (600, 600 + 256), (150, 150 + 64)]
    assert sizes.take("attn2") == [(9600, 93), (2400, 93), (600, 93), (150, 93)]
    assert_memory()


def test_zero123plus_finds_keypoints_on_the_canvas(canvas):
    model, sizes = canvas
    sizes.seen.clear()
    tokens = torch.randn(TOKENS, model.width, requires_grad=True)
    layers = model.layers([0, 1, 2, 3])
    passed = model.keypoint_pass(torch.randn(1, 6, 4, 40, 40), tokens, 50, layers=layers, canvas=True)
    assert [layer.size for layer in passed.captured] == [(30, 20)] * 3 + [(60, 40)]
    maps = token_maps(passed.captured, (32, 32), tokens=TOKENS, views=6)
    assert maps.shape == (1, 6, TOKENS, 32, 32)
    maps.square().mean().backward()
    assert tokens.grad.isfinite().all()
    assert_memory()
