"""The published models' names: hub repositories at pinned commits, or folders; no test reaches a network."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.models.loading import hub, published
from harness.models.loading.folder import Expected
from harness.models.loading.published import Release
from harness.registry import build, variant
from tests.models import layouts

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAMES = ("sd15", "sd21", "zero123plus", "zero123plus_weights")
WIDTH = 24


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def narrow(monkeypatch):
    """Let the published names stand for models as wide as the random folders."""
    for name in NAMES:
        cls = variant("models", name).cls
        own = cls.release.fget

        def release(self, own=own) -> Release:
            published = own(self)
            expected = Expected(published.expected.name, WIDTH, published.expected.prediction_type)
            return published._replace(expected=expected)

        monkeypatch.setattr(cls, "release", property(release))


@pytest.mark.parametrize("name", NAMES)
def test_a_pinned_commit_is_the_fingerprint_without_network_or_files(name, cache):
    mark = build("models", name).fingerprint()
    assert hub.COMMIT.fullmatch(mark)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_cache_lacks_is_named_with_the_way_to_get_it(name, cache):
    source = build("models", name)
    with pytest.raises(UsageError) as caught:
        source.open("fp32", "cpu")
    said = str(caught.value)
    for part in (name, source.release.repository, source.release.revision, str(cache), "HF_HUB_OFFLINE is set",
                 f"hf download {source.release.repository} --revision {source.release.revision}", "model.path"):
        assert part in said
    assert "\n" not in said


def test_a_network_that_fails_is_named(cache, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    def fail(*args, **options):
        raise ConnectionError("no route to host\nand much more")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(UsageError, match="cannot be downloaded: no route to host;"):
        build("models", "sd15").open("fp32", "cpu")


@pytest.mark.parametrize(("name", "folder", "layers"), [
    ("sd15", "tiny_sd", 4), ("zero123plus", "tiny_zero123plus", 4), ("zero123plus_weights", "tiny_zero123plus", 4),
])
def test_a_cached_repository_opens_without_network(name, folder, layers, cache, narrow, random_folders):
    release = build("models", name).release
    layouts.in_cache(random_folders[folder], cache, release.repository, release.revision)
    source = build("models", name)
    model = source.open("bf16", "cpu")
    assert (model.width, len(model.up_layers)) == (WIDTH, layers)
    assert source.fingerprint() == release.revision


def test_a_branch_is_the_commit_that_the_cache_has(cache, narrow, random_folders):
    layouts.in_cache(random_folders["tiny_sd"], cache, "someone/model", COMMIT, branch="main")
    source = build("models", "sd15", {"path": "someone/model"})
    assert source.fingerprint() == COMMIT
    assert source.open("fp32", "cpu").width == WIDTH


def test_an_unknown_branch_needs_a_network(cache):
    with pytest.raises(UsageError, match="model 'sd15': there is no folder someone/model; on the hub: someone/model at "
                                         "later is not in the cache"):
        build("models", "sd15", {"path": "someone/model", "revision": "later"}).fingerprint()


def test_a_cache_with_files_missing_counts_as_none(cache, narrow, random_folders):
    release = build("models", "sd15").release
    layouts.in_cache(random_folders["tiny_sd"], cache, release.repository, release.revision)
    next(cache.rglob("vae/*.safetensors")).unlink()
    with pytest.raises(UsageError, match="HF_HUB_OFFLINE"):
        build("models", "sd15").open("fp32", "cpu")


def test_only_files_that_are_loaded_are_downloaded(cache, narrow, random_folders, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    release, asked = build("models", "zero123plus").release, []

    def download(repository, *, revision, allow_patterns, ignore_patterns):
        asked.append((repository, revision))
        assert not [pattern for pattern in allow_patterns if pattern.endswith((".py", ".bin", "*"))]
        layouts.in_cache(random_folders["tiny_zero123plus"], cache, repository, revision)
        return str(cache / f"models--{repository.replace('/', '--')}/snapshots/{revision}")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert build("models", "zero123plus").open("fp32", "cpu").width == WIDTH
    assert asked == [(release.repository, release.revision)]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_ones_own(name, narrow, random_folders, cache):
    folder = random_folders["tiny_zero123plus" if name.startswith("zero") else "tiny_sd"]
    source = build("models", name, {"path": str(folder)})
    assert source.open("fp32", "cpu").width == WIDTH
    assert len(source.fingerprint()) == 12


def test_a_path_that_is_neither_is_named(cache):
    with pytest.raises(UsageError, match="path '/no/such/folder' is no folder, and no hub repository's name"):
        build("models", "sd15", {"path": "/no/such/folder"}).fingerprint()


def test_the_wrong_model_behind_a_name_is_told(random_folders, cache):
    with pytest.raises(UsageError, match=r"model 'sd15': .* tokens 24 wide, not 768"):
        build("models", "sd15", {"path": str(random_folders["tiny_sd"])}).open("fp32", "cpu")


def test_the_released_models_are_what_their_authors_say():
    assert {name: (release.expected.width, release.expected.prediction_type) for name, release in {
        "sd15": build("models", "sd15").release, "base": build("models", "sd21").release,
        "v": build("models", "sd21", {"version": "v"}).release, **published.ZERO123PLUS_RELEASES,
    }.items()} == {"sd15": (768, "epsilon"), "base": (1024, "epsilon"), "v": (1024, "v_prediction"),
                   "v1.1": (1024, "v_prediction"), "v1.2": (1024, "v_prediction")}
