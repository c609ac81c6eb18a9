"""One optimisation step against StableKeypoints' own way, and against the floor: forward to the exit and backward.

Every case has an image and its warped copy, and a process of its own. ``ours`` and the reference compute the same: it
is checked first that both rank, choose and map tokens alike, with the same gradients. ``maps`` is our step with
``resize: maps``, a cheaper and different quantity. Autoencoders are left out: latents are at hand in every case.
"""

from typing import Any

import torch
from torch import Tensor, nn

from _bench import _networks, _reference
from _bench._turns import Run, device, gain, once, paired, turns_of_processes
from harness.method.forward import draw_batch, forward
from harness.method.losses.base import Loss
from harness.method.optimise import initial_tokens, optimise
from harness.method.selection.gaussian_fps import GaussianFps
from harness.models.pipelines.parts import Condition
from harness.ops.tensors import generator
from harness.registry import build

# Of maps and of divergences in nats, absolute; of gradients, relative to the largest. Tokens that lie closer than that
# in the ranking may change places by rounding, so from the candidates on both go on with ours.
TOLERANCE = {"maps_apart": 1e-5, "gradients_apart": 1e-4, "ranks_apart": 1e-5}
CANDIDATES = 25
GOALS = {("small", 100): {"faster": 7.0, "less_memory": 9.0}, ("small", 500): {"faster": 9.0, "less_memory": 15.0},
         ("sd15", 500): {"faster": 4.5, "less_memory": 8.0, "to_plain_forward": 1.45}}


def measure(size: str = "small", tokens: tuple[int, ...] = (100, 500), rounds: int = 3) -> dict[str, Any]:
    """Return, for each number of tokens, each case's time and memory, and our gain on the reference."""
    groups, gains = {}, {}
    for count in tokens:
        title = f"{size}, {count} tokens"
        agreement = once(check, size=size, tokens=count)
        arguments = {"size": size, "tokens": count}
        seconds, megabytes = turns_of_processes({
            "plain forward": (plain, arguments), "floor": (floor, arguments), "ours": (ours, arguments),
            "maps": (ours, {**arguments, "resize": "maps"}), "reference": (reference, arguments),
        }, rounds, one_at_a_time=size == "sd15")
        groups[title] = paired("plain forward", seconds, megabytes)
        gains[title] = {
            "faster": gain(seconds, "reference", "ours"),
            "less_memory": round(megabytes["reference"] / max(megabytes["ours"], 0.1), 2),
            "to_plain_forward": gain(seconds, "ours", "plain forward"), "to_floor": gain(seconds, "ours", "floor"),
            "goal": GOALS.get((size, count), {}), **agreement,
        }
    return {"groups": groups, "gains": gains}


def losses() -> dict[str, Loss]:
    """Return StableKeypoints' two terms with its weights."""
    return {"sharpening": build("losses", "sharpening", {"weight": 100.0}),
            "equivariance": build("losses", "equivariance", {"weight": 1000.0, "border": "zeros"})}


def plain(size: str, tokens: int) -> Run:
    """The whole UNet, without hooks and without gradient."""
    scale = _networks.SIZES[size]
    unet, (views, _) = _networks.unet(scale), _noisy(scale)
    context = initial_tokens(tokens, scale.width, 0).to(device()).expand(2, -1, -1)

    def run() -> None:
        with torch.no_grad():
            unet(views, 0, encoder_hidden_states=context)

    return run


def floor(size: str, tokens: int) -> Run:
    """The UNet to the last captured layer, and back from its queries and keys to the tokens; no map."""
    scale = _networks.SIZES[size]
    passes, (views, _) = _networks.passes(scale, tokens), _noisy(scale)
    embeddings = nn.Parameter(initial_tokens(tokens, scale.width, 0).to(device()))

    def run() -> None:
        captured = passes.keypoint(views[:, None], embeddings, Condition()).captured
        states = [state for layer in captured for state in (layer.query, layer.key) if state.requires_grad]
        torch.autograd.backward(states, [torch.ones_like(state) for state in states])
        embeddings.grad = None

    return run


def ours(size: str, tokens: int, resize: str = "logits") -> Run:
    """One step of the harness, from drawing scenes to Adam's update."""
    scale = _networks.SIZES[size]
    passes, split = _networks.passes(scale, tokens, resize=resize), _networks.scenes(scale)
    terms, selection = losses(), GaussianFps(candidates=CANDIDATES)
    return lambda: optimise(passes, split, selection, terms, lambda step: None)


