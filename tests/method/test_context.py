"""What stands beside the tokens in the keypoint pass: text, its bias, embeddings from a file, separate softmaxes."""

import pytest
import torch
from safetensors.torch import save_file

from harness.errors import UsageError
from harness.method import trial
from harness.method.compatibility import check
from harness.method.fingerprints import fingerprints
from harness.models.attention.groups import TEXT, TOKENS
from harness.models.loading.embeddings import RESERVED
from tests.conftest import open_session, small_spec

SPEC = {"model": "tiny_zero123plus", "fusion": "none", "view_scenes": 0, "losses": ("sharpening",)}


@pytest.fixture
def sketch(tmp_path):
    def write(**tensors):
        save_file(tensors, tmp_path / "sketch.safetensors")
        return str(tmp_path / "sketch.safetensors")

    return write


def width():
    return open_session(small_spec(**SPEC)).model.width


@pytest.mark.usefixtures("random_models")
@pytest.mark.parametrize("settings", [
    {"context": "concat"}, {"context": "concat", "text_tokens": 1}, {"context": "concat", "text_bias": -3.0},
    {"context": "concat", "context_softmax": "separate"},
    {"context": "concat", "view_pass": "canvas"}, {}], ids=str)
def test_every_context_runs_and_captures_the_models_own_attention(settings, sketch):
    path = sketch(sketch=torch.randn(9, width()))
    result = trial.run(small_spec(**{**SPEC, **settings, "context_file": path}))
    assert result.status == "finished", result.reason
    names = ["sketch", "text", "tokens"] if settings.get("context") == "concat" else ["sketch", "tokens"]
    shares = {name.removeprefix("group_share_"): score for name, score in result.scores.items()
              if name.startswith("group_share_") and not name.endswith("_untrained")}
    if settings.get("context_softmax") == "separate":
        assert shares == {}
    else:
        assert sorted(shares) == names
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert all(0 <= result.scores[f"group_entropy_{name}"] <= 1 for name in names)


@pytest.mark.usefixtures("random_models")
def test_a_hidden_text_leaves_the_tokens_as_alone():
    alone = trial.run(small_spec(**SPEC))
    hidden = trial.run(small_spec(**SPEC, context="concat", text_bias=-100.0))
    assert hidden.scores["entropy"] == pytest.approx(alone.scores["entropy"], rel=1e-4)
    assert hidden.scores["group_share_text"] < 1e-6
    shown = trial.run(small_spec(**SPEC, context="concat"))
    assert shown.scores["group_share_text"] > 0.1


@pytest.mark.usefixtures("random_models")
def test_a_file_counts_by_its_content(sketch):
    path = sketch(sketch=torch.zeros(2, width()))
    spec = small_spec(**SPEC, context_file=path)
    before, first = fingerprints(spec), trial.run(spec).scores
    assert before["weights"] != fingerprints(small_spec(**SPEC))["weights"]
    sketch(sketch=torch.ones(3, width()))
    assert fingerprints(spec)["weights"] != before["weights"]
    assert trial.run(spec).scores["group_share_sketch"] != first["group_share_sketch"]


@pytest.mark.parametrize(("tensors", "words"), [
    ({"sketch": torch.zeros(4)}, r"'sketch' of shape \[4\]"),
    ({"sketch": torch.full((2, 4), torch.nan)}, "expected finite numbers"),
    ({"sketch": torch.zeros(2, 4, dtype=torch.int64)}, "torch.int64"),
    ({"tokens": torch.zeros(2, 4)}, "rename the tensor 'tokens'"),
    ({"a b": torch.zeros(2, 4)}, "rename the tensor 'a b'"),
    ({}, "holds no tensor")])
def test_a_file_that_cannot_be_used_is_named_before_a_trial(tensors, words, sketch):
    path = sketch(**tensors)
    with pytest.raises(UsageError, match=rf"trial.context_file: {path}: .*{words}"):
        check(small_spec(**SPEC, context_file=path))


def test_a_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        check(small_spec(**SPEC, context_file=str(tmp_path / "none.safetensors")))
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(UsageError, match="not a safetensors file"):
        check(small_spec(**SPEC, context_file=str(tmp_path / "torn.safetensors")))


@pytest.mark.usefixtures("random_models")
def test_vectors_of_another_width_are_named(sketch):
    path = sketch(sketch=torch.zeros(2, 5))
    with pytest.raises(UsageError, match=r"'sketch' has vectors of 5 numbers; this model's context has \d+"):
        trial.run(small_spec(**SPEC, context_file=path))


def test_the_reserved_names_are_those_of_the_groups():
    assert RESERVED == (TEXT, TOKENS)
