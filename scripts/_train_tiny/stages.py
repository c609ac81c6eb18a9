"""The stages by name, each a function of the parsed command line."""

from argparse import Namespace
from dataclasses import fields

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from einops import rearrange
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from _train_tiny import cards_of, data, further, measure, reading, seeing, tiny_sd, vae, zero123plus
from _train_tiny.export import export_tiny_sd, export_tiny_zero123plus
from _train_tiny.text import Captions, make_tokenizer
from _train_tiny.watch import Watch
from harness.data.figures import PALETTE
from harness.data.rendering.bodies import PARTS
from harness.models.loading.folder import load_parts
from harness.models.pipelines.zero123plus import Zero123Plus

SINGLE_VIEWS, SIX_VIEWS = 9000, 2000
HELD_OUT, HELD_OUT_SIX = 150, 24
WATCHED, WATCHED_AT_ONCE = 96, 24
READING_MINUTES, SEEING_MINUTES, FURTHER_MINUTES = 3, 5, 90
CAPTION_WORDS = ("a", "an", "with", "and", "of", "the", "in", "on", ",", ".", "photo", "background", "gray")


def train_vae(arguments: Namespace) -> None:
    """Render the single views and train the autoencoder on them."""
    pictures = data.pictures(arguments.runs, 1, SINGLE_VIEWS)
    model = vae.train(arguments.runs, pictures, arguments.minutes or 7)
    model.save_pretrained(arguments.runs / "vae")
    for stale in arguments.runs.glob("latents-*.pt"):
        stale.unlink()


def load_vae(arguments: Namespace) -> AutoencoderKL:
    """Return the trained autoencoder, frozen."""
    model: AutoencoderKL = AutoencoderKL.from_pretrained(arguments.runs / "vae")
    return model.eval().requires_grad_(False)


def tokenizer_and_captions(arguments: Namespace) -> tuple[CLIPTokenizer, Captions]:
    """Return the tokenizer over the words of captions, and what draws captions with it."""
    parts = " ".join(part for parts in PARTS.values() for part in parts)
    words = [*CAPTION_WORDS, *PALETTE, *data.FAMILIES, *parts.split()]
    tokenizer = make_tokenizer(words, arguments.runs / "tokenizer")
    return tokenizer, Captions(tokenizer.get_vocab(), tuple(PALETTE))


def single_latents(arguments: Namespace, model: AutoencoderKL, pictures: data.Pictures, name: str) -> tiny_sd.Latents:
    """Return every view of ``pictures`` as a picture of its own, in the UNet's scale; encoded once."""
    path = arguments.runs / f"latents-{name}.pt"
    views = pictures.images.shape[1]
    if not path.exists():
        images = rearrange(pictures.images, "n v c h w -> (n v) c h w")
        parts = [vae.encode(model, b.float() / 127.5 - 1) * model.config.scaling_factor for b in images.split(64)]
        torch.save(torch.cat(parts), path)
    return tiny_sd.Latents(torch.load(path, weights_only=True), rearrange(pictures.masks, "n v m h w -> (n v) m h w"),
                           [f for f in pictures.families for _ in range(views)],
                           [p for p in pictures.phrases for _ in range(views)],
                           data.plain_sided(pictures.points_yx).flatten())


def held_out(arguments: Namespace, model: AutoencoderKL) -> tiny_sd.HeldOut:
    """Return single views of the split "card"."""
    pictures = data.pictures(arguments.runs, 1, HELD_OUT, "card")
    return tiny_sd.HeldOut(single_latents(arguments, model, pictures, "card-1"), pictures)


def train_sd(arguments: Namespace) -> None:
    """Train tiny_sd and export it, also along the way."""
    model = load_vae(arguments)
    tokenizer, captions = tokenizer_and_captions(arguments)
    single = single_latents(arguments, model, data.pictures(arguments.runs, 1, SINGLE_VIEWS), "1")
    six = single_latents(arguments, model, data.pictures(arguments.runs, 6, SIX_VIEWS), "6")
    folder = arguments.weights / "tiny_sd"

    def export(unet: torch.nn.Module, text: CLIPTextModel) -> None:
        export_tiny_sd(folder, model, text, tokenizer, arguments.runs / "tokenizer", unet)

    text = tiny_sd.build_text_encoder(captions.vocabulary)
    said = list(zip(single.families, single.phrases, strict=True))
    reading.train(arguments.runs, text, captions, said, READING_MINUTES)
    unet, text, _ = tiny_sd.train(arguments.runs, (single, six), captions, held_out(arguments, model),
                                  arguments.minutes or 50, text, export)
    export(unet, text)


