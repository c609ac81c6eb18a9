"""The experiments for real models and data: whole without either."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.load import load
from harness.method.trial import run
from harness.runner.unet_images import FIRST, FURTHER, per_scene, unet_images
from tests.conftest import small_spec

FOLDER = Path(__file__).parents[2] / "experiments" / "gpu"
FILES = sorted(FOLDER.glob("*.yaml"))
PRESETS = [file for file in FILES if file.stem.startswith("stablekeypoints_")]
PAPER = {  # settings that the paper's runs share
    "tokens": 500, "steps": 500, "scenes_per_step": 4, "learning_rate": 0.005, "timestep": 0, "layers": (0, 1, 2, 3),
    "map_side": 128, "sigma_px": 2.0, "warp_degrees": 15.0, "warp_scale": 0.8, "warp_translate": 0.25,
    "localise_copies": 10, "context": "replace", "resize": "logits",
}
MEASURES = {"cub": "visible_l2", "celeba": "inter_eye", "taichi": "summed_px", "deepfashion": "within_6px",
            "human36m": "mirrored_px"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_experiment_loads_and_no_two_share_a_name(file):
    experiment = load(file)
    strengths = "fusion.strength" in experiment.axes  # none has one trial for all of them
    trials = [trial for trial in experiment.trials if not (strengths and trial.fusion.name == "none")]
    assert len({trial.id("d", "w") for trial in trials}) == len(trials) > 0
    assert [other.stem for other in FILES if load(other).name == experiment.name] == [file.stem]


def test_every_dataset_of_the_paper_has_one():
    assert {load(file).trials[0].data.name for file in PRESETS} == set(MEASURES)


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: file.stem)
def test_a_preset_has_the_papers_settings(file):
    for trial in load(file).trials:
        assert {name: getattr(trial, name) for name in PAPER} == PAPER
        assert (trial.model.name, trial.data.knobs["side_px"], trial.data.knobs["share_train"]) == ("sd15", 512, True)
        assert {loss.name: loss.knobs["weight"] for loss in trial.losses} == {"sharpening": 100, "equivariance": 1000}
        assert trial.losses[1].knobs["border"] == "zeros"
        chosen = trial.selection
        assert (chosen.name, chosen.knobs["candidates"], chosen.knobs["divergence"]) == ("gaussian_fps", 25, "softmax")


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: file.stem)
def test_a_presets_figures_are_of_its_datasets_measure_and_of_settings_that_it_runs(file):
    experiment = load(file)
    figures = experiment.report.published
    assert {figure.score for figure in figures} == {MEASURES[experiment.trials[0].data.name]}
    for figure in figures:
        assert "arXiv 2312.00065" in figure.source
        assert figure.setting["keypoints"] in {trial.keypoints for trial in experiment.trials}
    assert len(figures) == len({trial.keypoints for trial in experiment.trials})


@pytest.mark.parametrize(("name", "model", "steps", "scenes", "layers"), [
    ("stableimagekeypoints_cub_001", "sd15", 100, 8, (0, 1, 2, 3)),
    ("stable123keypoints_cub_001", "zero123plus_weights", 200, 8, (0, 1, 2)),
])
def test_the_successors_differ_from_the_paper_as_their_code_does(name, model, steps, scenes, layers):
    trial = load(FOLDER / f"{name}.yaml").trials[0]
    differing = {"steps": steps, "scenes_per_step": scenes, "layers": layers}
    assert trial.model.name == model
    assert {key: getattr(trial, key) for key in PAPER} == PAPER | differing


@pytest.mark.parametrize("file", [file for file in FILES if file.stem.startswith(("stableimage", "stable123"))],
                         ids=lambda file: file.stem)
def test_a_successors_settings_run_at_tiny_size(file, random_models):
    preset = load(file).trials[0]
    tiny = {"sd15": "tiny_sd", "zero123plus_weights": "tiny_zero123plus_weights"}[preset.model.name]
    small = small_spec(tiny, data={"views": 1}, view_scenes=0)
    spec = replace(small, layers=preset.layers, timestep=preset.timestep, losses=preset.losses,
                   selection=preset.selection, sigma_px=preset.sigma_px, warp_scale=preset.warp_scale,
                   warp_translate=preset.warp_translate, localise_copies=2)
    assert run(spec).status == "finished"


def test_celebas_preset_spares_the_unet_as_its_comment_says():
    """Backward passes count as two more images; before copies were spared a trial took 146,000 images in all."""
    trial = load(FOLDER / "stablekeypoints_celeba.yaml").trials[0]
    whole = replace(trial, copies_scenes=0)
    first, further, as_published = (
        unet_images(spec, per_scene(spec), at_hand)
        for spec, at_hand in ((trial, FIRST), (trial, FURTHER), (whole, FIRST)))
    assert sum(first.values()) == 46_001
    assert sum(as_published.values()) == 127_001
    backward = 2 * first["optimise, keypoint pass"]
    assert sum(first.values()) + backward <= 0.45 * 146_000
    assert sum(further.values()) + backward <= 0.25 * 146_000
