import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from _train_tiny import (
    attention,
    data,
    further,
    grounding,
    loop,
    measure,
    muon,
    reading,
    reference,
    seeing,
    text,
    tiny_sd,
    vae,
    zero123plus,
)

from harness.models.attention.canvas import assemble
from harness.models.pipelines.parts import Condition, Parts
from harness.models.pipelines.zero123plus import Zero123Plus

WORDS = ["a", "an", "with", ",", "biped", "red", "left", "right", "upper", "arm", "head"]
PHRASES = ["red head", "red left upper arm"]


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    tokenizer = text.make_tokenizer(WORDS, tmp_path_factory.mktemp("tokenizer"))
    return tokenizer, text.Captions(tokenizer.get_vocab(), ["red"])


def test_every_word_is_one_token_and_ids_are_the_tokenizers(captions):
    tokenizer, made = captions
    ids, member = made.encode(made.words("biped", PHRASES, [0, 1], coloured=True), 2)
    said = "a biped with a red head, a red left upper arm"
    assert tokenizer(said, padding="max_length").input_ids == ids.tolist()
    assert tokenizer.decode(ids[member[:, 1].bool()]).split() == ["red", "left", "upper", "arm"]


def test_captions_without_colours_keep_the_parts(captions):
    tokenizer, made = captions
    ids, member = made.colourless(["biped"], [PHRASES])
    assert tokenizer.decode(ids[0][member[0, :, 1].bool()]).split() == ["left", "upper", "arm"]
    assert made.vocabulary["red</w>"] not in ids


def test_reading_target_is_the_phrase_so_far(captions):
    _, made = captions
    words = made.words("biped", PHRASES, [0, 1], coloured=True)
    columns = {word: i for i, word in enumerate(WORDS)}
    target, counted = reading.read_so_far(words, "biped", columns, 77)
    last = words.index(("arm", 1)) + 1
    said = {word for word, i in columns.items() if target[last, i]}
    assert said == {"red", "left", "upper", "arm", "biped"}
    assert {word for word, i in columns.items() if target[last - 1, i]} == said - {"arm"}
    assert counted.sum() == 6


def test_plain_sides_are_those_seen_one_way_round():
    # Head above the rest; left limbs to the left of the right ones; the same in a mirror; left limbs above the right.
    parts = torch.full((10, 2), 0.5)
    parts[0] = torch.tensor([0.2, 0.5])
    one, line = parts.clone(), parts.clone()
    one[4::2, 1], one[5::2, 1] = 0.4, 0.6
    line[4::2, 0], line[5::2, 0] = 0.45, 0.55
    mirrored = one.clone()
    mirrored[:, 1] = 1 - one[:, 1]
    shown = data.plain_sided(torch.stack([one, mirrored, line])[None])[0].tolist()
    assert sorted(shown[:2]) == [False, True]
    assert shown[2] is False


def test_noise_levels_weigh_by_their_signal():
    weights = tiny_sd.even_out(tiny_sd.scheduler(), torch.tensor([50, 990]))
    alphas = tiny_sd.scheduler().alphas_cumprod[[50, 990]]
    assert weights.tolist() == pytest.approx(((alphas / (1 - alphas)) ** -0.4).tolist())
    assert weights[1] > 20 * weights[0]


def test_share_of_attention_by_hand():
    # One layer of 2 x 2 positions and two tokens; the part covers the left column of a 2 x 2 grid, top cell half.
    probabilities = torch.tensor([[[0.4, 0.6], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]])
    member = torch.tensor([[[1.0], [0.0]]])
    masks = torch.tensor([[[[0.5, 0.0], [1.0, 0.0]]]])
    share, counted = grounding.shares([probabilities], member, masks)
    assert share[0, 0, 0].item() == pytest.approx((0.4 * 0.5 + 0.2) / 1.0)
    assert counted.tolist() == [[True]]
    loss = grounding.grounding_loss([probabilities], member, masks, torch.tensor([0]))
    assert loss.item() == pytest.approx(-torch.tensor(0.4).log().item())
    assert grounding.grounding_loss([probabilities], member, masks, torch.tensor([900])).item() == 0


