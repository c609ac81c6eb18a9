"""Old import paths of what extension packages use: they work for one more version, and warn.

An old module is an alias. Each name taken from it is the object of the new module itself, so that `issubclass` and the
registry see no difference. A DeprecationWarning at the importing line names both paths.
"""

import importlib
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

FOLDERS = {  # packages that no longer exist under the old name
    "harness.fusion": "harness.method.fusion", "harness.losses": "harness.method.losses",
    "harness.selection": "harness.method.selection", "harness.metrics": "harness.method.metrics",
    "harness.attention": "harness.models.attention",
}
MODULES = {
    "harness.plugins": "harness.registry", "harness.spec": "harness.config.spec",
    **{f"harness.{name}": f"harness.ops.{name}" for name in ("geometry", "maps", "matching", "tensors", "warps")},
    **{f"harness.{kind}._base": f"harness.method.{kind}.base" for kind in ("fusion", "losses", "selection", "metrics")},
    **{f"harness.{kind}._base": f"harness.{kind}.base" for kind in ("data", "models")},
    **{f"harness.search.{kind}._base": f"harness.search.{kind}.base" for kind in ("samplers", "pruners")},
    **{f"harness.models._{name}": f"harness.models.loading.{name}" for name in ("files", "folder", "hub", "published")},
    **{f"harness.models._{name}": f"harness.models.pipelines.{name}" for name in ("diffusion", "sides", "zero123plus")},
    "harness.attention.views": "harness.models.attention.canvas", "harness.images": "harness.data._images",
    "harness.data._labels": "harness.data.formats.json_labels",
    "harness.data._text": "harness.data.formats.text_columns",
    "harness.data._meshes": "harness.data.rendering.meshes", "harness.data._raster": "harness.data.rendering.raster",
    "harness.data._clouds": "harness.data.rendering.point_clouds",
}
NAMES = {  # names that moved to another module than the rest, or have another name there
    **{f"harness.images.{name}": f"harness.data._pixels.{name}"
       for name in ("cut_square", "longest_side_px", "on_grey")},
    **{f"harness.plugins.{name}": f"harness.errors.{name}" for name in ("UsageError", "Resumable", "nearest")},
    "harness.data._meshes.placed": "harness.data.rendering.meshes.apply_placement",
    "harness.losses._base.Evidence": "harness.method.losses.base.LossInputs",
    "harness.losses._views.located": "harness.method.losses._views.locate",
    "harness.losses._views.pairs": "harness.method.losses._views.view_pairs",
    "harness.losses._views.stacked": "harness.method.losses._views.stack_cameras",
    "harness.maps.keep_lit": "harness.ops.maps.mask_black",
    "harness.matching.HUMAN36M_MIRROR": "harness.data.human36m.HUMAN36M_MIRROR",
    "harness.models._diffusion.each": "harness.models.pipelines.diffusion.for_each",
    "harness.spec.Ids": "harness.config.ids.Ids",
}


def new_path(old: str) -> str | None:
    """Return the module that took the place of an old one, None for a path that is not old."""
    package, _, name = old.rpartition(".")
    return MODULES.get(old) or FOLDERS.get(old) or (f"{FOLDERS[package]}.{name}" if package in FOLDERS else None)


def install() -> None:
    """Make the old paths importable; Python asks this finder only for modules that it found nowhere else."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)


class _Alias(ModuleType):
    """An old module: it looks names up in the new one."""

    def __getattr__(self, name: str) -> Any:
        old, new = self.__name__, new_path(self.__name__)
        if old in FOLDERS or name.startswith("__"):  # a folder's names are its modules, which are imported one by one
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        path = NAMES.get(f"{old}.{name}", f"{new}.{name}")
        module, _, attribute = path.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        warnings.warn(f"{old}.{name} is deprecated; import {path}", DeprecationWarning, stacklevel=2)
        return value


class _Finder:
    """Finds old modules, and loads them as aliases."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return None if new_path(name) is None else ModuleSpec(name, _FINDER, is_package=name in FOLDERS)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        importlib.import_module(str(new_path(spec.name)))  # raises here if the new module does not exist either
        return _Alias(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the alias empty."""


_FINDER: Any = _Finder()
