"""Opening diffusers folders: the layouts that are published, and every mistake with one line that names it."""

import json
import logging
import re
from pathlib import Path

import pytest
import torch

from harness.errors import UsageError
from harness.models.loading.files import fingerprint
from harness.models.loading.folder import Expected, load_parts
from harness.models.pipelines.diffusion import Diffusion
from tests.models import layouts

WIDTH = 24  # of the random folders' tokens


@pytest.fixture
def plain(random_folders, tmp_path) -> Path:
    return layouts.copy(random_folders["tiny_sd"], tmp_path / "plain")


@pytest.fixture
def canvas(random_folders, tmp_path) -> Path:
    return layouts.copy(random_folders["tiny_zero123plus"], tmp_path / "canvas")


def weights(folder, **options):
    parts = load_parts(folder, **options)
    return {part: {k: v.float() for k, v in getattr(parts, part).state_dict().items()}
            for part in ("unet", "vae", "text_encoder")}


def assert_same(found, expected, **tolerance):
    for part, states in expected.items():
        for name, value in states.items():
            torch.testing.assert_close(found[part][name], value, **(tolerance or {"atol": 0, "rtol": 0}))


def test_sharded_weights_are_the_same(plain, random_folders):
    layouts.shard(plain, "unet")
    layouts.shard(plain, "text_encoder")
    assert_same(weights(plain), weights(random_folders["tiny_sd"]))


def test_sharded_weights_load_without_accelerate(plain, random_folders, monkeypatch):
    from diffusers.models import modeling_utils

    monkeypatch.setattr(modeling_utils, "is_accelerate_available", lambda: False)
    monkeypatch.setattr(modeling_utils, "_LOW_CPU_MEM_USAGE_DEFAULT", False)
    layouts.shard(plain, "unet")
    assert_same(weights(plain), weights(random_folders["tiny_sd"]))


def test_loading_without_accelerate_says_nothing(random_folders, monkeypatch, caplog):
    from diffusers.models import modeling_utils

    monkeypatch.setattr("diffusers.utils.is_accelerate_available", lambda: False)
    monkeypatch.setattr(modeling_utils, "is_accelerate_available", lambda: False)
    monkeypatch.setattr(logging.getLogger("diffusers"), "propagate", True)
    load_parts(random_folders["tiny_sd"])
    assert caplog.messages == []


def test_half_precision_files_serve_where_there_are_no_others(plain, random_folders):
    layouts.halve(plain)
    assert_same(weights(plain), weights(random_folders["tiny_sd"]), atol=1e-3, rtol=1e-3)


