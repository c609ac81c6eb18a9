"""What capture costs beside a forward pass without gradient: 77 tokens, as many as a text has."""

from typing import Any

import torch

from _bench import _networks
from _bench._turns import paired, turns
from harness.method.optimise import initial_tokens
from harness.models.attention.capture import CapturePass
from harness.models.attention.hooks import Pass
from harness.models.attention.token_maps import token_maps
from harness.models.pipelines.diffusion import for_each

TOKENS = 77


def measure(size: str = "small", rounds: int = 15) -> dict[str, Any]:
    """Return the time of one image's forward pass: bare, with the harness's hooks, with capture, with all maps.

    ``to the last layer`` stops there, as a reading does; all maps are part of that one too.
    """
    scale = _networks.SIZES[size]
    model, bare = _networks.diffusion(scale), _networks.unet(scale)
    layers, side = model.layers(_networks.LAYERS), scale.latent_side
    image = _networks.scenes(scale, 1).latents[:, 0]  # (1 4 h w)
    context = for_each(initial_tokens(TOKENS, scale.width, 0)[None].to(image), 1)

    def captured(*, whole: bool) -> CapturePass:
        return CapturePass(layers, (side, side), whole=whole)

    def maps(current: CapturePass) -> None:
        token_maps(current.captured, (scale.map_side, scale.map_side), tokens=TOKENS)

    def all_maps() -> None:
        current = captured(whole=True)
        model._run(image, 0, context, current)
        maps(current)

    def to_the_last() -> None:
        maps(model.keypoint_pass(image[:, None], context[0], 0, layers=layers, canvas=False))

    with torch.no_grad():
        seconds = turns({
            "bare forward": lambda: bare(image, 0, encoder_hidden_states=context),
            "hooks": lambda: model._run(image, 0, context, Pass()),
            "capture": lambda: model._run(image, 0, context, captured(whole=True)),
            "capture and all maps": all_maps, "to the last layer, all maps": to_the_last,
        }, rounds)
    return {"groups": {f"{size}, {TOKENS} tokens": paired("bare forward", seconds)}}