def test_hidden_and_unnamed_parts_do_not_count():
    member = torch.tensor([[[1.0, 0.0, 1.0]]])
    masks = torch.stack([torch.ones(2, 2), torch.ones(2, 2), torch.zeros(2, 2)])[None]
    _, counted = grounding.shares([torch.ones(1, 4, 1)], member, masks)
    assert counted.tolist() == [[True, False, False]]


def test_recording_leaves_the_output_and_rows_sum_to_one():
    torch.manual_seed(0)
    unet = tiny_sd.build_unet().eval()
    given = (torch.randn(2, 4, 16, 16), torch.tensor([3, 700]), torch.randn(2, 7, 96))
    with torch.no_grad():
        plain = unet(*given).sample
        kept = grounding.record(unet)
        recorded = unet(*given).sample
    assert torch.allclose(plain, recorded, atol=1e-5)
    assert [tuple(p.shape) for p in kept] == [(2, s, 7) for s in (256, 64, 64, 64, 64, 256, 256)]
    assert all(torch.allclose(p.sum(-1), torch.ones(()), atol=1e-5) for p in kept)


def test_views_of_a_canvas_map():
    views = torch.arange(6).repeat_interleave(16).reshape(1, 6, 1, 4, 4).float()
    canvas = zero123plus.to_canvas(views)
    assert torch.equal(canvas, assemble(views))
    split = zero123plus._by_view(canvas.flatten(2).mT)
    assert split[:, :, 0].tolist() == [[float(v)] * 16 for v in range(6)]


def test_training_pass_is_the_packages_view_pass():
    torch.manual_seed(1)
    unet = tiny_sd.build_unet().eval()
    views, condition, noise = torch.randn(2, 6, 4, 16, 16), torch.randn(2, 4, 16, 16), torch.randn(2, 4, 16, 16)
    states, steps = torch.randn(1, 77, 96), torch.tensor([30, 600])
    scheduler = zero123plus.scheduler()
    with torch.no_grad():
        references = reference.refer(unet)
        reference.set_mode(references, "write")
        unet(scheduler.add_noise(condition, noise, steps), steps, states.expand(2, -1, -1))
        reference.set_mode(references, "read")
        trained = unet(zero123plus.to_canvas(views), steps, states.expand(2, -1, -1)).sample
    model = Zero123Plus.__new__(Zero123Plus)
    parts = Parts(unet, vae.build(), None, None, scheduler, torch.nn.Identity(), (0.0,) * 77)
    model._text_states = lambda: states
    model.__init__(parts, "fp32", "cpu")
    shipped = model.view_pass(views, steps, Condition(condition, None), reference_noise=noise)
    assert torch.allclose(zero123plus.to_views(trained), shipped, atol=1e-4)


def test_normalising_latents_changes_nothing_that_is_decoded():
    model = vae.build().eval().requires_grad_(False)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    before = model.decode(vae.encode(model, images)).sample
    vae.normalise(model, images)
    latents = vae.encode(model, images)
    assert torch.allclose(model.decode(latents).sample, before, atol=1e-4)
    assert torch.allclose((latents * model.config.scaling_factor).std((0, 2, 3)), torch.ones(4), atol=1e-3)


def test_colour_reading_names_shaded_palette_colours():
    images = torch.zeros(1, 3, 64, 64)
    images[0, :, :32] = torch.tensor([0.87, 0.13, 0.13])[:, None, None] * 0.6
    images[0, :, 32:] = torch.tensor([0.14, 0.27, 0.85])[:, None, None]
    found = measure.colours_at(images, torch.tensor([[[0.2, 0.5], [0.9, 0.5]]]))
    names = list(measure.PALETTE)
    assert [names[i] for i in found[0]] == ["red", "blue"]


def test_attention_by_head_is_attention():
    torch.manual_seed(3)
    query, key, value = (torch.randn(2, 2, n, 8, dtype=torch.double, requires_grad=True) for n in (5, 7, 7))
    fused = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(attention.attend(query, key, value), fused)
    assert torch.autograd.gradcheck(attention.attend, (query, key, value))


@pytest.mark.parametrize("shape", [(8, 24), (24, 8)])
def test_muon_moves_along_every_direction_alike(shape):
    torch.manual_seed(4)
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape) * torch.logspace(0, -1, shape[1])
    muon.Muon([weight], 0.1, 0.0).step()
    singular = torch.linalg.svdvals(-weight.detach()) / (0.1 * muon.RMS * 24**0.5)
    assert 0.5 < singular.min() < singular.max() < 1.3
    assert (weight * weight.grad).sum() < 0


