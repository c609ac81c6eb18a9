"""Measure the exported models on unseen scenes and write their cards and sample pictures."""

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from _train_tiny import card, measure, tiny_sd, vae
from _train_tiny.data import Pictures
from _train_tiny.text import Captions
from harness.models.loading.folder import load_parts
from harness.models.pipelines.zero123plus import Zero123Plus

LINE_STEPS = 20
PICTURED = 5


def sizes(folder: Path) -> str:
    """Return table rows of the parameters in each of the folder's parts."""
    rows = []
    for path in sorted(folder.glob("*/*.safetensors")):
        with safe_open(path, "pt") as file:
            count = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
        rows.append(f"| {path.parent.name} | {count / 1e6:.2f} M |")
    return "\n".join(rows)


def _localised(log: list[dict[str, float]]) -> dict[str, object]:
    last = log[-1]
    names = {"pck@0.1": "all families", "pck_biped@0.1": "biped", "pck_quadruped@0.1": "quadruped",
             "pck_bird@0.1": "bird", "pck_up@0.1": "all families, last two layers"}
    rows: dict[str, object] = {f"PCK@0.1, {meaning}": last[name] for name, meaning in names.items()}
    return {**rows, "PCK@0.2, all families": last["pck@0.2"], "share of attention in the part": last["share"]}


def of_tiny_sd(folder: Path, runs: Path, captions: Captions, scenes: Pictures, counts: tuple[int, int]) -> None:
    """Write tiny_sd's card."""
    log, vae_log = card.exported(card.lines(runs / "sd.log")), card.lines(runs / "vae.log")
    shares, samples = measure.colour_shares(folder, captions, scenes)
    measured = {
        **_localised(log),
        f"parts with the named colour, {measure.SAMPLES} samples": shares["samples"],
        "the same reading, chance": shares["chance"],
        "the same reading, visible parts of real pictures": shares["real"]}
    card.sheet([samples[i : i + 16] for i in range(0, measure.SAMPLES, 16)], folder / "samples.png")
    card.write(folder, {
        "sd_steps": measure.SD_STEPS, "sd_guidance": measure.SD_GUIDANCE, "sizes": sizes(folder), "single": counts[0],
        "six": counts[1], "batch": tiny_sd.BATCH, "weight": tiny_sd.GROUNDING_WEIGHT, "factor": vae.SCALING_FACTOR,
        "vae_steps": vae_log[-1]["step"], "vae_squared": card.last_mean(vae_log, "squared"),
        "vae_psnr": round(vae_log[-1]["psnr_db"], 1), "sd_run_steps": log[-1]["step"],
        "sd_minutes": card.minutes(log), "sd_denoising": card.last_mean(log, "denoising"),
        "sd_grounding": card.last_mean(log, "grounding"), "sd_measured": card.table(measured)})


def _curve(log: list[dict[str, float]], count: int = 6) -> str:
    """Return table rows of what was watched along a further run, the last one at its end."""
    watched = [line for line in log if "guess_db" in line]
    rows = watched[::-1][:: max(1, len(watched) // count)][::-1]
    return "\n".join(
        f"| {line['canvases']:,} | {line['error@200']:.4f} | {line['error@600']:.4f} | {line['error@800']:.4f} | "
        f"{100 * line['worth@600']:.1f} % | {line['guess_db']:+.2f} | {line['pck@0.1']:.3f} |" for line in rows)


def picture_canvases(scenes: Pictures, made: Tensor, path: Path) -> None:
    """Save the photographs of a few scenes, each beside the generated views (n 6 3 64 64) above the true ones."""
    assert scenes.conditions is not None
    gap = torch.ones(3, 64, 8)
    rows = []
    for i in range(PICTURED):
        left = scenes.conditions[i].float() / 255
        rows += [torch.cat([left, gap, *made[i]], -1)[None],
                 torch.cat([torch.ones_like(left), gap, *(scenes.images[i].float() / 255)], -1)[None]]
    card.sheet(rows, path)


def of_tiny_zero123plus(folder: Path, run: Path, scenes: Pictures, mean: Tensor, singles: int) -> None:
    """Write tiny_zero123plus's card; ``run`` is the folder of the further run that the weights came out of."""
    log = card.exported(card.lines(run / "steady.log"))
    model = Zero123Plus(load_parts(folder, zero123plus=True), "fp32", "cpu")
    scores, made = measure.canvas_scores(model, scenes, mean)
    picture_canvases(scenes, made, folder / "canvases.png")
    measured: dict[str, object] = {f"PSNR, {name}": f"{value} dB" for name, value in scores.items()}
    gain = measure.condition_gain(model, scenes)
    measured["denoising error at timestep 600 with another scene's condition"] = f"{100 * gain:+.1f} %"
    card.write(folder, {
        "canvas_steps": measure.SAMPLINGS[-1][0], "canvas_guidance": measure.SAMPLINGS[-1][1], "sizes": sizes(folder),
        "single": singles, "six": log[-1]["scenes"], "canvases": log[-1]["canvases"], "scenes": len(scenes),
        "curve": _curve(log),
        **{key: card.last_mean(log, key) for key in ("denoising", "alone", "grounding", "alone_grounding")},
        "measured": card.table({**measured, **_localised(log)})})
