"""What every way of fusing tokens keeps to, found by file name."""

import pytest
import torch

from harness import registry
from harness.method.fusion.base import Guidance
from harness.method.passes import Passes
from harness.models.attention.fused import Layout, layer_maps
from harness.models.pipelines.parts import Condition
from tests.conftest import open_session, small_spec

FUSIONS = registry.names("fusion")
MODELS = ("tiny_zero123plus", "tiny_sd", "tiny_zero123plus_weights")


def passes(model, fusion, **settings):
    spec = small_spec(model, fusion, **settings)
    session = open_session(spec)
    return Passes(session.model, registry.build("fusion", fusion, settings.get("fusion_knobs")), spec), session


def scene(passes, session):
    split = session.encoder.split("test", 3)
    draws = torch.Generator().manual_seed(0)
    clean = split.latents[:2]
    noise, reference = torch.randn(clean.shape, generator=draws), torch.randn(clean[:, 0].shape, generator=draws)
    tokens = torch.randn(4, passes.model.width, generator=draws)
    maps = torch.rand(*clean.shape[:2], 4, 16, 16, generator=draws)
    level = torch.tensor([300, 600])
    return split.condition[:2], passes.model.noised(clean, noise, level), level, reference, maps, tokens


def predict(passes, seen, tokens=None, maps=None, gates=None):
    condition, noisy, level, reference, own_maps, own_tokens = seen
    tokens = own_tokens if tokens is None else tokens
    return passes.view(noisy, level, condition, reference, maps=own_maps if maps is None else maps, tokens=tokens,
                       gates=passes.fusion.gates(passes.model.width) if gates is None else gates)[0]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_strength_zero_is_exactly_the_baseline(fusion, model, random_models):
    silent, session = passes(model, fusion, fusion_knobs={"strength": 0.0})
    seen = scene(silent, session)
    condition, noisy, level, reference, *_ = seen
    assert torch.equal(predict(silent, seen), silent.view(noisy, level, condition, reference)[0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name != "none"])
def test_full_strength_changes_the_views_and_is_deterministic(fusion, model, random_models):
    loud, session = passes(model, fusion)
    seen = scene(loud, session)
    plain = loud.view(seen[1], seen[2], seen[0], seen[3])[0]
    first = predict(loud, seen)
    assert first.shape == seen[1].shape
    assert torch.equal(first, predict(loud, seen))
    assert (first - plain).abs().max() > 1e-6


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_strength_between_the_ends_is_finite_and_acts(fusion, strength, model, random_models):
    way, session = passes(model, fusion, fusion_knobs={"strength": strength})
    seen = scene(way, session)
    output = predict(way, seen)
    plain = way.view(seen[1], seen[2], seen[0], seen[3])[0]
    assert output.isfinite().all()
    assert bool((output - plain).abs().max() > 1e-7) == (fusion != "none")


def layer_output(fusion, strength, size=10):
    """One layer's output over real attention, with a context of 7 and tokens of 3."""
    draws = torch.Generator().manual_seed(3)
    way = registry.build("fusion", fusion, {"strength": strength})
    query, context = torch.randn(2, size, 8, generator=draws), torch.randn(2, 7, 8, generator=draws)
    tokens, maps = torch.randn(3, 8, generator=draws), torch.rand(2, 3, size, generator=draws)
    guidance = Guidance(tokens, maps / maps.sum(-1, keepdim=True), torch.rand(2, 3, generator=draws) + 0.1)

    def attend(states, bias=None, change=None):
        logits = query @ states.mT * 8**-0.5
        probabilities = (logits if bias is None else logits + bias).softmax(-1)
        return (probabilities if change is None else change(probabilities[:, None])[:, 0]) @ states

    return way(attend, context, guidance, way.gates(8)).detach()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_strength_between_the_ends_lies_between_them(fusion):
    ends = torch.stack([layer_output(fusion, 0.0), layer_output(fusion, 1.0)])
    before = ends[0]
    for strength in (0.25, 0.5, 0.75):
        output = layer_output(fusion, strength)
        assert (output >= ends.amin(0) - 1e-6).all()
        assert (output <= ends.amax(0) + 1e-6).all()
        assert ((output - ends[0]).abs() >= (before - ends[0]).abs() - 1e-6).all()  # it grows with the strength
        before = output


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_output_is_continuous_at_both_ends(fusion):
    for end, near in ((0.0, (1e-2, 1e-4, 1e-6)), (1.0, (1 - 1e-2, 1 - 1e-4, 1 - 1e-6))):
        far = [float((layer_output(fusion, strength) - layer_output(fusion, end)).abs().max()) for strength in near]
        assert far[2] < 1e-4
        assert far == sorted(far, reverse=True)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_gradients_reach_tokens_and_gates_and_nothing_else(fusion, random_models):
    loud, session = passes("tiny_zero123plus", fusion)
    seen = scene(loud, session)
    tokens = seen[5].clone().requires_grad_()
    maps = seen[4].clone().requires_grad_()
    gates = loud.fusion.gates(loud.model.width)
    output = predict(loud, seen, tokens, maps, gates)
    if output.requires_grad:
        output.square().sum().backward()
    reaches = fusion not in ("none", "spatial")  # these act through detached maps, or not at all
    assert (tokens.grad is not None and bool(tokens.grad.abs().sum() > 0)) == reaches
    assert maps.grad is None
    assert all(gate.grad is not None for gate in gates.values())
    assert all(weight.grad is None for weight in loud.model.unet.parameters())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_layer_keeps_its_shape(fusion):
    way = registry.build("fusion", fusion)
    guidance = Guidance(torch.randn(3, 8), torch.full((2, 3, 10), 0.1), torch.rand(2, 3) + 0.1)
    contexts = []

    def attend(context, bias=None, change=None):
        contexts.append(context.shape)
        return torch.randn(2, 10, 6)

    assert way(attend, torch.randn(2, 7, 8), guidance, way.gates(8)).shape == (2, 10, 6)
    assert all(shape[0] == 2 and shape[2] == 8 for shape in contexts)


def test_maps_land_in_the_right_place_of_the_canvas():
    maps = torch.zeros(1, 6, 1, 8, 8)
    maps[0, 3, 0] = 1.0  # view 3: row 1, column 1
    on_canvas = layer_maps(maps, Layout(6, True, (12, 8)), (12, 8)).reshape(12, 8)
    assert on_canvas[4:8, 4:8].sum() == pytest.approx(1.0)
    assert on_canvas.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("view_pass", ["canvas", "batch"])
def test_attention_answers_where_a_view_is_painted(view_pass):
    """A figure painted into one of six empty views changes the tokens' maps there."""
    looking, session = passes("tiny_sd", "none", view_pass=view_pass, data={"side_px": 64})
    scene = session.data.scene("test", 0)
    empty = torch.full_like(scene.views[None], 0.5)
    images = empty.clone()
    images[:, 3] = scene.views[3]
    tokens = torch.randn(8, looking.model.width, generator=torch.Generator().manual_seed(2))
    without, painted = (looking.maps(looking.model.encode(views), tokens, Condition()) for views in (empty, images))
    answer = (painted - without).abs().mean((0, 2, 3, 4))
    others = answer[[0, 1, 2, 4, 5]].max()
    assert others < answer[3]
    if view_pass == "batch":  # on the canvas, self-attention tells every view of the others
        assert others == 0
