import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from _train_tiny import data, grounding, measure, reading, reference, text, tiny_sd, vae, zero123plus

from harness.models.attention.canvas import assemble
from harness.models.pipelines.diffusion import Condition, Parts
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