def test_muon_takes_convolutions_and_leaves_what_has_no_gradient():
    kernel, idle = torch.nn.Parameter(torch.zeros(4, 2, 3, 3)), torch.nn.Parameter(torch.ones(2, 2))
    kernel.grad = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(5))
    muon.Muon([kernel, idle], 0.1, 0.5).step()
    assert kernel.abs().sum() > 0
    assert torch.equal(idle, torch.ones(2, 2))


def test_rate_stays_or_falls_to_nothing():
    assert loop.steady(0.0) == loop.steady(1.0) == 1
    assert (loop.falling(0.0), loop.falling(1.0)) == (1, 0)
    assert loop.cosine(0.0) == pytest.approx(1)
    assert loop.cosine(1.0) == pytest.approx(0.02)


def _training(folder, name, **options):
    torch.manual_seed(6)
    module = torch.nn.Linear(4, 4)
    run = loop.Training(folder, name, {"module": module}, minutes=1, lr=0.1, orthogonal=[module.weight], **options)
    return module, run


def test_a_stage_goes_on_from_its_checkpoint_or_that_of_another(tmp_path):
    given = torch.ones(2, 4)
    module, run = _training(tmp_path, "steady", rate=loop.steady)
    run.update(module(given).square().mean())
    run.save()
    again, resumed = _training(tmp_path, "steady", rate=loop.steady)
    assert torch.equal(again.weight, module.weight)
    assert resumed.step == 1
    assert resumed.spent_s > 0
    copy, decay = _training(tmp_path, "decay", rate=loop.falling, source=tmp_path / "steady.pt")
    assert torch.equal(copy.weight, module.weight)
    assert (decay.step, decay.spent_s) == (1, 0)
    for one in (module, run), (again, resumed):
        one[1].update(one[0](given).square().mean())
    assert torch.equal(again.weight, module.weight)


def test_scenes_grow_as_they_are_used_up():
    recipe = further.Recipe(chunks=2, most_chunks=4, seen_per_scene=3.0)
    assert [recipe.wanted_chunks(seen) for seen in (0, 11_999, 12_000, 18_000, 10**6)] == [2, 2, 3, 4, 4]


def test_captions_go_with_low_noise_and_with_the_photograph():
    recipe = further.Recipe(canvases=2000, high=0.7, captioned=0.5, unconditional=0.1)
    drawn = recipe.draw(50, torch.Generator().manual_seed(7))
    high = drawn.timesteps >= further.HIGH_FROM
    assert high.float().mean() == pytest.approx(0.7, abs=0.04)
    assert drawn.captioned[~high].float().mean() == pytest.approx(0.5, abs=0.08)
    assert not (drawn.captioned & (high | drawn.dropped)).any()
    assert drawn.dropped.float().mean() == pytest.approx(0.085, abs=0.03)
    assert set(drawn.rows.tolist()) <= set(range(50))


def test_new_colours_are_the_same_for_photograph_and_views():
    images = torch.rand(2, 6, 3, 4, 4)
    orders = torch.tensor([[0, 1, 2], [2, 0, 1]])
    turned = seeing.recoloured(images, orders)
    assert torch.equal(turned[0], images[0])
    assert torch.equal(turned[1], images[1][:, [2, 0, 1]])
    assert torch.equal(seeing.recoloured(images[:, 0], orders), turned[:, 0])


def _scenes(count, first):
    rows = torch.arange(first, first + count)[:, None, None, None]
    return zero123plus.Canvases(
        rows.expand(-1, 4, 48, 32).float(), rows.expand(-1, 4, 16, 16).float(), rows.expand(-1, 3, 64, 64),
        rows[:, None].expand(-1, 6, 3, 16, 16), rows[:, None].expand(-1, 6, 10, 16, 16),
        ["biped"] * count, [[f"scene {i}"] for i in range(first, first + count)], torch.zeros(1, 4, 16, 16))


def test_chunks_of_scenes_are_joined_in_order():
    both = zero123plus.joined([_scenes(2, 0), _scenes(3, 2)])
    assert len(both) == 5
    assert both.latents[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert both.phrases[3] == ["scene 3"]
    assert both.small.shape == (5, 6, 3, 16, 16)
