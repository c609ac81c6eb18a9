"""Estimate what a trial costs on GPUs that are not here: memory, and trials per hour. Nothing of it is measured.

    python scripts/gpu_cost.py        # the tables of docs/performance.md

Time is UNet and autoencoder operations over an assumed share of a GPU's peak; maps, losses and waits are in that share.
Memory is the frozen weights, what a step keeps for its backward pass, maps of all tokens, and encoded scenes. Two
constants were fitted to steps measured on a CPU, see `tests/scripts/test_gpu_cost.py`; the operations were counted.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.config.load import load
from harness.config.spec import TrialSpec
from harness.runner.unet_images import FIRST, FURTHER, AtHand, PerScene, unet_images

PRESETS = Path(__file__).resolve().parents[1] / "experiments" / "gpu"
GB = 1e9
KEPT = 30  # values that a block keeps for the backward pass, for each of its outputs' values; fitted
WORKING = 25e6  # bytes for maps' blocks; fitted
VAE_BYTES = 4096  # for each pixel while an image is encoded or decoded: eight float32 images of 128 channels
ENCODE_GFLOP = 1117 / 512**2  # for each pixel
RESERVED = (0.5 * GB, 1.1)  # of the GPU for CUDA itself, and factor for memory that lies in pieces
WITH_GRADIENT = 2.3  # a view pass with gradient, in passes without


@dataclass(frozen=True)
class Network:
    """A UNet with its autoencoder and vision encoder: parameters, channels by level, latent sides, views on an image.

    ``gflop`` is of a whole forward pass; a condition image takes the share ``condition`` of one more in the view pass.
    """

    unet: float
    vae: float
    vision: float
    channels: tuple[int, int, int, int]
    latent: tuple[int, int]
    views: int
    gflop: float
    condition: float = 0.0

    @property
    def pixels(self) -> int:
        """Pixels of all views."""
        return 64 * self.latent[0] * self.latent[1]

    def values(self, exit_layer: int | None) -> float:
        """Return the values of all blocks' outputs for an image, up to a captured layer of the up path, None: all."""
        rows, columns = self.latent
        level = [channels * rows * columns / float(4**number) for number, channels in enumerate(self.channels)]
        blocks = 9 if exit_layer is None else exit_layer + 1  # three with attention on each level but the lowest
        up = sum(level[2 - number // 3] for number in range(blocks))
        return 2 * sum(level) + level[3] + 3 * level[3] + up


SD15 = Network(859.5e6, 83.7e6, 0, (320, 640, 1280, 1280), (64, 64), 1, 803)
ZERO123PLUS = Network(865.9e6, 83.7e6, 632e6, (320, 640, 1280, 1280), (120, 80), 6, 2333, condition=1 / 6)
EXIT = {0: 0.42, 1: 0.46, 2: 0.5, 3: 0.63, 5: 0.7, 8: 0.98}  # of a forward pass, up to a layer; 3: 1008 GFLOP and back


@dataclass(frozen=True)
class Gpu:
    """A GPU: its memory, assumed peaks in TFLOP/s in float32 (without TF32) and half precision, and shares reached."""

    name: str
    memory: float
    fp32: float
    half: float
    reached: tuple[float, float] = (0.4, 0.3)

    def gflops(self, precision: str) -> float:
        """Return GFLOP per second."""
        return 1000 * (self.fp32 * self.reached[0] if precision == "fp32" else self.half * self.reached[1])


GPUS = (Gpu("8 GB (as RTX 4060)", 8 * GB, 15, 30), Gpu("24 GB (as RTX 4090)", 24 * GB, 83, 165),
        Gpu("80 GB (as A100)", 80 * GB, 19.5, 312))


def memory(spec: TrialSpec, network: Network, micro_batch: int = 0, *, small: bool = False) -> dict[str, float]:
    """Return bytes by part; ``small``: the encoders wait outside the GPU (HARNESS_SMALL_GPU=1)."""
    size = 4 if spec.precision in ("fp32", "tf32") else 2
    batch = min(micro_batch or spec.scenes_per_step, spec.scenes_per_step)
    acts = spec.fusion.name != "none" and any(loss.name == "nvs" for loss in spec.losses)
    values = 2 * network.values(max(spec.layers)) + (network.values(None) if acts else 0)
    one = spec.tokens * network.views * spec.map_side**2 * (2 if spec.precision == "fp16" else 4)
    latents = 16 * network.latent[0] * network.latent[1]
    return {
        "weights": size * network.unet + (0 if small else 4 * (network.vae + network.vision)),
        "step": KEPT * size * values * batch,
        # All scenes' maps, of view and copy, wait for the choice; one part's are summed over layers beside them.
        "maps": 2 * one * (spec.scenes_per_step + 3 * batch) + WORKING,
        "scenes": latents * encoded_images(spec),
    }


def encoded_images(spec: TrialSpec) -> int:
    """Return the images that a trial encodes, copies included; a scene's views are one."""
    copied = min(spec.copies_scenes or spec.fit_scenes, spec.fit_scenes)
    views = spec.optimise_scenes * (1 + spec.warp_bank) + spec.fit_scenes + spec.test_scenes
    return views + (copied + spec.test_scenes) * spec.localise_copies


def needed(spec: TrialSpec, network: Network, micro_batch: int = 0, *, small: bool = False) -> float:
    """Return the bytes of a GPU that a trial needs: of a step, or of the autoencoder if that takes more."""
    parts = memory(spec, network, micro_batch, small=small)
    coding = VAE_BYTES * network.pixels / (1 if spec.generated_scenes else network.views)
    coding += 4 * network.vae * small
    peak = parts["weights"] + parts["scenes"] + max(parts["step"] + parts["maps"], coding)
    return RESERVED[0] + RESERVED[1] * peak


def hours(spec: TrialSpec, network: Network, gpu: Gpu, at_hand: AtHand, micro_batch: int = 0) -> float:
    """Return the hours of a trial; the first one also encodes its scenes, in float32."""
    seconds = gflop(spec, network, at_hand, micro_batch) / gpu.gflops(spec.precision)
    if at_hand == FIRST:
        seconds += encoded_images(spec) * ENCODE_GFLOP * network.pixels / gpu.gflops("fp32")
    return seconds / 3600


def gflop(spec: TrialSpec, network: Network, at_hand: AtHand, micro_batch: int = 0) -> float:
    """Return the operations of a trial's passes through the UNet."""
    exit_pass = network.gflop * EXIT[max(spec.layers)]
    keypoint, view, reference = (
        unet_images(spec, PerScene(*passes, has_truth=network.condition > 0), at_hand, micro_batch)
        for passes in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    backward = spec.steps * min(spec.scenes_per_step, spec.optimise_scenes) * 2
    total = (sum(keypoint.values()) + backward) * exit_pass
    total += (sum(view.values()) + sum(reference.values()) * network.condition) * network.gflop
    if spec.fusion.name != "none":
        total += (WITH_GRADIENT - 1) * view["optimise, view pass"] * network.gflop
    return total


def fitting(spec: TrialSpec, network: Network, room: float) -> tuple[int, bool] | None:
    """Return the largest micro-batch (0: none needed) and whether encoders must wait outside; None if nothing fits."""
    for small in (False, True):
        for micro_batch in (0, *(n for n in (8, 4, 2, 1) if n < spec.scenes_per_step)):
            if needed(spec, network, micro_batch, small=small) <= room:
                return micro_batch, small
    return None


def trials() -> dict[str, tuple[TrialSpec, Network]]:
    """Return a trial of two shipped experiments, with its network."""
    celeba = load(PRESETS / "stablekeypoints_celeba.yaml").trials[0]
    painting = next(trial for trial in load(PRESETS / "generation.yaml").trials
                    if trial.fusion.name == "concat" and trial.fusion.knobs["strength"] == 1)
    return {"stablekeypoints_celeba": (celeba, SD15), "generation": (painting, ZERO123PLUS)}


def costs() -> Iterator[tuple[str, ...]]:
    """Yield the rows of the first table."""
    yield "GPU", "trial", "precision", "GB", "to fit", "GB then", "first trial, hours", "further trials per hour"
    for gpu in GPUS:
        for name, (spec, network) in trials().items():
            for precision in ("fp32", "bf16"):
                yield gpu.name, name, precision, *_cost(gpu, replace(spec, precision=precision), network)


def _cost(gpu: Gpu, spec: TrialSpec, network: Network) -> tuple[str, ...]:
    whole, found = f"{needed(spec, network) / GB:.1f}", fitting(spec, network, gpu.memory)
    if found is None:
        return whole, "does not fit", "", "", ""
    micro_batch, small = found
    turned = [f"{micro_batch} scenes a backward pass"] * (micro_batch > 0) + ["HARNESS_SMALL_GPU=1"] * small
    first, further = (hours(spec, network, gpu, at_hand, micro_batch) for at_hand in (FIRST, FURTHER))
    return (whole, ", ".join(turned) or "nothing", f"{needed(spec, network, micro_batch, small=small) / GB:.1f}",
            f"{first:.2g}", f"{1 / further:.2g}")


def turns() -> Iterator[tuple[str, ...]]:
    """Yield the rows of the second table: what each setting alone saves."""
    yield "turned alone", "stablekeypoints_celeba, GB", "generation, GB"
    changes: dict[str, Callable[[TrialSpec], TrialSpec]] = {
        "nothing": lambda spec: spec,
        "`precision: bf16`": lambda spec: replace(spec, precision="bf16"),
        "`tokens: 100`": lambda spec: replace(spec, tokens=100),
        "half of `map_side`": lambda spec: replace(spec, map_side=spec.map_side // 2),
        "half of `fit_scenes` and `copies_scenes`": lambda spec: replace(
            spec, fit_scenes=spec.fit_scenes // 2, copies_scenes=spec.copies_scenes // 2),
        "`layers: [0]`": lambda spec: replace(spec, layers=(0,)),
    }
    for name, change in changes.items():
        yield name, *(f"{needed(change(spec), network) / GB:.1f}" for spec, network in trials().values())
    for name, batch, small in (("1 scene a backward pass", 1, False), ("`HARNESS_SMALL_GPU=1`", 0, True)):
        yield name, *(f"{needed(spec, network, batch, small=small) / GB:.1f}" for spec, network in trials().values())


def table(rows: Iterator[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(table(costs()), table(turns()), sep="\n\n")
