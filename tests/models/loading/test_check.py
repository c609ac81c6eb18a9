"""A model folder is checked before any trial: each thing that cannot be used in one line, without loading weights."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.errors import UsageError
from harness.models.loading.check import check_folder, tensor_names
from harness.models.loading.folder import load_parts
from tests.models import layouts

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(random_folders, tmp_path):
    return layouts.copy(random_folders["tiny_sd"], tmp_path / "model")


def test_a_plain_folder_passes(folder):
    check_folder(folder)


@pytest.mark.parametrize(("file", "changes", "message"), [
    ("unet/config.json", {"class_embed_type": "timestep"}, "class_embed_type is 'timestep' (class embeddings): not"),
    ("unet/config.json", {"num_class_embeds": 7}, "num_class_embeds is 7 (class embeddings): not"),
    ("unet/config.json", {"addition_embed_type": "text_time"}, "(added embeddings, as in SDXL): not supported"),
    ("unet/config.json", {"dual_cross_attention": True}, "(dual cross-attention): not supported"),
    ("unet/config.json", {"only_cross_attention": [False, True]}, "(blocks with cross-attention alone): not"),
    ("unet/config.json", {"in_channels": 9}, "a UNet of 9 input channels (for inpainting, perhaps), not 4"),
    ("unet/config.json", {"cross_attention_dim": [24, 24]}, "is [24, 24]; expected one whole number"),
    ("text_encoder/config.json", {"hidden_size": 32}, "the text encoder is 32 wide, the UNet takes 24"),
    ("scheduler/scheduler_config.json", {"prediction_type": "flow"}, "prediction_type is 'flow'; expected epsilon"),
])
def test_a_configuration_that_cannot_be_used_is_named(file, changes, message, folder):
    layouts.edit(folder / file, **changes)
    with pytest.raises(UsageError) as caught:
        check_folder(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "kind"), [
    ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.up.weight", "LoRA"),
    ("down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_ip.weight", "IP-Adapter"),
])
def test_an_adapters_tensors_are_refused_by_name(name, kind, folder):
    save_file({**load_file(folder / UNET), name: torch.zeros(2, 2)}, folder / UNET, metadata={"format": "pt"})
    with pytest.raises(UsageError) as caught:
        check_folder(folder)
    assert f"holds {kind} tensors ({name}), which would be ignored" in str(caught.value)


def test_any_other_tensor_is_refused_when_the_folder_is_opened(folder):
    save_file({**load_file(folder / UNET), "extra.weight": torch.zeros(2)}, folder / UNET, metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"unet has tensors that its config.json does not describe: extra.weight"):
        load_parts(folder)


def test_a_torn_file_is_named(folder):
    content = (folder / UNET).read_bytes()
    for cut, message in ((4, "not a safetensors file, or cut short"), (len(content) - 8, "but its header describes")):
        (folder / UNET).write_bytes(content[:cut])
        with pytest.raises(UsageError, match=message):
            check_folder(folder)


def test_the_names_of_the_header_are_those_of_the_tensors(folder):
    assert sorted(tensor_names(folder / UNET)) == sorted(load_file(folder / UNET))


def test_a_tokenizer_as_transformers_5_writes_it_is_opened(folder):
    tokenizer = folder / "tokenizer"
    before = load_parts(folder).tokenizer("a cab")["input_ids"]
    assert (tokenizer / "tokenizer.json").is_file()
    for name in ("vocab.json", "merges.txt"):
        (tokenizer / name).unlink(missing_ok=True)
    check_folder(folder)
    assert load_parts(folder).tokenizer("a cab")["input_ids"] == before


def test_a_tokenizer_without_a_maximum_length_takes_the_encoders(folder):
    config = folder / "tokenizer" / "tokenizer_config.json"
    content = json.loads(config.read_text())
    content.pop("model_max_length")
    config.write_text(json.dumps(content))
    assert load_parts(folder).tokenizer.model_max_length == 77


def test_a_configuration_with_a_byte_order_mark_is_read(folder):
    for file in folder.rglob("*.json"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    check_folder(folder)
    parts = load_parts(folder)
    assert (parts.unet.config.cross_attention_dim, parts.tokenizer.model_max_length) == (24, 77)
    config = folder / "unet" / "config.json"
    config.write_text("[1]")
    with pytest.raises(UsageError, match="not a JSON object"):
        check_folder(folder)


def test_checking_imports_no_library(folder):
    code = "import sys, pathlib; from harness.models.loading.check import check_folder; "
    code += f"check_folder(pathlib.Path({str(folder)!r})); "
    code += "print([name for name in ('torch', 'diffusers', 'transformers', 'safetensors') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"