def test_bfloat16_files_serve_too(plain, random_folders):
    layouts.halve(plain)
    for file in plain.rglob("*.fp16.safetensors"):
        file.rename(file.with_name(file.name.replace("fp16", "bf16")))
    assert_same(weights(plain), weights(random_folders["tiny_sd"]), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("sharded", [False, True])
def test_another_variant_is_named_with_the_way_to_take_it(plain, random_folders, sharded):
    stem = "diffusion_pytorch_model.safetensors"
    if sharded:
        layouts.shard(plain, "unet")
        stem += ".index.json"
    other = stem.replace(".safetensors", ".non_ema.safetensors")
    (plain / "unet" / stem).rename(plain / "unet" / other)
    (message,) = [lines(plain)]
    assert "unet/diffusion_pytorch_model.safetensors is missing; " in message
    named, place = re.search(r"; (\S+) lies there: rename it to (\S+) to take", message).groups()
    (plain / "unet" / named).rename(plain / "unet" / place)
    assert_same(weights(plain), weights(random_folders["tiny_sd"]))


def test_weights_under_their_old_names_are_the_same(plain, random_folders):
    layouts.age(plain)
    assert_same(weights(plain), weights(random_folders["tiny_sd"]))


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_the_unet_is_loaded_in_the_precision_and_the_encoders_in_full(plain, precision, dtype):
    parts = load_parts(plain, dtype=dtype)
    assert parts.unet.dtype == dtype
    assert parts.vae.dtype == parts.text_encoder.dtype == torch.float32
    assert Diffusion(parts, precision, "cpu").text.dtype == torch.float32


def lines(folder, **options):
    with pytest.raises(UsageError) as caught:
        load_parts(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    assert "no such folder" in lines(tmp_path / "nothing")


@pytest.mark.parametrize("missing", [
    "unet/diffusion_pytorch_model.safetensors", "vae/config.json", "tokenizer/merges.txt",
    "scheduler/scheduler_config.json",
])
def test_a_missing_file_is_named(plain, missing):
    (plain / "tokenizer/tokenizer.json").unlink()  # which would stand for vocab.json and merges.txt
    (plain / missing).unlink()
    assert f"{missing} is missing" in lines(plain)


def test_a_missing_part_is_named(plain):
    assert "no 'vision_encoder' in it" in lines(plain, zero123plus=True)


def test_a_missing_shard_is_named(plain):
    layouts.shard(plain, "unet")
    (plain / "unet/diffusion_pytorch_model-00002-of-00003.safetensors").unlink()
    index = "diffusion_pytorch_model.safetensors.index.json"
    assert f"00002-of-00003.safetensors is missing, which {index} names" in lines(plain)


def test_a_shard_outside_the_folder_is_refused(plain):
    layouts.shard(plain, "unet")
    index = plain / "unet/diffusion_pytorch_model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"] = dict.fromkeys(content["weight_map"], "../../elsewhere.safetensors")
    index.write_text(json.dumps(content))
    assert "elsewhere.safetensors is missing" in lines(plain)


def test_pickled_weights_are_never_loaded(plain):
    (plain / "unet/diffusion_pytorch_model.safetensors").rename(plain / "unet/diffusion_pytorch_model.bin")
    assert "diffusion_pytorch_model.bin is no safetensors file and is never loaded" in lines(plain)


def test_a_damaged_file_is_named(plain):
    file = plain / "unet/diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    assert "not a safetensors file, or cut short" in lines(plain)


def test_weights_that_lack_a_tensor_are_refused(plain):
    """The library would draw the missing ones at random, with a warning."""
    from safetensors.torch import load_file, save_file

    file = plain / "unet/diffusion_pytorch_model.safetensors"
    kept = load_file(file)
    kept.pop("conv_in.weight")
    save_file(kept, file, metadata={"format": "pt"})
    assert "unet's weights do not fit its config.json: conv_in.weight is missing" in lines(plain)


def test_weights_of_another_width_are_refused(plain):
    layouts.edit(plain / "text_encoder/config.json", hidden_size=48)
    assert "the text encoder is 48 wide, the UNet takes 24" in lines(plain)


def test_another_architecture_is_told_by_its_width(plain):
    wrong = lines(plain, expected=Expected("sd15", 768, "epsilon"))
    assert "model 'sd15'" in wrong
    assert f"tokens {WIDTH} wide, not 768" in wrong


def test_another_objective_is_told(plain):
    assert "predicts epsilon, not v_prediction" in lines(plain, expected=Expected("sd21", WIDTH, "v_prediction"))


def test_an_inpainting_unet_is_told(plain):
    layouts.edit(plain / "unet/config.json", in_channels=9)
    assert "9 input channels" in lines(plain)


def test_a_folder_without_a_ramp_is_no_zero123plus(canvas):
    (canvas / "model_index.json").write_text("{}")
    assert "no ramping_coefficients" in lines(canvas, zero123plus=True)


def test_a_scheduler_that_is_not_the_librarys_is_refused(plain):
    layouts.edit(plain / "scheduler/scheduler_config.json", _class_name="AutoencoderKL")
    assert "scheduler 'AutoencoderKL' is none of diffusers' own" in lines(plain)


def test_a_configuration_that_is_not_json(plain):
    (plain / "unet/config.json").write_text("{")
    assert "unet/config.json: missing, or not JSON" in lines(plain)


def test_code_in_the_folder_is_never_run(canvas, tmp_path):
    (canvas / "pipeline.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    layouts.edit(canvas / "model_index.json", _class_name=["pipeline", "Mine"], custom_pipeline="pipeline.py")
    layouts.edit(canvas / "unet/config.json", auto_map={"AutoModel": "pipeline.Mine"})
    load_parts(canvas, zero123plus=True)
    assert not (tmp_path / "ran").exists()


def test_the_fingerprint_follows_what_is_loaded(plain):
    before = fingerprint(plain)
    (plain / "README.md").write_text("a card")
    (plain / "unet/diffusion_pytorch_model.fp16.safetensors").write_bytes(b"never read beside the plain one")
    assert fingerprint(plain) == before
    layouts.edit(plain / "scheduler/scheduler_config.json", beta_end=0.013)
    assert fingerprint(plain) != before


def test_a_zero123plus_folder_says_how_its_images_are_seen(canvas):
    (canvas / "feature_extractor_vae").mkdir()
    (canvas / "feature_extractor_vae/preprocessor_config.json").write_text('{"crop_size": {"height": 16, "width": 16}}')
    parts = load_parts(canvas, zero123plus=True)
    assert (parts.condition_size, parts.clip_size, len(parts.ramp)) == (16, 16, 77)
