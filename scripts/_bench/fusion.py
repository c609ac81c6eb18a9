"""What each fusion costs: its view pass on the canvas of six views, beside the view pass without tokens."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from _bench import _networks
from _bench._turns import Run, device, paired, turns
from harness import registry
from harness.method.optimise import initial_tokens
from harness.method.passes import Passes
from harness.models.attention.canvas import assemble
from harness.models.pipelines.parts import Condition
from harness.registry import build

VIEWS, TOKENS = 6, 16


def measure(size: str = "small", rounds: int = 9) -> dict[str, Any]:
    """Return the time of one canvas for each fusion, without gradient, and of one fusion with gradient."""
    scale = _networks.SIZES[size]
    model, bare = _networks.diffusion(scale), _networks.unet(scale)
    noisy = _networks.scenes(scale, 1, VIEWS).latents  # (1 6 4 h w)
    canvas = assemble(noisy)
    level = torch.tensor([500], device=device())
    maps = torch.rand(1, VIEWS, TOKENS, scale.map_side, scale.map_side).to(noisy)
    tokens = initial_tokens(TOKENS, scale.width, 0).to(noisy)
    spec = _networks.spec(scale, TOKENS, view_pass="canvas")

    def pass_of(name: str) -> tuple[Passes, Mapping[str, Tensor]]:
        fusion = build("fusion", name)
        return Passes(model, fusion, spec), {key: gate.to(device()) for key, gate in fusion.gates(scale.width).items()}

    def view(passes: Passes, gates: Mapping[str, Tensor], chosen: Tensor) -> Tensor:
        return passes.view(noisy, level, Condition(), None, maps=maps, tokens=chosen, gates=gates)[0]

    def without_gradient(name: str) -> Run:
        passes, gates = pass_of(name)

        def run() -> None:
            with torch.no_grad():
                view(passes, gates, tokens)

        return run

    def with_gradient(name: str) -> Run:
        passes, gates = pass_of(name)
        live = tokens.clone().requires_grad_()
        return lambda: view(passes, gates, live).square().mean().backward()

    def forward() -> None:
        with torch.no_grad():
            bare(canvas, level, encoder_hidden_states=model.text)

    seconds = turns({"bare forward": forward, **{name: without_gradient(name) for name in registry.names("fusion")},
                     "concat with gradient": with_gradient("concat")}, rounds)
    return {"groups": {f"{size}, canvas of {VIEWS} views, {TOKENS} tokens": paired("bare forward", seconds)}}