def scaled_latents(arguments: Namespace, model: AutoencoderKL, pictures: data.Pictures, name: str) -> tiny_sd.Latents:
    """Return single views as Zero123++ encodes them."""
    path = arguments.runs / f"latents-zero123plus-{name}.pt"
    if not path.exists():
        parts = [vae.encode(model, zero123plus.scaled(b.float() / 255)) for b in pictures.images[:, 0].split(64)]
        torch.save(zero123plus.scale_latents(torch.cat(parts) * model.config.scaling_factor), path)
    return tiny_sd.Latents(torch.load(path, weights_only=True), pictures.masks[:, 0], pictures.families,
                           pictures.phrases)


def canvas_views(scenes: zero123plus.Canvases) -> tiny_sd.Latents:
    """Return every view of canvases as a picture of its own."""
    return tiny_sd.Latents(
        rearrange(zero123plus.to_views(scenes.latents.float()), "n v c h w -> (n v) c h w"),
        rearrange(scenes.masks, "n v m h w -> (n v) m h w"),
        [f for f in scenes.families for _ in range(6)], [p for p in scenes.phrases for _ in range(6)])


def train_zero123plus(arguments: Namespace) -> None:
    """Train tiny_zero123plus from tiny_sd and export it, also along the way."""
    source, folder = arguments.weights / "tiny_sd", arguments.weights / "tiny_zero123plus"
    model = load_vae(arguments)
    _, captions = tokenizer_and_captions(arguments)
    unet = UNet2DConditionModel.from_pretrained(source / "unet", torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(source / "text_encoder", torch_dtype=torch.float32)
    painter = zero123plus.Painter(unet.train(), text.train(), zero123plus.build_vision_encoder().train(), captions)
    scenes = zero123plus.canvases(model, data.pictures(arguments.runs, 6, SIX_VIEWS))
    single = scaled_latents(arguments, model, data.pictures(arguments.runs, 1, SINGLE_VIEWS), "1")
    card = data.pictures(arguments.runs, 1, HELD_OUT, "card")
    seen = tiny_sd.HeldOut(scaled_latents(arguments, model, card, "card-1"), card)

    def export(made: zero123plus.Painter) -> None:
        export_tiny_zero123plus(folder, source, made.text, made.unet, made.vision, zero123plus.RAMP)

    zero123plus.train(arguments.runs, painter, scenes, (single, canvas_views(scenes)), seen, arguments.minutes or 35,
                      export)


def _opened(arguments: Namespace) -> tuple[zero123plus.Painter, AutoencoderKL]:
    """Return the painter in the folder to start from, and its autoencoder, frozen."""
    start = arguments.start or arguments.weights / "tiny_zero123plus"
    unet = UNet2DConditionModel.from_pretrained(start / "unet", torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(start / "text_encoder", torch_dtype=torch.float32)
    seen = arguments.runs / arguments.name / "vision_encoder"
    vision = CLIPVisionModelWithProjection.from_pretrained(seen if seen.exists() else start / "vision_encoder")
    captions = Captions(CLIPTokenizer.from_pretrained(start / "tokenizer").get_vocab(), tuple(PALETTE))
    vae = AutoencoderKL.from_pretrained(start / "vae", torch_dtype=torch.float32).eval().requires_grad_(False)
    return zero123plus.Painter(unet.train(), text.train(), vision.train(), captions, brief=True), vae


def _watched(arguments: Namespace, vae: AutoencoderKL, count: int) -> tuple[zero123plus.Canvases, data.Pictures]:
    """Return held-out six-view scenes that are not those of the card, encoded and as they are."""
    scenes = data.pictures(arguments.runs, 6, WATCHED, "watch", arguments.threads).first(count)
    return zero123plus.canvases(vae, scenes), scenes


def see_zero123plus(arguments: Namespace) -> None:
    """Teach the vision encoder of tiny_zero123plus to tell the views from the photograph."""
    painter, vae = _opened(arguments)
    scenes = further.Growing(arguments.runs, vae, arguments.threads).grown(arguments.chunks)
    folder = arguments.runs / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    seeing.train(folder, painter.vision, scenes, _watched(arguments, vae, WATCHED)[0],
                 arguments.minutes or SEEING_MINUTES)
    painter.vision.save_pretrained(folder / "vision_encoder")


def further_zero123plus(arguments: Namespace, decay: bool = False) -> None:
    """Train tiny_zero123plus further at a steady rate, to be continued, and export it along the way."""
    painter, vae = _opened(arguments)
    folder = arguments.runs / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    single = scaled_latents(arguments, vae, data.pictures(arguments.runs, 1, SINGLE_VIEWS), "1")
    card = data.pictures(arguments.runs, 1, HELD_OUT, "card")
    seen = tiny_sd.HeldOut(scaled_latents(arguments, vae, card, "card-1"), card)
    scenes = further.Growing(arguments.runs, vae, arguments.threads)
    watched, pictures = _watched(arguments, vae, WATCHED_AT_ONCE)
    mean = data.pictures(arguments.runs, 6, SIX_VIEWS).images.float().mean(0) / 255
    watch = Watch(watched, pictures.images.float() / 255, mean, vae, seen)

    def export(made: zero123plus.Painter) -> None:
        start = arguments.start or arguments.weights / "tiny_zero123plus"
        export_tiny_zero123plus(folder / "export", start, made.text, made.unet, made.vision, zero123plus.RAMP)

    recipe = further.Recipe(**{f.name: getattr(arguments, f.name) for f in fields(further.Recipe)})
    further.train(folder, painter, scenes, (single, canvas_views(scenes.grown(1))), watch, recipe,
                  arguments.minutes or FURTHER_MINUTES, export, decay)


def decay_zero123plus(arguments: Namespace) -> None:
    """Let the learning rate of a copy of the steady run fall to nothing, and export what comes out."""
    further_zero123plus(arguments, decay=True)


def write_card_sd(arguments: Namespace) -> None:
    """Measure tiny_sd and write its card."""
    _, captions = tokenizer_and_captions(arguments)
    scenes = data.pictures(arguments.runs, 1, HELD_OUT, "card")
    cards_of.of_tiny_sd(arguments.weights / "tiny_sd", arguments.runs, captions, scenes, (SINGLE_VIEWS, SIX_VIEWS))


def write_card_zero123plus(arguments: Namespace) -> None:
    """Measure tiny_zero123plus, which came out of the further run, and write its card."""
    scenes = data.pictures(arguments.runs, 6, HELD_OUT_SIX, "card")
    mean = data.pictures(arguments.runs, 6, SIX_VIEWS).images.float().mean(0) / 255
    cards_of.of_tiny_zero123plus(arguments.weights / "tiny_zero123plus", arguments.runs / arguments.name, scenes, mean,
                                 SINGLE_VIEWS)


def score_zero123plus(arguments: Namespace) -> None:
    """Print the scores of the last export of a further run on the card's scenes, and save a picture beside it."""
    folder = arguments.runs / arguments.name
    scenes = data.pictures(arguments.runs, 6, HELD_OUT_SIX, "card", arguments.threads)
    mean = data.pictures(arguments.runs, 6, SIX_VIEWS).images.float().mean(0) / 255
    model = Zero123Plus(load_parts(folder / "export", zero123plus=True), "fp32", "cpu")
    print("another photograph at timestep 600:", measure.condition_gain(model, scenes), flush=True)
    scores, made = measure.canvas_scores(model, scenes, mean)
    print(scores, flush=True)
    cards_of.picture_canvases(scenes, made, folder / "canvases.png")


STAGES = {"vae": train_vae, "sd": train_sd, "zero123plus": train_zero123plus, "card_sd": write_card_sd,
          "card_zero123plus": write_card_zero123plus, "see_zero123plus": see_zero123plus,
          "further_zero123plus": further_zero123plus, "decay_zero123plus": decay_zero123plus,
          "score_zero123plus": score_zero123plus}