def reference(size: str, tokens: int) -> Run:
    """One step in StableKeypoints' way."""
    scale = _networks.SIZES[size]
    unet, (views, theta) = _networks.unet(scale), _noisy(scale)
    store, settings = _reference.hook(unet, scale.map_side), _networks.spec(scale, tokens)
    embeddings = nn.Parameter(initial_tokens(tokens, scale.width, 0).to(device()))
    adam = torch.optim.Adam([embeddings], lr=settings.learning_rate)

    def run() -> None:
        found = _reference.loss(unet, store, (views[:1], views[1:]), theta, embeddings, sigma=settings.sigma_px,
                                candidates=CANDIDATES, keypoints=settings.keypoints)
        adam.zero_grad(set_to_none=True)
        found.loss.backward()
        adam.step()
        store.maps.clear()

    return run


def check(size: str, tokens: int) -> dict[str, float]:
    """Return how far our maps and gradients are from the reference's; raise RuntimeError if they are not the same."""
    scale = _networks.SIZES[size]
    passes, split, chosen = _networks.passes(scale, tokens), _networks.scenes(scale), Watched(candidates=CANDIDATES)
    embeddings = nn.Parameter(initial_tokens(tokens, scale.width, 0).to(device()))
    batch = draw_batch(passes, split, generator("optimise", 0), None)
    inputs = forward(passes, split, chosen, embeddings, {}, batch)
    torch.stack([term.weight * term(inputs) for term in losses().values()]).sum().backward()
    our_gradient, embeddings.grad = embeddings.grad, None
    noisy = passes.model.noised(batch.clean, batch.noise, 0)[:, 0, 0]  # (2 1 1 4 h w) -> (2 4 h w)
    unet = _networks.unet(scale)
    assert batch.theta is not None
    found = _reference.loss(unet, _reference.hook(unet, scale.map_side), (noisy[:1], noisy[1:]), batch.theta[0, 0],
                            embeddings, sigma=passes.spec.sigma_px, candidates=CANDIDATES,
                            keypoints=passes.spec.keypoints, best=chosen.best)
    found.loss.backward()
    assert our_gradient is not None
    assert embeddings.grad is not None
    apart = {"maps_apart": float((chosen.maps - found.maps.detach()).abs().max()),
             "gradients_apart": float((our_gradient - embeddings.grad).abs().max() / embeddings.grad.abs().max()),
             "ranks_apart": _ranks_apart(found.divergence.detach(), chosen.best)}
    if chosen.picked != found.chosen.tolist() or any(value > TOLERANCE[name] for name, value in apart.items()):
        raise RuntimeError(f"our step is not the reference's: tokens {chosen.picked} and {found.chosen.tolist()}, "
                           f"{apart}, tolerance {TOLERANCE}")
    return {name: float(f"{value:.2g}") for name, value in apart.items()}


def _ranks_apart(divergence: Tensor, best: Tensor) -> float:
    """Return how much less like a Gaussian our candidates are than the reference's, rank by rank at most."""
    ours, theirs = divergence[best], divergence.sort().values[:len(best)]
    return float((ours - theirs).abs().max())


class Watched(GaussianFps):
    """A selection that keeps, of the first view, all maps, the candidates and the choice."""

    maps: Any = None
    best: Any = None
    picked: Any = None

    def __call__(self, maps: Any, spread: Any, **settings: Any) -> Any:
        """Return and keep the choice."""
        chosen = super().__call__(maps, spread, **settings)
        best = self.ranking(maps, settings["sigma_px"])[0, 0, :self.candidates]
        for name, value in {"maps": maps[0, 0], "best": best, "picked": chosen[0, 0].tolist()}.items():
            object.__setattr__(self, name, value)
        return chosen


def _noisy(scale: _networks.Size) -> tuple[Tensor, Tensor]:
    """Return an image and its warped copy (2 4 h w), and the warp (2 3)."""
    split = _networks.scenes(scale)
    assert split.warped is not None
    assert split.theta is not None
    return torch.cat([split.latents[0], split.warped[0, 0]]), split.theta[0, 0, 0]
