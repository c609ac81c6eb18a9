"""Old import paths, as an extension package that is not adapted yet uses them."""

import importlib
import subprocess
import sys

import pytest

from harness import _moved, registry

EXTENSION = '''"""The keypoint tokens' own attention is added to the context's output."""

from dataclasses import dataclass

from harness.fusion._base import Attend, Context, Fusion, Guidance, Output
from harness.plugins import knob


@dataclass(frozen=True)
class Add(Fusion):
    """Output A_c V_c + alpha A_e V_e with separate softmaxes."""

    alpha: float = knob(0.3, "factor of the tokens' output at strength 1", low=0.0, high=1.0)

    def fuse(self, attend: Attend, context: Context, guidance: Guidance, gates: object) -> Output:
        """Return the sum of both outputs."""
        return attend(context)
'''
NAMES = {  # of each module, those that a variant of that kind imports
    "harness.data._base": ["Dataset", "Scene"], "harness.images": ["cut_square", "on_grey", "open_rgb"],
    "harness.fusion._base": ["Attend", "Fusion", "Guidance"],
    "harness.fusion.blend": ["Blend"], "harness.losses._base": ["Loss"],
    "harness.metrics._base": ["Metric", "Observations"], "harness.models._base": ["Model"],
    "harness.models._diffusion": ["Diffusion"], "harness.models._files": ["up_layers"],
    "harness.models._folder": ["fingerprint", "load_parts"], "harness.models._sides": ["multiple_of_folder"],
    "harness.models._zero123plus": ["Zero123Plus"],
    "harness.plugins": ["build", "knob", "variant"],
    "harness.search.pruners._base": ["Pruner"], "harness.search.samplers._base": ["Sampler"],
    "harness.selection._base": ["Selection"], "harness.spec": ["Choice", "TrialSpec"],
    "harness.tensors": ["Maps", "Scalar", "generator"],
}


@pytest.fixture
def extension(tmp_path, monkeypatch):
    """An installed package whose module imports from the old paths; forgotten again after the test."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "add.py").write_text(EXTENSION)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.fusion]\nadd = theirs.add\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.forget()
    yield tmp_path / "theirs" / "add.py"
    sys.modules.pop("theirs.add", None)
    sys.modules.pop("theirs", None)
    registry.forget()


def test_an_extension_with_old_imports_works_and_is_warned_at_its_own_line(extension):
    from harness.method.fusion.base import Fusion

    with pytest.warns(DeprecationWarning, match="deprecated") as caught:
        variant = registry.variant("fusion", "add")
    assert issubclass(variant.cls, Fusion)
    assert [knob.name for knob in variant.knobs] == ["strength", "alpha"]
    lines = {(warning.filename, warning.lineno): str(warning.message) for warning in caught}
    assert lines == {
        (str(extension), 5): "harness.fusion._base.Output is deprecated; import harness.method.fusion.base.Output",
        (str(extension), 6): "harness.plugins.knob is deprecated; import harness.registry.knob",
    }


@pytest.mark.parametrize("old", sorted(_moved.MODULES))
def test_every_old_module_imports_and_leaves_the_new_one_as_it_is(old):
    new = importlib.import_module(_moved.new_path(old))
    before = {name: vars(new)[name] for name in ("__name__", "__spec__", "__loader__", "__file__")}
    alias = importlib.import_module(old)
    assert alias.__name__ == old
    assert sys.modules[new.__name__] is new
    assert {name: vars(new)[name] for name in before} == before


@pytest.mark.parametrize(("old", "name"), [
    *((old, name) for old, names in NAMES.items() for name in names),
    *((path.rpartition(".")[0], path.rpartition(".")[2]) for path in _moved.NAMES),
])
def test_a_name_of_an_old_module_is_the_object_of_the_new_one(old, name):
    path = _moved.NAMES.get(f"{old}.{name}", f"{_moved.new_path(old)}.{name}")
    module, _, attribute = path.rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"{old}.{name} is deprecated; import {path}"):
        moved = getattr(importlib.import_module(old), name)
    assert moved is getattr(importlib.import_module(module), attribute)


def test_all_folders_lend_their_modules():
    for old in _moved.FOLDERS:
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            importlib.import_module(old).nothing  # noqa: B018
    namespace = {}
    exec("from harness.fusion import blend", namespace)
    assert namespace["blend"].__name__ == "harness.fusion.blend"


def test_a_path_that_never_was_is_not_found():
    for path in ("harness.nothing", "harness.fusion.nothing", "harness.data._nothing"):
        with pytest.raises(ModuleNotFoundError, match="nothing"):
            importlib.import_module(path)


def test_importing_the_package_is_cheap():
    code = "import sys, harness; sys.exit(bool({'torch', 'numpy', 'harness.registry'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
